// Package connectortest holds every kind of connector against the contract of
// package connector: [Run] is the conformance suite, [Desk] an office small
// enough to look into.
package connectortest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// Office and Other are the codes of the office and of one that it exchanges
// documents with.
const (
	Office = "H40.01"
	Other  = "H40.02"
)

// maxMessage bounds what the desk takes in, bytes.
const maxMessage = 64 << 20

// Desk is an office in memory. It takes a document once, refuses messages that
// are not its own, and can be made to fail at the moments that matter.
type Desk struct {
	mu       sync.Mutex
	saved    []office.Document
	keys     map[string]storage.ID      // by DocumentId
	handed   map[string]office.Document // by the key of a draft or handover
	contents map[storage.ID][]byte
	before   error
	after    error

	aside, asideRefs []string // messages from outside of Trạm that were refused
	known            []string // those that were another name of what was there
}

// NewDesk makes an empty one.
func NewDesk() *Desk {
	return &Desk{keys: map[string]storage.ID{}, handed: map[string]office.Document{}, contents: map[storage.ID][]byte{}}
}

// Fail has Import and Send answer with before without taking anything, or with
// after although they have taken it, as seen by who crashes then. nil ends it.
func (d *Desk) Fail(before, after error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before, d.after = before, after
}

// Saved lists the DocumentIds of what the office has taken, in order.
func (d *Desk) Saved() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []string
	for _, doc := range d.saved {
		ids = append(ids, doc.EdXMLID)
	}
	return ids
}

// File puts an incoming document into the office, with one attachment.
func (d *Desk) File(subject string, content []byte) office.Document {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := uuid.New()
	doc := office.Document{
		ID: id, Box: office.In, From: office.Party{Code: Other, Name: "UBND xã Khác"},
		To:      []office.Recipient{{Party: office.Party{Code: Office, Name: "UBND xã Mẫu"}, State: office.Delivered}},
		Subject: subject, Number: "15", Notation: "UBND-VP", Type: "CV", TypeName: "Công văn", Date: "2026-11-23", State: office.Arrived,
		Size: int64(len(content)), EdXMLID: Other + ",2026/11/23,15/" + id.String()[:8],
		Attachments: []office.Attachment{{Name: "công văn.pdf", Size: int64(len(content)), Type: "application/pdf"}},
	}
	d.saved = append(d.saved, doc)
	d.contents[id] = content
	return doc
}

// Import implements connector.Desk.
func (d *Desk) Import(_ context.Context, h office.Handover) (office.Imported, error) {
	if doc, ok := d.under(h.Key); ok {
		return office.Imported{Kind: office.KindDocument, Document: doc}, nil
	}
	raw, err := io.ReadAll(io.LimitReader(h.Body, maxMessage))
	if err != nil {
		return office.Imported{}, problem.New(problem.Usage, "import.unreadable", "", i18n.Args{"name": h.Name}).Because(err)
	}
	msg, _, err := edxml.Decode(bytes.NewReader(raw))
	if err != nil {
		return office.Imported{}, err
	}
	m, ok := msg.(*edxml.Document)
	if !ok {
		return office.Imported{Kind: office.KindStatus}, nil
	}
	if m.From.ID != Office {
		return office.Imported{}, problem.List{problem.New(problem.Usage, "import.not-ours", "From", i18n.Args{"code": m.From.ID, "ours": Office})}
	}
	doc, err := d.take(office.Document{Subject: m.Subject, EdXMLID: m.ID, Number: m.Code.Number}, h.Key, raw)
	return office.Imported{Kind: office.KindDocument, Changed: err == nil, Document: doc}, err
}

// Send implements connector.Desk.
func (d *Desk) Send(_ context.Context, draft office.Draft) (office.Document, error) {
	if doc, ok := d.under(draft.Key); ok {
		return doc, nil
	}
	var content []byte
	for _, f := range draft.Files {
		raw, err := io.ReadAll(io.LimitReader(f.Body, maxMessage))
		if err != nil {
			return office.Document{}, problem.List{problem.New(problem.Usage, "send.unreadable", "files", i18n.Args{"name": f.Name}).Because(err)}
		}
		content = append(content, raw...)
	}
	if draft.Subject == "" {
		return office.Document{}, problem.List{problem.New(problem.Usage, "send.no-subject", "subject", nil)}
	}
	return d.take(office.Document{Subject: draft.Subject}, draft.Key, content)
}

// under returns what was handed over under a key.
func (d *Desk) under(key string) (office.Document, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	doc, ok := d.handed[key]
	return doc, ok && key != "" && d.before == nil
}

func (d *Desk) take(doc office.Document, key string, content []byte) (office.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		return office.Document{}, d.before
	}
	if there, ok := d.keys[doc.EdXMLID]; ok && doc.EdXMLID != "" {
		return office.Document{}, problem.New(problem.Conflict, "import.already", "DocumentId", i18n.Args{
			"document": doc.EdXMLID, "id": there.String(), "number": doc.Number,
		})
	}
	if doc.ID = uuid.New(); doc.Box == "" {
		doc.Box, doc.State = office.Out, office.Saved
	}
	if doc.EdXMLID == "" {
		doc.EdXMLID = doc.ID.String()
	}
	d.keys[doc.EdXMLID] = doc.ID
	d.saved = append(d.saved, doc)
	if key != "" {
		d.handed[key] = doc
	}
	d.contents[doc.ID] = content
	return doc, d.after
}

// Get implements connector.Desk.
func (d *Desk) Get(_ context.Context, id storage.ID) (office.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.saved, func(doc office.Document) bool { return doc.ID == id })
	if i < 0 {
		return office.Document{}, problem.New(problem.NotFound, "document.not-found", "id", i18n.Args{"id": id.String()})
	}
	return d.saved[i], nil
}

// content is a file that is open.
type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

// Open implements connector.Desk.
func (d *Desk) Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error) {
	doc, err := d.Get(ctx, id)
	if err != nil {
		return office.Attachment{}, nil, err
	}
	if index < 0 || index >= len(doc.Attachments) {
		return office.Attachment{}, nil, problem.New(problem.NotFound, "document.no-attachment", "index", i18n.Args{"index": index})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return doc.Attachments[index], content{bytes.NewReader(d.contents[id])}, nil
}

// ExportEdXML implements connector.Desk.
func (d *Desk) ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error {
	return d.export(ctx, id, Office, w)
}

// export writes a document with one recipient.
func (d *Desk) export(ctx context.Context, id storage.ID, to string, w io.Writer) error {
	doc, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	raw := d.contents[id]
	d.mu.Unlock()
	return write(w, Message(doc.From.Code, to, doc.EdXMLID, doc.Subject), raw)
}

// write writes a message with the content of its attachment.
func write(w io.Writer, m *edxml.Document, raw []byte) error {
	return edxml.EncodeFull(w, m, []func() (io.ReadCloser, error){
		func() (io.ReadCloser, error) { return content{bytes.NewReader(raw)}, nil },
	}, edxml.Assurance{Known: func(string) bool { return true }, NotSecret: true})
}

// Export implements connector.Desk. What it writes names the document and is no
// container.
func (d *Desk) Export(ctx context.Context, id storage.ID, w io.Writer) error {
	doc, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "container of %s\n", doc.EdXMLID)
	return err
}

// Message is a document with one attachment.
func Message(from, to, id, subject string) *edxml.Document {
	date, _ := edxml.ParseDate("2026/11/23")
	return &edxml.Document{
		From: edxml.Organ{ID: from, Name: "UBND xã Mẫu"}, To: []edxml.Organ{{ID: to, Name: "UBND xã Khác"}}, ID: id,
		Code: edxml.Code{Number: numberOf(id), Notation: "UBND-VP"}, Place: "Mẫu", Date: date,
		Type: edxml.Type{Number: "18", Detail: "0", Name: "Công văn"}, Subject: subject, Content: subject,
		Other: edxml.Other{
			Priority: "0", Sphere: "Công khai", Typist: "NVM", Amount: "1", Pages: "1", Direction: "false", Appendixes: []string{"công văn.pdf"},
		},
		SteeringType: "1", Trace: []edxml.Trace{{OrganID: from, Time: date.Day}}, ToPlaces: []string{"Lưu: VT"},
		Signer:   edxml.Signer{Position: "Chủ tịch", FullName: "Nguyễn Văn Mẫu"},
		Manifest: []edxml.Reference{{ContentID: "1", Name: "công văn.pdf"}},
	}
}

// numberOf gives each document a number of its own, as an office does.
func numberOf(id string) string {
	const numbers = 100_000 // so many that those of a test do not meet
	return strconv.Itoa(1 + int(crc32.ChecksumIEEE([]byte(id))%numbers))
}

// EdXML writes such a message whole.
func EdXML(from, to, id, subject string) []byte {
	var b bytes.Buffer
	err := write(&b, Message(from, to, id, subject), []byte("%PDF-1.4 "+subject))
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}
