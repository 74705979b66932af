package hub

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tram/agent/api"
	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Paths of the local interface about incidents and alerts.
const (
	IncidentsPath    = "/v1/incidents"      // GET, ?all=true&before=N
	IncidentPath     = "/v1/incidents/show" // GET, ?id=N
	IncidentActPath  = "/v1/incidents/act"
	AlertsPath       = "/v1/alerts"
	AlertsTestPath   = "/v1/alerts/test"
	maxIncidentAct   = 16 << 10 // bytes of a request
	alertsDays       = 14       // of which it is said how much was told
	testPatience     = 20 * time.Second
	testLook         = 100 * time.Millisecond
	alertsTriesShown = 20
)

// Incidents is a page of incidents.
type Incidents struct {
	At        time.Time      `json:"at"`
	Incidents []IncidentLine `json:"incidents"` // the newest first
	Next      incident.ID    `json:"next,omitzero"`
}

// IncidentLine is an incident in a list.
type IncidentLine struct {
	incident.Summary
	Title   string        `json:"title"` // in the language of the hub
	Told    time.Time     `json:"told,omitzero"`
	Updates int           `json:"updates"`
	Closed  time.Time     `json:"closed,omitzero"`
	Merged  incident.ID   `json:"merged,omitzero"`
	Ack     *incident.Ack `json:"ack,omitempty"`
	Snoozed time.Time     `json:"snoozed,omitzero"`
}

// Incidents returns a page of incidents.
func (h *Hub) Incidents(ctx context.Context, q duty.Query) (Incidents, error) {
	page := Incidents{At: time.Now(), Incidents: []IncidentLine{}}
	list, err := h.duty.room.List(ctx, q)
	if err != nil {
		return page, err
	}
	page.Next = list.Next
	urgent, _, err := h.queue.Pending(ctx, letterKinds, 1, maxPending)
	if err != nil {
		return page, err
	}
	docs := documents(urgent)
	for i := range list.Incidents {
		page.Incidents = append(page.Incidents, h.incidentLine(&list.Incidents[i], docs))
	}
	return page, nil
}

func (h *Hub) incidentLine(i *incident.Incident, docs []incident.Document) IncidentLine {
	s := incident.Summarize(i, docs)
	return IncidentLine{
		Summary: s, Title: s.Title(h.lang(), h.OfficeName), Told: i.Told, Updates: i.Updates, Closed: i.Closed, Merged: i.Merged, Ack: i.Ack, Snoozed: i.Snoozed,
	}
}

func (h *Hub) lang() i18n.Lang { return i18n.Parse(h.o.Config.Language) }

// IncidentReport is everything about one incident.
type IncidentReport struct {
	duty.Record
	Title string            `json:"title"`
	Names map[string]string `json:"names"` // of its members, by code
}

// Incident returns everything about an incident. Problem incident.unknown.
func (h *Hub) Incident(ctx context.Context, id incident.ID) (IncidentReport, error) {
	rec, err := h.duty.room.Show(ctx, id)
	if err != nil {
		return IncidentReport{}, err
	}
	report := IncidentReport{Record: rec, Title: incident.Summarize(&rec.Incident, nil).Title(h.lang(), h.OfficeName), Names: map[string]string{}}
	for code := range rec.Members {
		report.Names[code] = h.OfficeName(code)
	}
	return report, nil
}

// PostMortem is an incident as Markdown. Problem incident.unknown.
func (h *Hub) PostMortem(ctx context.Context, id incident.ID, lang i18n.Lang) (string, error) {
	rec, err := h.duty.room.Show(ctx, id)
	if err != nil {
		return "", err
	}
	return rec.Markdown(lang, h.OfficeName), nil
}

// Acts of an IncidentAct.
const (
	ActAcknowledge = "ack"
	ActSnooze      = "snooze"
	ActNote        = "note"
)

// IncidentAct is what somebody does about an incident.
type IncidentAct struct {
	Act   string      `json:"act"`
	ID    incident.ID `json:"id"`
	Note  string      `json:"note,omitempty"` // ack, note
	Until time.Time   `json:"until,omitzero"` // snooze; zero: until office hours begin
}

// ActOnIncident does what a says and returns the incident as it is then. Problems are
// those of duty.Room.
func (h *Hub) ActOnIncident(ctx context.Context, a IncidentAct, by string) (IncidentLine, error) {
	var err error
	switch a.Act {
	case ActAcknowledge:
		_, err = h.duty.room.Acknowledge(ctx, a.ID, by, a.Note)
	case ActSnooze:
		_, err = h.duty.room.Snooze(ctx, a.ID, a.Until, by)
	case ActNote:
		err = h.duty.room.Note(ctx, a.ID, by, a.Note)
	default:
		err = problem.New(problem.Usage, "api.bad-json", "act", nil)
	}
	if err != nil {
		return IncidentLine{}, err
	}
	rec, err := h.duty.room.Show(ctx, a.ID)
	return h.incidentLine(&rec.Incident, nil), err
}

// Overview is how things stand: the first screen's figures about incidents and urgent
// documents.
type Overview struct {
	duty.Overview
	Titles map[incident.ID]string `json:"titles"` // of the open incidents
	Urgent int                    `json:"urgent"` // documents that have not arrived
	Late   int                    `json:"late"`   // of these, past their limit somewhere
}

// Overview returns how things stand.
func (h *Hub) Overview(ctx context.Context, lang i18n.Lang) (Overview, error) {
	o := Overview{Titles: map[incident.ID]string{}}
	var err error
	if o.Overview, err = h.duty.room.Overview(ctx); err != nil {
		return o, err
	}
	for _, s := range o.Open {
		o.Titles[s.ID] = s.Title(lang, h.OfficeName)
	}
	u, err := h.Undelivered(ctx, false)
	o.Urgent = len(u.Documents)
	for _, d := range u.Documents {
		for _, r := range d.Recipients {
			if r.Late {
				o.Late++
				break
			}
		}
	}
	return o, err
}

// Alerts is how people are told.
type Alerts struct {
	Channels []duty.Channel `json:"channels"`
	Faults   []SettingFault `json:"faults"`          // of settings, for which a channel is left out
	Pulse    *PulseState    `json:"pulse,omitempty"` // nil: there is none
	Days     []duty.Day     `json:"days"`            // notices on each of the last days
	Rules    []RuleLine     `json:"rules"`
}

// SettingFault is a setting of a channel that does not work.
type SettingFault struct {
	Code  string    `json:"code"` // of the problem
	Field string    `json:"field"`
	Args  i18n.Args `json:"args,omitempty"`
}

// PulseState is how the sign of life to the outside stands.
type PulseState struct {
	Every   int64     `json:"every"`            // seconds
	Failing time.Time `json:"failing,omitzero"` // since when none gets through
}

// RuleLine is a rule as it is in force.
type RuleLine struct {
	Code    incident.Code `json:"code"`
	Cluster string        `json:"cluster,omitempty"` // for which it is another than for all
	Unit    incident.Unit `json:"unit"`
	Below   bool          `json:"below"` // it fires below its limits
	Levels  []RuleLevel   `json:"levels"`
}

// RuleLevel is a limit, in seconds for times.
type RuleLevel struct {
	Severity incident.Severity `json:"severity"`
	Limit    float64           `json:"limit"`
}

// Alerts says how people are told.
func (h *Hub) Alerts(ctx context.Context) (Alerts, error) {
	a := Alerts{Rules: []RuleLine{}, Faults: []SettingFault{}}
	for _, p := range h.duty.faults {
		a.Faults = append(a.Faults, SettingFault{p.Code, p.Field, p.Args})
	}
	var err error
	if a.Channels, err = h.duty.room.Channels(ctx); err != nil {
		return a, err
	}
	if a.Days, err = h.duty.room.Volume(ctx, time.Now(), alertsDays); err != nil {
		return a, err
	}
	if p := h.duty.pulse; p != nil {
		a.Pulse = &PulseState{int64(p.Every / time.Second), p.Failing()}
	}
	rules := h.duty.room.Settings().Rules
	for _, cluster := range append([]string{""}, rules.Clusters()...) {
		for _, code := range incident.Codes() {
			if rule, ok := rules.Own(cluster, code); ok {
				a.Rules = append(a.Rules, ruleLine(cluster, rule))
			}
		}
	}
	return a, nil
}

func ruleLine(cluster string, rule incident.Rule) RuleLine {
	line := RuleLine{Code: rule.Code, Cluster: cluster, Unit: rule.Unit, Below: rule.Below, Levels: []RuleLevel{}}
	for _, l := range rule.Levels {
		line.Levels = append(line.Levels, RuleLevel{l.Severity, l.Limit})
	}
	return line
}

// AlertsTested says how a test went.
type AlertsTested struct {
	Notice     int64           `json:"notice"`
	Deliveries []duty.Delivery `json:"deliveries"`
}

// TestAlerts sends a test by each channel and waits a while for how it goes. Problems
// are alerts.no-channel, and those of settings for which a channel was left out.
func (h *Hub) TestAlerts(ctx context.Context, by string) (AlertsTested, error) {
	if err := h.duty.faults.Err(); err != nil {
		return AlertsTested{}, err
	}
	number, err := h.duty.room.Test(ctx, by)
	if err != nil {
		return AlertsTested{}, err
	}
	for end := time.Now().Add(testPatience); ; {
		list, err := h.duty.room.Notices(ctx, alertsTriesShown)
		if err != nil {
			return AlertsTested{}, err
		}
		for _, n := range list {
			if n.Number != number {
				continue
			}
			tried := true
			for _, d := range n.Deliveries {
				tried = tried && d.Tries > 0
			}
			if tried || time.Now().After(end) {
				return AlertsTested{number, n.Deliveries}, nil
			}
		}
		select {
		case <-ctx.Done():
			return AlertsTested{}, ctx.Err()
		case <-time.After(testLook):
		}
	}
}

// incidentRoutes are the calls of `tram-hub incidents` and `tram-hub alerts`.
func (h *Hub) incidentRoutes(mux *http.ServeMux) {
	handle := func(pattern string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) { return do(r) }))
	}
	number := func(r *http.Request, name string) incident.ID {
		n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64) // 0 is none
		return incident.ID(n)
	}
	handle("GET "+IncidentsPath, func(r *http.Request) (any, error) {
		return h.Incidents(r.Context(), duty.Query{Open: r.URL.Query().Get("all") != "true", Before: number(r, "before")})
	})
	handle("GET "+IncidentPath, func(r *http.Request) (any, error) { return h.Incident(r.Context(), number(r, "id")) })
	handle("POST "+IncidentActPath, func(r *http.Request) (any, error) {
		var a IncidentAct
		if err := api.ReadJSONWithin(r.Body, maxIncidentAct, &a); err != nil {
			return nil, err
		}
		return h.ActOnIncident(r.Context(), a, "cli")
	})
	handle("GET "+AlertsPath, func(r *http.Request) (any, error) { return h.Alerts(r.Context()) })
	handle("POST "+AlertsTestPath, func(r *http.Request) (any, error) { return h.TestAlerts(r.Context(), "cli") })
}
