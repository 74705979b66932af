package httpd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"

	"tram/agent/office"
	"tram/storage"
)

// Files opens attachments; *office.Office does.
type Files interface {
	// Open returns the attachment's description and its content. The caller
	// closes the reader.
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
}

// Look says how an attachment may reach a reader.
type Look string

// Looks.
const (
	Inline   Look = "inline"   // the browser may show it
	Download Look = "download" // to be saved; browsers do not show this kind
	Active   Look = "active"   // to be saved; it holds scripts, actions or files, or hides its content
)

// lookCache bounds the remembered verdicts; the oldest half is forgotten
// beyond it, which costs a new reading of those files.
const lookCache = 1024

// Documents is the document origin: it signs addresses and answers them.
type Documents struct {
	options      Options
	key          [32]byte // made at start: a restart ends all addresses
	ui, own      int      // ports
	mu           sync.Mutex
	looks        map[string]Look // by SHA-256
	remembered   []string
	secureScheme bool
}

func newDocuments(o Options, ui, own int) (*Documents, error) {
	d := &Documents{options: o, ui: ui, own: own, looks: map[string]Look{}, secureScheme: o.TLS != nil}
	if _, err := rand.Read(d.key[:]); err != nil {
		return nil, fmt.Errorf("make document key: %w", err)
	}
	return d, nil
}

// Origin is the document origin as the browser behind r can reach it, for the
// page's frame-src.
func (d *Documents) Origin(r *http.Request) string { return d.origin(r, d.own) }

func (d *Documents) origin(r *http.Request, port int) string {
	scheme := "http"
	if d.secureScheme {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(hostname(r.Host), strconv.Itoa(port))
}

// URL makes an address for one attachment. session is the public reference of
// the session that asked; save asks the browser to save the file whatever it is.
func (d *Documents) URL(r *http.Request, session string, id storage.ID, index int, save bool) string {
	expires := strconv.FormatInt(d.options.Now().Add(d.options.LinkLife).Unix(), 36)
	mode := "xem"
	if save {
		mode = "tai"
	}
	rest := strings.Join([]string{expires, session, fmt.Sprint(id), strconv.Itoa(index), mode}, "/")
	return d.Origin(r) + "/" + d.sign(rest) + "/" + rest
}

// Beginning makes an address for the first length bytes of an attachment: a
// document as it was before something was added at its end.
func (d *Documents) Beginning(r *http.Request, session string, id storage.ID, index int, length int64) string {
	expires := strconv.FormatInt(d.options.Now().Add(d.options.LinkLife).Unix(), 36)
	rest := strings.Join([]string{expires, session, fmt.Sprint(id), strconv.Itoa(index), beginning + strconv.FormatInt(length, 10)}, "/")
	return d.Origin(r) + "/" + d.sign(rest) + "/" + rest
}

// beginning starts the last part of an address that Beginning made.
const beginning = "dau-"

func (d *Documents) sign(text string) string {
	mac := hmac.New(sha256.New, d.key[:])
	io.WriteString(mac, "tram-document-1\n"+text)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// request is a verified address.
type request struct {
	session string
	id      storage.ID
	index   int
	save    bool
	length  int64 // of the part that is asked for, bytes; 0 for all
}

// parse reads and verifies the path of an address.
func (d *Documents) parse(p string) (request, bool) {
	mac, rest, ok := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if !ok || !hmac.Equal([]byte(mac), []byte(d.sign(rest))) {
		return request{}, false
	}
	part := strings.Split(rest, "/")
	if len(part) != 5 {
		return request{}, false
	}
	expires, err := strconv.ParseInt(part[0], 36, 64)
	if err != nil || d.options.Now().After(time.Unix(expires, 0)) {
		return request{}, false
	}
	id, err := uuid.Parse(part[2])
	if err != nil {
		return request{}, false
	}
	index, err := strconv.Atoi(part[3])
	if err != nil {
		return request{}, false
	}
	q := request{session: part[1], id: id, index: index, save: part[4] == "tai"}
	if text, ok := strings.CutPrefix(part[4], beginning); ok {
		if q.length, err = strconv.ParseInt(text, 10, 64); err != nil || q.length <= 0 {
			return request{}, false
		}
	}
	return q, true
}

// ServeHTTP answers a signed address. It never reads cookies.
func (d *Documents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", d.policy(r)+"; base-uri 'none'; form-action 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	h.Set("Cache-Control", "private, no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "httpd.method")
		return
	}
	q, ok := d.parse(r.URL.Path)
	if !ok || (d.options.Alive != nil && !d.options.Alive(r.Context(), q.session)) {
		refuse(w, http.StatusForbidden, "httpd.expired")
		return
	}
	d.send(w, r, q)
}

// policy of what comes from the document origin. All of it but PDF is put in a
// sandbox as well: browsers' own viewers show no PDF in one.
func (d *Documents) policy(r *http.Request) string {
	return "default-src 'none'; frame-ancestors " + d.origin(r, d.ui)
}

func (d *Documents) send(w http.ResponseWriter, r *http.Request, q request) {
	a, body, err := d.options.Files.Open(r.Context(), q.id, q.index)
	if err != nil {
		d.options.Logger.Warn("open attachment", "id", q.id, "index", q.index, "error", err)
		refuse(w, http.StatusNotFound, "httpd.no-file")
		return
	}
	defer body.Close()
	var content io.ReadSeeker = body
	if q.length > 0 {
		a.SHA256 = "" // of other bytes
		content = &cutReader{body, min(q.length, a.Size), 0}
	}
	look, err := d.judge(a, content)
	if err != nil {
		d.options.Logger.Error("read attachment", "id", q.id, "index", q.index, "error", err)
		refuse(w, http.StatusInternalServerError, "problem.internal")
		return
	}
	kind, disposition := mediaType(a.Name), "inline"
	if q.save || look != Inline {
		disposition = "attachment"
		if look != Inline {
			kind = "application/octet-stream"
		}
	}
	if kind == "application/pdf" && disposition == "inline" {
		w.Header().Set("Content-Security-Policy", d.policy(r))
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": fileName(a.Name)}))
	http.ServeContent(w, r, "", time.Time{}, content)
}

// cutReader is the beginning of another reader.
type cutReader struct {
	io.ReadSeeker
	length, at int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.at >= c.length {
		return 0, io.EOF
	}
	n, err := c.ReadSeeker.Read(p[:min(int64(len(p)), c.length-c.at)])
	c.at += int64(n)
	return n, err
}

func (c *cutReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.length
	}
	at, err := c.ReadSeeker.Seek(offset, io.SeekStart)
	c.at = at
	return at, err
}

// Look says how an attachment may be shown. The verdict of a content is
// remembered, so only the first look at a PDF reads it.
func (d *Documents) Look(ctx context.Context, id storage.ID, index int) (Look, error) {
	a, body, err := d.options.Files.Open(ctx, id, index)
	if err != nil {
		return Download, err
	}
	defer body.Close()
	return d.judge(a, body)
}

// judge leaves body at its start.
func (d *Documents) judge(a office.Attachment, body io.ReadSeeker) (Look, error) {
	kind := mediaType(a.Name)
	if kind == "application/octet-stream" {
		return Download, nil
	}
	if kind != "application/pdf" {
		return Inline, nil
	}
	d.mu.Lock()
	look, known := d.looks[a.SHA256]
	d.mu.Unlock()
	if known && a.SHA256 != "" {
		return look, nil
	}
	look, err := inspectPDF(body)
	if err != nil {
		return Download, fmt.Errorf("inspect pdf: %w", err)
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return Download, fmt.Errorf("rewind pdf: %w", err)
	}
	d.remember(a.SHA256, look)
	return look, nil
}

func (d *Documents) remember(sha string, look Look) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.looks[sha]; known || sha == "" {
		return
	}
	if len(d.remembered) >= lookCache {
		for _, old := range d.remembered[:lookCache/2] {
			delete(d.looks, old)
		}
		d.remembered = append([]string(nil), d.remembered[lookCache/2:]...)
	}
	d.looks[sha] = look
	d.remembered = append(d.remembered, sha)
}

// shown are the kinds a browser may show. SVG and HTML are programs and stay
// out.
var shown = map[string]string{
	".pdf": "application/pdf", ".txt": "text/plain; charset=utf-8",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
	".gif": "image/gif", ".webp": "image/webp", ".bmp": "image/bmp",
}

func mediaType(name string) string {
	if kind, ok := shown[strings.ToLower(path.Ext(name))]; ok {
		return kind
	}
	return "application/octet-stream"
}

// fileName makes a sender's file name fit for saving.
func fileName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if clean = strings.Trim(clean, ". "); clean == "" {
		return "tep"
	}
	return clean
}
