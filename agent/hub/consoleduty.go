package hub

import (
	"context"
	"slices"
	"time"

	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/hub/report"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// consoleDuty is what the console shows of incidents and urgent documents.
type consoleDuty struct{ h *Hub }

// sees tells whether an office lies in a scope; nil for all of them.
func (v consoleDuty) sees(scope string) func(office string) bool {
	if scope == "" {
		return nil
	}
	return func(office string) bool { return v.h.within(scope, office) }
}

func (v consoleDuty) Undelivered(ctx context.Context, scope string) (duty.Undelivered, error) {
	u, err := v.h.Undelivered(ctx, false)
	sees := v.sees(scope)
	if err != nil || sees == nil {
		return u, err
	}
	u.Documents = slices.DeleteFunc(u.Documents, func(d duty.UndeliveredDocument) bool {
		return !slices.ContainsFunc(d.Recipients, func(r duty.UndeliveredRecipient) bool { return sees(r.Code) })
	})
	for i := range u.Documents {
		d := &u.Documents[i]
		d.Recipients = slices.DeleteFunc(d.Recipients, func(r duty.UndeliveredRecipient) bool { return !sees(r.Code) })
	}
	return u, nil
}

func (v consoleDuty) Called(ctx context.Context, scope string, c duty.Call) error {
	if sees := v.sees(scope); sees != nil && !sees(c.Office) {
		return problem.New(problem.NotFound, "hub.no-office", "office", i18n.Args{"code": c.Office})
	}
	_, err := v.h.Called(ctx, Called{Document: c.Document, Office: c.Office, Note: c.Note}, c.By)
	return err
}

func (v consoleDuty) Incidents(ctx context.Context, scope string, q duty.Query) (duty.Incidents, error) {
	q.Sees = v.sees(scope)
	return v.h.duty.room.List(ctx, q)
}

// Incident leaves the offices out that lie outside of scope, and an incident without
// any inside.
func (v consoleDuty) Incident(ctx context.Context, scope string, id incident.ID) (duty.Record, error) {
	rec, err := v.h.duty.room.Show(ctx, id)
	sees := v.sees(scope)
	if err != nil || sees == nil {
		return rec, err
	}
	for code := range rec.Members {
		if !sees(code) {
			delete(rec.Members, code)
		}
	}
	if len(rec.Members) == 0 {
		return duty.Record{}, problem.New(problem.NotFound, "incident.unknown", "id", i18n.Args{"id": int64(id)})
	}
	rec.Events = slices.DeleteFunc(rec.Events, func(e duty.Entry) bool { return e.Member != "" && !sees(e.Member) })
	return rec, nil
}

func (v consoleDuty) Acknowledge(ctx context.Context, scope string, id incident.ID, by, note string) error {
	return v.act(ctx, scope, IncidentAct{Act: ActAcknowledge, ID: id, Note: note}, by)
}

func (v consoleDuty) Note(ctx context.Context, scope string, id incident.ID, by, note string) error {
	return v.act(ctx, scope, IncidentAct{Act: ActNote, ID: id, Note: note}, by)
}

func (v consoleDuty) Snooze(ctx context.Context, scope string, id incident.ID, until time.Time, by string) error {
	return v.act(ctx, scope, IncidentAct{Act: ActSnooze, ID: id, Until: until}, by)
}

func (v consoleDuty) act(ctx context.Context, scope string, a IncidentAct, by string) error {
	if _, err := v.Incident(ctx, scope, a.ID); err != nil {
		return err
	}
	_, err := v.h.ActOnIncident(ctx, a, by)
	return err
}

// Month is the report of a month.
func (v consoleDuty) Month(ctx context.Context, month string) (report.Month, error) {
	return v.h.reports.Month(ctx, month, time.Now())
}

// Hours are those of the last day in scope, clusters together, the oldest first.
func (v consoleDuty) Hours(ctx context.Context, scope string) ([]report.Hour, error) {
	all, err := v.h.reports.Hours(ctx)
	var list []report.Hour
	for _, one := range all {
		if scope != "" && !v.h.within(scope, one.Cluster) {
			continue
		}
		if n := len(list); n == 0 || !list[n-1].At.Equal(one.At) {
			list = append(list, report.Hour{At: one.At, Waiting: -1})
		}
		sum := &list[len(list)-1]
		sum.Sent, sum.Received = sum.Sent+one.Sent, sum.Received+one.Received
		if one.Waiting >= 0 {
			sum.Waiting = max(sum.Waiting, 0) + one.Waiting
		}
	}
	return list, err
}
