package hub

import (
	"context"
	"net/http"
	"time"

	"tram/agent/api"
	"tram/agent/hub/report"
	"tram/agent/i18n"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// ReportPath is where a running hub answers with the report of a month.
const ReportPath = "/v1/report"

// arrived counts a document that an office has taken over.
func (h *Hub) arrived(tx *sqlite.Tx, peer string, b storage.Bundle) error {
	if bundle.Kind(b.Kind) != bundle.KindDocument {
		return nil
	}
	taken, size, err := h.queue.Taken(tx, b.ID)
	if err != nil {
		return err
	}
	return h.reports.Delivered(tx, peer, b.Urgency, tx.Now().Sub(began(b.Created, taken)), size)
}

// sent counts a document that the hub has taken over from an office.
func (h *Hub) sent(tx *sqlite.Tx, peer string, b storage.Bundle) error {
	if bundle.Kind(b.Kind) != bundle.KindDocument {
		return nil
	}
	return h.reports.Sent(tx, peer)
}

// noteWaiting keeps how many documents are left.
func (h *Hub) noteWaiting(ctx context.Context) error {
	leaving, err := h.queue.Leaving(ctx, uint8(bundle.KindDocument))
	if err != nil {
		return err
	}
	here := map[string]int{}
	for _, l := range leaving {
		here[l.Peer] += l.Count
	}
	return h.reports.NoteWaiting(ctx, here)
}

// believed is how long before the hub took it over a sender can have saved a document:
// it would have expired.
const believed = 31 * 24 * time.Hour

// began is when a document set out: by the sender's clock, and by the hub's where that
// cannot be right (P11). taken is zero for what the hub made itself.
func began(created, taken time.Time) time.Time {
	if !taken.IsZero() && (created.After(taken) || taken.Sub(created) > believed) {
		return taken
	}
	return created
}

// Report is that of a month.
type Report struct {
	report.Month
	Hub   string            `json:"hub"`   // name of this hub
	Names map[string]string `json:"names"` // of the offices that clusters are named after, and of those that are told of
}

// Name is what a cluster or an office is called, "" when nothing but its code is known.
func (r Report) Name(code string) string { return r.Names[code] }

// PDF is the report to be printed.
func (r Report) PDF(lang i18n.Lang) ([]byte, error) {
	return r.Month.PDF(lang, report.Heading{Hub: r.Hub, Made: r.To, Name: r.Name})
}

// Report tells of a month.
func (h *Hub) Report(ctx context.Context, month string) (Report, error) {
	m, err := h.reports.Month(ctx, month, time.Now())
	if err != nil {
		return Report{}, err
	}
	r := Report{Month: m, Hub: h.ca.Name, Names: map[string]string{}}
	for _, g := range append([]report.Group{m.All}, m.Clusters...) {
		for _, code := range []string{g.Cluster, g.Reached.Office} {
			if name := h.nameOf(code); code != "" && name != code {
				r.Names[code] = name
			}
		}
	}
	return r, nil
}

// reportRoutes is the call of `tram-hub report`.
func (h *Hub) reportRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+ReportPath, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return h.Report(r.Context(), r.URL.Query().Get("month"))
	}))
}
