package v1

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/blob"
)

// The resumable upload of tus 1.0 with the extensions that tusExtensions names.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,checksum,expiration,termination"
	tusAlgorithms = "sha256,sha1"
	// MaxMetadata bounds the header Upload-Metadata, bytes.
	MaxMetadata = 4 << 10
	// MaxChecked is the longest chunk with a checksum, bytes: it is held in memory
	// until the checksum has been compared, so that nothing else is stored.
	MaxChecked = 1 << 20
	// patchBuffer is what is read at once, bytes; syncEvery how much may be lost
	// in a power cut while a chunk is under way.
	patchBuffer = 64 << 10
	syncEvery   = 4 << 20
	offsetMedia = "application/offset+octet-stream"
)

func (u *uploads) table() []operation {
	scope := appkey.DocumentsSend
	return []operation{
		{id: "getUploadOptions", method: "OPTIONS", path: "/uploads", open: true, do: u.options},
		{id: "createUpload", method: "POST", path: "/uploads", scope: scope, or: appkey.DossiersFile, do: u.create},
		{id: "getUploadOffset", method: "HEAD", path: "/uploads/{id}", scope: scope, or: appkey.DossiersFile, do: u.offset},
		{id: "getUpload", method: "GET", path: "/uploads/{id}", scope: scope, or: appkey.DossiersFile, do: u.describe},
		{id: "appendUpload", method: "PATCH", path: "/uploads/{id}", scope: scope, or: appkey.DossiersFile, media: []string{offsetMedia}, do: u.append},
		{id: "deleteUpload", method: "DELETE", path: "/uploads/{id}", scope: scope, or: appkey.DossiersFile, do: u.delete},
	}
}

// Upload describes an upload.
type Upload struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Size      int64     `json:"size"`
	Offset    int64     `json:"offset"`
	Complete  bool      `json:"complete"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (u *uploads) options(c *call) error {
	h := c.w.Header()
	h.Set("Tus-Resumable", tusVersion)
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", tusExtensions)
	h.Set("Tus-Checksum-Algorithm", tusAlgorithms)
	h.Set("Tus-Max-Size", strconv.FormatInt(u.s.o.Limits.File, 10))
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// version holds a call to the version of the protocol.
func (c *call) version() error {
	c.w.Header().Set("Tus-Resumable", tusVersion)
	if have := c.r.Header.Get("Tus-Resumable"); have != tusVersion {
		c.w.Header().Set("Tus-Version", tusVersion)
		return problem.New(problem.Usage, "upload.version", "Tus-Resumable", i18n.Args{"have": shown(have), "want": tusVersion})
	}
	return nil
}

// length reads a header that holds a number of bytes.
func (c *call) length(name string) (int64, error) {
	text := c.r.Header.Get(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || text[0] == '+' || text[0] == '-' {
		return 0, problem.New(problem.Usage, "upload.header", name, i18n.Args{"header": name, "value": shown(text)})
	}
	return n, nil
}

// metadata reads a header Upload-Metadata: pairs of a key and a value in base64,
// the value may be missing.
func metadata(header string) (map[string]string, bool) {
	pairs := map[string]string{}
	if len(header) > MaxMetadata {
		return nil, false
	}
	if strings.TrimSpace(header) == "" {
		return pairs, true
	}
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		text, err := base64.StdEncoding.Strict().DecodeString(value)
		if _, twice := pairs[key]; key == "" || twice || err != nil || !utf8.Valid(text) {
			return nil, false
		}
		pairs[key] = string(text)
	}
	return pairs, true
}

// checksum reads a header Upload-Checksum: an algorithm and a digest in base64;
// nil for none.
func checksum(header string) (hash.Hash, []byte, bool) {
	name, text, _ := strings.Cut(header, " ")
	want, err := base64.StdEncoding.Strict().DecodeString(text)
	var h hash.Hash
	switch name {
	case "sha256":
		h = sha256.New()
	case "sha1":
		h = sha1.New()
	default:
		return nil, nil, false
	}
	return h, want, err == nil && len(want) == h.Size()
}

func (u *uploads) offset(c *call) error {
	if err := c.version(); err != nil {
		return err
	}
	up, err := u.find(c, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(up.Offset, 10))
	h.Set("Upload-Length", strconv.FormatInt(up.Size, 10))
	h.Set("Upload-Expires", up.ExpiresAt.Format(http.TimeFormat))
	h.Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(up.Name)))
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (u *uploads) describe(c *call) error {
	up, err := u.find(c, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, up)
}

// append takes a chunk in. What of it is durable counts, also when the line is
// cut: the offset that is answered next is where to go on (P4).
func (u *uploads) append(c *call) error {
	if err := c.version(); err != nil {
		return err
	}
	at, err := c.length("Upload-Offset")
	if err != nil {
		return err
	}
	up, hold, err := u.held(c)
	if err != nil {
		return err
	}
	defer hold.release()
	part, err := hold.open()
	if err != nil {
		return err
	}
	if at != part.Len() {
		c.w.Header().Set("Upload-Offset", strconv.FormatInt(part.Len(), 10))
		return problem.New(problem.Conflict, "upload.offset", "Upload-Offset", i18n.Args{"have": at, "want": part.Len()})
	}
	if err := u.receive(c, hold, part, up.Size); err != nil {
		return err
	}
	up.ExpiresAt, err = u.prolong(c, up.id())
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(part.Len(), 10))
	h.Set("Upload-Expires", up.ExpiresAt.Format(http.TimeFormat))
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (u *uploads) receive(c *call, hold *active, part *blob.Part, size int64) error {
	left := size - part.Len()
	if c.r.ContentLength > left {
		return problem.New(problem.Usage, "upload.too-large", "Content-Length", i18n.Args{"name": "…", "most": left})
	}
	if header := c.r.Header.Get("Upload-Checksum"); header != "" {
		return receiveChecked(c, part, left, header)
	}
	buffer := make([]byte, patchBuffer)
	for {
		n, err := c.r.Body.Read(buffer[:min(int64(len(buffer)), left+1)])
		if int64(n) > left {
			return errors.Join(problem.New(problem.Usage, "upload.too-large", "Content-Length", i18n.Args{"name": "…", "most": size}), part.Sync())
		}
		if n > 0 {
			if werr := part.Append(part.Stored(), buffer[:n]); werr != nil {
				return errors.Join(storing(werr), part.Sync())
			}
			left -= int64(n)
		}
		if part.Stored()-part.Len() >= syncEvery || err != nil {
			if serr := part.Sync(); serr != nil {
				return storing(serr)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return cutShort(err)
		case hold.stopped():
			return errors.Join(problem.New(problem.Busy, "upload.busy", "", nil), part.Sync())
		}
	}
}

// receiveChecked stores a chunk once its checksum was compared.
func receiveChecked(c *call, part *blob.Part, left int64, header string) error {
	sum, want, ok := checksum(header)
	if !ok {
		return problem.New(problem.Usage, "upload.header", "Upload-Checksum", i18n.Args{"header": "Upload-Checksum", "value": shown(header)})
	}
	var chunk bytes.Buffer
	n, err := io.Copy(io.MultiWriter(&chunk, sum), io.LimitReader(c.r.Body, MaxChecked+1))
	switch {
	case err != nil:
		return cutShort(err)
	case n > MaxChecked:
		return problem.New(problem.Usage, "upload.chunk-too-large", "Content-Length", i18n.Args{"most": MaxChecked})
	case n > left:
		return problem.New(problem.Usage, "upload.too-large", "Content-Length", i18n.Args{"name": "…", "most": left})
	case subtle.ConstantTimeCompare(sum.Sum(nil), want) != 1:
		return problem.New(problem.Usage, "upload.checksum", "Upload-Checksum", nil)
	}
	if err := part.Append(part.Stored(), chunk.Bytes()); err != nil {
		return storing(err)
	}
	if err := part.Sync(); err != nil {
		return fmt.Errorf("keep chunk: %w", storing(err))
	}
	return nil
}
