package web

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"tram/agent/office"
)

// Changing is what a new document does to an earlier one.
type Changing struct {
	Kind   string // "thay" or "cap-nhat"
	ID     string // of the earlier one
	Title  string // words above the form
	Symbol string
	Reason string
	Had    []RecallChoice // recipients that an update may remove
}

// Kinds of [Changing], as they stand in addresses and forms.
const (
	changeReplace = "thay"
	changeUpdate  = "cap-nhat"
)

// changing fills the form of a document that replaces or updates another one.
func (s *site) changing(ctx context.Context, v *visit, view *SendView) error {
	q := v.r.URL.Query()
	for _, kind := range []string{changeReplace, changeUpdate} {
		id := q.Get(kind)
		if id == "" {
			continue
		}
		d, err := s.named(ctx, office.Out, id)
		if err != nil {
			return err
		}
		var codes []string
		for _, r := range d.To {
			codes = append(codes, r.Code)
		}
		view.To, view.Subject, view.Urgency, view.Type = strings.Join(codes, ", "), d.Subject, int(d.Urgency), d.Type
		view.Change = v.changeOf(kind, d, "", nil)
		return nil
	}
	return nil
}

func (v *visit) changeOf(kind string, d office.Document, reason string, removed []string) *Changing {
	c := &Changing{Kind: kind, ID: d.ID.String(), Title: v.t("web.change." + kind), Symbol: joinDots(symbol(d), d.Subject), Reason: reason}
	if kind != changeUpdate {
		return c
	}
	for _, r := range d.To {
		if r.State != office.Returned && r.State != office.Failed && r.State != office.Recalled {
			c.Had = append(c.Had, RecallChoice{Code: r.Code, Name: partyName(r.Party), Chosen: slices.Contains(removed, r.Code)})
		}
	}
	return c
}

// changed reads back from the form what the document does to an earlier one.
func (s *site) changed(ctx context.Context, v *visit, up *upload, view *SendView) error {
	kind := up.field("change")
	if kind != changeReplace && kind != changeUpdate {
		return nil
	}
	d, err := s.named(ctx, office.Out, up.field("earlier"))
	if err != nil {
		return err
	}
	view.Change = v.changeOf(kind, d, up.field("change_reason"), up.fields["removed"])
	return nil
}

// draft is what the Office is told. The recipients that are removed are left out
// of those that get the new document.
func (c *Changing) draft(d *office.Draft) {
	if c == nil {
		return
	}
	id := uuid.MustParse(c.ID)
	d.Changes.Reason = c.Reason
	if c.Kind == changeReplace {
		d.Changes.Replaces = []uuid.UUID{id}
		return
	}
	d.Changes.Updates = id
	for _, h := range c.Had {
		if h.Chosen {
			d.Changes.Removed = append(d.Changes.Removed, h.Code)
			d.To = slices.DeleteFunc(d.To, func(code string) bool { return strings.EqualFold(code, h.Code) })
		}
	}
}
