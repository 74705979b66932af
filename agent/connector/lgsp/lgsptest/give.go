package lgsptest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
)

// get gives a message out in the form that is set.
func (a *Axis) get(w http.ResponseWriter, r *http.Request, system string) {
	m := a.find(r.URL.Query().Get("docId"), system)
	if m == nil {
		Refuse(w, "21")
		return
	}
	f, err := os.Open(m.file)
	if err != nil {
		Refuse(w, "20")
		return
	}
	defer f.Close()
	a.mu.Lock()
	form := a.form
	a.mu.Unlock()
	switch form {
	case FormRaw:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.Copy(w, f) // the caller sees a cut
	case FormPart:
		parts := multipart.NewWriter(w)
		w.Header().Set("Content-Type", "multipart/form-data; boundary="+parts.Boundary())
		_ = parts.WriteField("docId", m.Ref)
		p, err := parts.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="edocFile"; filename="a.edxml"`}, "Content-Type": {"application/xml"}})
		if err == nil {
			_, _ = io.Copy(p, f) // the caller sees a cut
			_ = parts.Close()
		}
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"success":true,"message":"OK","data":{"docId":%q,"from":%q,"attachments":[{"fileName":"x","fileContent":null}],"edxml":"`, m.Ref, m.From)
		if form == FormBase64 {
			e := base64.NewEncoder(base64.StdEncoding, w)
			_, _ = io.Copy(e, f) // the caller sees a cut
			_ = e.Close()
		} else {
			_, _ = io.Copy(&escaped{w}, f) // the caller sees a cut
		}
		fmt.Fprint(w, `","edocCode":"1/ABC"}}`)
	}
}

// escaped writes a text of JSON.
type escaped struct{ w io.Writer }

func (e *escaped) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for _, c := range p {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '<':
			b.WriteString(`\u003c`)
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	if _, err := e.w.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Put has a system send a message, as its own software would. Messages that no
// axis would take are put up all the same, for one recipient.
func (a *Axis) Put(from, to, kind string, raw []byte) string {
	if ref, err := a.put(from, kind, raw); err == nil {
		return ref
	}
	file, err := a.keep(bytes.NewReader(raw))
	if err != nil {
		panic(err)
	}
	return a.PutFile(from, to, kind, file)
}

// PutFile is Put of a message in a file, which stays where it is.
func (a *Axis) PutFile(from, to, kind, file string) string {
	m := &Message{Ref: uuid.NewString(), Kind: kind, From: from, To: []string{to}, States: map[string]string{}, file: file}
	if err := a.add(m); err != nil {
		panic(err)
	}
	return m.Ref
}

// Repeat puts a message up once more, under another name.
func (a *Axis) Repeat(ref string) {
	a.set(func() {
		for _, m := range a.messages {
			if m.Ref == ref {
				again := *m
				again.Ref, again.Updates, again.States = uuid.NewString(), nil, map[string]string{}
				for to := range m.States {
					again.States[to] = "INITIAL"
				}
				a.messages = append(a.messages, &again)
				return
			}
		}
	})
}

// Change changes a message: its digest, its length, its states.
func (a *Axis) Change(ref string, change func(m *Message)) {
	a.set(func() {
		for _, m := range a.messages {
			if m.Ref == ref {
				change(m)
			}
		}
	})
}

// Messages are those at the axis, in order.
func (a *Axis) Messages() []Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Message
	for _, m := range a.messages {
		c := *m
		c.Updates = slices.Clone(m.Updates)
		c.States = map[string]string{}
		for k, v := range m.States {
			c.States[k] = v
		}
		all = append(all, c)
	}
	return all
}

// Text is a message as it was sent.
func (m Message) Text() []byte {
	raw, err := os.ReadFile(m.file)
	if err != nil {
		panic(err)
	}
	return raw
}

// Faults.

// Code refuses with an error code.
func Code(code string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body) // as an axis that looks at it
		Refuse(w, code)
	}
}

// HTTPStatus answers with a status of HTTP.
func HTTPStatus(status int, header ...string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// Lost does what was asked and cuts the line before the answer.
func Lost(_ http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	next(&sink{header: http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// Cut cuts the line after so many bytes of the answer.
func Cut(after int) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		next(&cutter{ResponseWriter: w, left: after}, r)
		panic(http.ErrAbortHandler)
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left < len(p) {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		if f, ok := c.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// CutRequest reads so many bytes of what is sent and cuts the line.
func CutRequest(after int64) Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.CopyN(io.Discard, r.Body, after)
		panic(http.ErrAbortHandler)
	}
}

// Slow waits before each call.
func Slow(d time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		select {
		case <-time.After(d):
			next(w, r)
		case <-r.Context().Done():
		}
	}
}

// Garbage answers with something else.
func Garbage(body string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}
}

// Status is a status message.
func Status(from, to, document, code, text string, at time.Time) []byte {
	var b bytes.Buffer
	date, _ := edxml.ParseDate("2026/11/23")
	err := edxml.EncodeStatus(&b, &edxml.Status{
		From: edxml.Organ{ID: from, Name: "Đơn vị " + from, InCharge: "Đơn vị " + from}, Code: edxml.StatusCode(code), Description: text, Time: at,
		ResponseFor: edxml.ResponseFor{OrganID: to, Code: "15/UBND-VP", Date: date, DocumentID: document},
		Staff:       edxml.Staff{Department: "Văn thư", Name: "Văn thư"},
	})
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// List answers the list of messages with n that are done, and the last one new.
func List(n int, last string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"success":true,"message":"OK","data":[`)
		for i := range n {
			fmt.Fprintf(w, `{"docId":"old-%d","messageType":"edoc","status":"DONE","from":"G22","to":"H40.01","x":{"y":[1,2,{}]}},`, i)
		}
		raw, _ := json.Marshal(last)
		fmt.Fprintf(w, `{"docId":%s,"messageType":"edoc","status":"INITIAL"}]}`, raw)
	}
}
