package v1

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// readDays is how long it is kept how often contents were read, days.
const readDays = 400

// actionRead is the reading of a content by an application in the audit log.
const actionRead = "content.read"

// noteRead counts the reading of a content. The first time in a day stands in
// the audit log: a client that fetches a file in a thousand ranges has read it
// once.
func (c *call) noteRead(id storage.ID, part string) error { return c.noteReadAs(actionRead, id, part) }

// noteReadAs is noteRead with another word in the audit log.
func (c *call) noteReadAs(action string, id storage.ID, part string) error {
	err := c.s.o.DB.Update(c.ctx(), func(tx *sqlite.Tx) error {
		var reads int
		err := tx.QueryRow(`INSERT INTO api_reads (app, document, part, day, reads) VALUES (?, ?, ?, ?, 1)
			ON CONFLICT DO UPDATE SET reads = reads + 1 RETURNING reads`, c.app.Name, id, part, tx.Now().Format(time.DateOnly)).Scan(&reads)
		if err != nil || reads > 1 {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: c.app.Actor(), Action: action, Subject: id.String(), Detail: map[string]string{"part": part}})
	})
	if err != nil {
		return fmt.Errorf("note reading of content: %w", storing(err))
	}
	return nil
}

// maxIndex is the highest number of an attachment that is looked for.
const maxIndex = 255

func (s *Server) attachment(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	index, err := wholeNumber("index", c.r.PathValue("index"), 0, maxIndex)
	if err != nil {
		return err
	}
	a, body, err := s.o.Office.Open(c.ctx(), id, index)
	if err != nil {
		return err
	}
	defer body.Close()
	if c.r.Method == http.MethodGet {
		if err := c.noteRead(id, strconv.Itoa(index)); err != nil {
			return err
		}
	}
	sum, err := hex.DecodeString(a.SHA256)
	if err != nil {
		return fmt.Errorf("read digest of attachment: %w", err)
	}
	h := c.w.Header()
	h.Set("Content-Type", a.Type)
	h.Set("Content-Disposition", disposition(a.Name))
	h.Set("ETag", `"`+a.SHA256+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	h.Set("Cache-Control", "private, no-cache")
	http.ServeContent(&ranged{ResponseWriter: c.w, c: c}, c.r, "", time.Time{}, body)
	return nil
}

// disposition names a file, one with diacritics twice as RFC 6266 advises: first
// in ASCII without spaces, for the many clients that do not read "filename*".
func disposition(name string) string {
	value := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	first, exact, twice := strings.Cut(value, "filename*=")
	if !twice {
		return value
	}
	plain := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, fold.String(name))
	return first + `filename="` + plain + `"; filename*=` + exact
}

// ranged turns the refusals of http.ServeContent into problems.
type ranged struct {
	http.ResponseWriter
	c       *call
	refused bool
}

func (w *ranged) WriteHeader(status int) {
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		w.refused = true
		w.c.fail(problem.New(problem.Usage, "api.range", "Range", i18n.Args{"range": shown(w.c.r.Header.Get("Range"))}))
	case http.StatusPreconditionFailed:
		w.refused = true
		w.c.fail(problem.New(problem.Conflict, "api.precondition", "If-Match", i18n.Args{"id": w.c.r.PathValue("id"), "state": "…"}))
	default:
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *ranged) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

func (s *Server) exportEdXML(c *call) error {
	return s.export(c, "edxml", "application/xml", ".edxml", s.o.Office.ExportEdXML)
}

func (s *Server) exportContainer(c *call) error {
	return s.export(c, "container", "application/vnd.etsi.asic-e+zip", ".asice", s.o.Office.Export)
}

// export streams a document in one of its forms. An error after the first byte
// can only cut the answer short, which the client notices by the missing last
// chunk.
func (s *Server) export(c *call, part, media, ext string, write func(context.Context, storage.ID, io.Writer) error) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if _, err := s.o.Office.AppOf(c.ctx(), id); err != nil {
		return err
	}
	out := &firstWrite{c: c, id: id, part: part, media: media, name: id.String() + ext}
	if c.r.Method == http.MethodHead {
		out.head()
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := write(c.ctx(), id, out); err != nil {
		if out.done {
			s.log.Error("export broke off", "id", id, "error", err)
			panic(http.ErrAbortHandler)
		}
		return err
	}
	return nil
}

// firstWrite notes the reading and sets the headers before the first byte.
type firstWrite struct {
	c                 *call
	id                storage.ID
	part, media, name string
	done              bool
}

func (f *firstWrite) head() {
	h := f.c.w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Content-Disposition", disposition(f.name))
}

func (f *firstWrite) Write(p []byte) (int, error) {
	if !f.done {
		if err := f.c.noteRead(f.id, f.part); err != nil {
			return 0, err
		}
		f.head()
		f.done = true
	}
	return f.c.w.Write(p)
}
