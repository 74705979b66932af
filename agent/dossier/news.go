package dossier

import (
	"time"

	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// News is told of what happens to dossiers; *office.Office is one.
type News interface {
	Announce(tx *sqlite.Tx, n office.Notice) error
}

// newsTypes are the kinds that have a type of their own.
var newsTypes = map[Kind]office.EntryType{
	Filed: office.DossierFiled, Accepted: office.DossierAccepted, Finished: office.DossierFinished, Returned: office.DossierReturned,
	Extended: office.DossierExtended, Linked: office.DossierLinked,
}

func newsType(d Dossier, e Event, before code.Status) office.EntryType {
	t, own := newsTypes[e.Kind]
	switch {
	case e.Moot:
		return office.DossierNoted
	case e.Kind == Filed && d.Guest:
		return office.DossierArrived
	case own:
		return t
	case d.Status != before:
		return office.DossierStatus
	}
	return office.DossierNoted
}

// write writes an event of a dossier, which stands as it does after it, and tells of
// it. before is its status before the event.
func (s *Store) write(tx *sqlite.Tx, seq int64, d Dossier, e Event, before code.Status) error {
	if err := insertEvent(tx, seq, e); err != nil || s.news == nil {
		return err
	}
	return s.news.Announce(tx, office.Notice{
		Type: newsType(d, e, before), Dossier: d.ID, Code: d.Code.String(), App: d.App, Office: e.Office, At: e.At,
		News: office.DossierNews{Kind: string(e.Kind), Status: int(d.Status), Due: d.Due},
	})
}

// maxApart is by how much the clock of who tells may differ from this office's. Within
// it what is told keeps its place behind what is known.
const maxApart = 5 * time.Minute

// now is when the act happens.
func (a *acting) now() time.Time {
	if a.by.At.IsZero() || a.by.At.After(a.tx.Now()) {
		return a.tx.Now()
	}
	return a.by.At
}

// timely refuses an act that is told of afterwards and cannot have been then.
func (a *acting) timely() error {
	at := a.by.At
	if at.IsZero() {
		return nil
	}
	if at.Sub(a.tx.Now()) > maxApart || a.tx.Now().Sub(at) > maxBackdate {
		return problem.New(problem.Usage, "dossier.told-at", "at", i18n.Args{"days": int(maxBackdate / (24 * time.Hour))})
	}
	for _, e := range a.d.Events {
		switch {
		case e.Moot || e.Office != a.s.me || !e.At.After(a.by.At):
		case e.At.Sub(at) <= maxApart:
			a.by.At = e.At
		default:
			return problem.New(problem.Conflict, "dossier.told-late", "at", i18n.Args{"act": i18n.Say("dossier.kind." + string(e.Kind)), "time": clockTime(e.At)})
		}
	}
	return nil
}

// saveAlso saves, and does what the actor does with it.
func (a *acting) saveAlso() error {
	if err := a.save(); err != nil || a.by.Also == nil {
		return err
	}
	return a.by.Also(a.tx, a.d)
}
