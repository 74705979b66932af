package connectortest

import (
	"bytes"
	"context"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// Foreign is the code of an office outside of Trạm.
const Foreign = "G22"

// Address has the office send a document to Foreign through the connector of the
// suite.
func (d *Desk) Address(subject string, content []byte) office.Document {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := uuid.New()
	doc := office.Document{
		ID: id, Box: office.Out, From: office.Party{Code: Office, Name: "UBND xã Mẫu"},
		To:      []office.Recipient{{Party: office.Party{Code: Foreign, Name: "Bộ Mẫu"}, State: office.Saved, Via: Name}},
		Subject: subject, Number: "15", Notation: "UBND-VP", Date: "2026-11-23", State: office.Saved, Size: int64(len(content)),
		EdXMLID: Office + ",2026/11/23,15/" + id.String()[:8], Expires: time.Now().Add(time.Hour),
		Attachments: []office.Attachment{{Name: "công văn.pdf", Size: int64(len(content)), Type: "application/pdf"}},
	}
	d.saved = append(d.saved, doc)
	d.contents[id] = content
	return doc
}

// Aside lists why messages from outside of Trạm were refused.
func (d *Desk) Aside() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.aside)
}

// ID is that of the document with a DocumentId, zero when there is none.
func (d *Desk) ID(edxmlID string) storage.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, doc := range d.saved {
		if doc.EdXMLID == edxmlID {
			return doc.ID
		}
	}
	return storage.ID{}
}

// TakeIn implements connector.Gateway. It refuses messages of offices of Trạm and
// those that cannot be read.
func (d *Desk) TakeIn(_ context.Context, f office.Foreign) (office.Taken, error) {
	if id, ok := d.taken(f.Ref); ok {
		return office.Taken{Kind: office.KindDocument, Document: id}, nil
	}
	raw, err := io.ReadAll(io.LimitReader(f.Body, maxMessage))
	if err != nil {
		return office.Taken{}, err
	}
	msg, _, err := edxml.Decode(bytes.NewReader(raw))
	why := i18n.Say("office.reject.message", i18n.Args{"why": "…"})
	if m, ok := msg.(*edxml.Document); err == nil && ok && m.From.ID != Other && m.From.ID != Office {
		doc, err := d.take(office.Document{
			Box: office.In, State: office.Arrived, Subject: m.Subject, EdXMLID: m.ID, Number: m.Code.Number, From: office.Party{Code: m.From.ID},
			Origin: &office.Origin{Via: f.Via, Ref: f.Ref},
		}, "", raw)
		if p := problem.From(err); err != nil && p.Code == "import.already" {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.known = append(d.known, f.Ref)
			return office.Taken{Kind: office.KindDocument}, nil
		}
		return office.Taken{Kind: office.KindDocument, Document: doc.ID, New: err == nil}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		return office.Taken{}, d.before
	}
	if !slices.Contains(d.asideRefs, f.Ref) {
		d.aside, d.asideRefs = append(d.aside, why.Text(i18n.English)), append(d.asideRefs, f.Ref)
	}
	return office.Taken{Aside: why}, nil
}

func (d *Desk) taken(ref string) (storage.ID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.known, ref) {
		return storage.ID{}, true
	}
	for _, doc := range d.saved {
		if doc.Origin != nil && doc.Origin.Ref == ref {
			return doc.ID, true
		}
	}
	return storage.ID{}, false
}

// ExportFor implements connector.Gateway.
func (d *Desk) ExportFor(ctx context.Context, id storage.ID, _ string, w io.Writer) error {
	return d.export(ctx, id, Foreign, w)
}

// Handed implements connector.Gateway.
func (d *Desk) Handed(_ context.Context, id storage.ID, via, _ string) error {
	return d.step(id, via, office.AtHub, nil)
}

// Unreached implements connector.Gateway.
func (d *Desk) Unreached(_ context.Context, id storage.ID, via string, _ []string, why *i18n.Said) error {
	return d.step(id, via, office.Failed, why)
}

func (d *Desk) step(id storage.ID, via string, to office.State, why *i18n.Said) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		return d.before
	}
	i := slices.IndexFunc(d.saved, func(doc office.Document) bool { return doc.ID == id })
	if i < 0 {
		return problem.New(problem.NotFound, "document.not-found", "id", i18n.Args{"id": id.String()})
	}
	list := slices.Clone(d.saved[i].To)
	for j := range list {
		if list[j].Via == via {
			list[j].State, list[j].Why = to, why
		}
	}
	d.saved[i].To = list
	return d.after
}
