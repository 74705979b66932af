package connector

import (
	"context"
	"io"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/storage"
)

// Gateway is the desk of a connector that joins offices outside of Trạm;
// *office.Office implements it. Such a connector is a [Reacher] too.
type Gateway interface {
	Desk
	// TakeIn files a message of another office, once. What the office refuses it
	// sets aside itself; an error may pass.
	TakeIn(ctx context.Context, f office.Foreign) (office.Taken, error)
	// ExportFor is ExportEdXML with those recipients alone that are reached
	// through the connector.
	ExportFor(ctx context.Context, id storage.ID, via string, w io.Writer) error
	// Handed tells that the other system has taken a document over, Unreached
	// that it will not bring it to recipients of the connector, none for all of
	// them. Telling again changes nothing.
	Handed(ctx context.Context, id storage.ID, via, ref string) error
	Unreached(ctx context.Context, id storage.ID, via string, codes []string, why *i18n.Said) error
}

// Reacher is a connector through which offices outside of Trạm are reached.
// Both methods answer from what is here.
type Reacher interface {
	// Reaches says whether an office is reached, and how it is called there.
	Reaches(code string) (p office.Party, ok bool, err error)
	// Search finds offices by words of their names and codes, without regard to
	// marks and case.
	Search(ctx context.Context, text string, limit int) ([]office.Party, error)
}

// Patient is a connector with its own pauses between tries.
type Patient interface {
	// Wait is how long after the nth failure of a delivery in a row it is tried
	// again.
	Wait(n int) time.Duration
}

// reachers are the connectors that run and reach offices, by name.
func (h *Host) reachers() map[string]Reacher {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]Reacher{}
	for name, r := range h.running {
		if reacher, ok := r.made().(Reacher); ok {
			all[name] = reacher
		}
	}
	return all
}

// Route implements [office.Routes]: of several connectors that reach an office
// the first by name. One that is paused or cannot start reaches nobody.
func (h *Host) Route(code string) (via string, p office.Party, ok bool, err error) {
	for name, r := range h.reachers() {
		if ok && via < name {
			continue
		}
		found, reached, e := r.Reaches(code)
		if e != nil {
			return "", office.Party{}, false, e
		}
		if reached {
			via, p, ok = name, found, true
		}
	}
	return via, p, ok, nil
}

// Search finds offices outside of Trạm, each once.
func (h *Host) Search(ctx context.Context, text string, limit int) ([]office.Party, error) {
	var all []office.Party
	seen := map[string]bool{}
	for _, r := range h.reachers() {
		list, err := r.Search(ctx, text, limit)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if !seen[p.Code] && len(all) < limit {
				seen[p.Code] = true
				all = append(all, p)
			}
		}
	}
	return all, nil
}
