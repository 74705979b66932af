package connector

import (
	"context"
	"strconv"
	"strings"

	"tram/agent/dossier/dongbo"
	"tram/agent/office"
)

// DossierChanged is the type of the entries that tell of a new revision of a
// one-stop dossier: Document is its ID, EdXMLID its code. They are for connectors
// that are a [DossierTaker] alone, and no part of the office's own feed.
const DossierChanged office.EntryType = "dossier.changed"

// DossierTaker is a connector that brings dossiers out, of [Env.Dossiers]. An
// entry says that there is something new; what is brought out is the dossier as
// it stands when the entry is delivered.
type DossierTaker interface {
	// TakesDossiers says whether it does, by its settings; the same each time.
	TakesDossiers() bool
}

// wanted is what a connector wants of the feeds.
func wanted(c Connector) func(office.Entry) bool {
	taker, _ := c.(DossierTaker)
	return func(e office.Entry) bool {
		if e.Type == DossierChanged {
			return taker != nil && taker.TakesDossiers()
		}
		return c.Wants(e)
	}
}

// feeds are the office's feed and, behind it, the changes of dossiers. A place
// in both is the two places with a space between them; one of the office's alone
// stands at the beginning of the dossiers.
type feeds struct {
	office   Feed
	dossiers dongbo.Source // nil for none
}

// news is closed at the next change of a dossier; nil when there are none.
func (f feeds) news() <-chan struct{} {
	if f.dossiers == nil {
		return nil
	}
	return f.dossiers.News()
}

// places takes a place apart.
func places(at string) (documents, dossiers string) {
	documents, dossiers, _ = strings.Cut(at, " ")
	return documents, dossiers
}

func place(documents, dossiers string) string {
	if dossiers == "" {
		return documents
	}
	return documents + " " + dossiers
}

// Changed implements [Feed], for documents alone.
func (f feeds) Changed() <-chan struct{} { return f.office.Changed() }

// FeedEnd implements [Feed].
func (f feeds) FeedEnd(ctx context.Context) (string, error) {
	end, err := f.office.FeedEnd(ctx)
	if err != nil || f.dossiers == nil {
		return end, err
	}
	dossiers, err := f.dossiers.End(ctx)
	return place(end, dossiers), err
}

// Feed implements [Feed].
func (f feeds) Feed(ctx context.Context, after string, limit int) ([]office.Entry, string, error) {
	o, d := places(after)
	entries, o, err := f.office.Feed(ctx, o, limit)
	if err != nil || f.dossiers == nil || len(entries) >= limit {
		return entries, place(o, d), err
	}
	changes, d, err := f.dossiers.Changed(ctx, d, limit-len(entries))
	if err != nil {
		return nil, "", err
	}
	for _, c := range changes {
		entries = append(entries, office.Entry{
			Cursor: c.ID.String() + "-" + strconv.FormatInt(c.Revision, 10), Type: DossierChanged, Document: c.ID, EdXMLID: c.Code, At: c.At, Learnt: c.At,
		})
	}
	return entries, place(o, d), nil
}
