package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/hub"
	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// untilForms are how a time until when an incident is snoozed may be written, in
// Vietnam's time.
var untilForms = []string{"15:04 02/01/2006", "02/01/2006 15:04"}

func incidentsCommand(c *cli.Console) *cobra.Command {
	var all bool
	var before int64
	cmd := &cobra.Command{Use: "incidents", Short: "hub.incidents.short", Long: "hub.incidents.long", Args: cli.Args(0, 0)}
	cmd.Flags().BoolVar(&all, "all", false, "hub.incidents.all")
	cmd.Flags().Int64Var(&before, "before", 0, "hub.incidents.before")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"all": {strconv.FormatBool(all)}, "before": {strconv.FormatInt(before, 10)}}
		page, err := askFor(cmd.Context(), c, http.MethodGet, hub.IncidentsPath+"?"+query.Encode(), nil, func(h *hub.Hub) (hub.Incidents, error) {
			return h.Incidents(cmd.Context(), duty.Query{Open: !all, Before: incident.ID(before)})
		})
		if err != nil {
			return err
		}
		return c.Print(page, func(w io.Writer) { printIncidents(c, w, page) })
	}
	cmd.AddCommand(incidentShowCommand(c), ackCommand(c), snoozeCommand(c), noteCommand(c))
	return cmd
}

func printIncidents(c *cli.Console, w io.Writer, page hub.Incidents) {
	if len(page.Incidents) == 0 {
		fmt.Fprintln(w, c.T("hub.incidents.none", i18n.Args{"at": moment(page.At)}))
		return
	}
	var rows [][]string
	for _, i := range page.Incidents {
		rows = append(rows, []string{strconv.FormatInt(int64(i.ID), 10), c.T("incident.severity." + string(i.Severity)), moment(i.Opened), incidentState(c, i), strconv.Itoa(i.Urgent), i.Title})
	}
	c.Table(w, []string{"hub.col.number", "hub.col.severity", "hub.col.since", "hub.col.state", "hub.col.urgent", "hub.col.incident"}, rows)
	if page.Next != 0 {
		c.Say("hub.incidents.more", i18n.Args{"before": strconv.FormatInt(int64(page.Next), 10)})
	}
}

func incidentState(c *cli.Console, i hub.IncidentLine) string {
	switch {
	case i.Merged != 0:
		return c.T("hub.incident.merged", i18n.Args{"into": strconv.FormatInt(int64(i.Merged), 10)})
	case !i.Closed.IsZero():
		return c.T("hub.incident.closed")
	case !i.Recovered.IsZero():
		return c.T("hub.incident.draining")
	case i.Ack != nil:
		return c.T("hub.incident.acknowledged", i18n.Args{"by": i.Ack.By})
	case i.Snoozed.After(time.Now()):
		return c.T("hub.incident.snoozed", i18n.Args{"until": moment(i.Snoozed)})
	}
	return c.T("hub.incident.open")
}

// incidentNumber reads the number of an incident.
func incidentNumber(text string) (incident.ID, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, problem.New(problem.Usage, "hub.incident-number", "ID", i18n.Args{"value": text})
	}
	return incident.ID(n), nil
}

// incidentShowCommand prints everything about an incident: the post-mortem, for a file
// too.
func incidentShowCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "hub.incidents.show.short", Long: "hub.incidents.show.long", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		report, err := incidentReport(cmd, c, args[0])
		if err != nil {
			return err
		}
		return c.Print(report, func(w io.Writer) { fmt.Fprint(w, postMortem(c, report)) })
	}
	return cmd
}

func postMortem(c *cli.Console, r hub.IncidentReport) string {
	return r.Markdown(c.Lang, func(code string) string {
		if name := r.Names[code]; name != "" {
			return name
		}
		return code
	})
}

func incidentReport(cmd *cobra.Command, c *cli.Console, number string) (hub.IncidentReport, error) {
	id, err := incidentNumber(number)
	if err != nil {
		return hub.IncidentReport{}, err
	}
	path := hub.IncidentPath + "?" + url.Values{"id": {strconv.FormatInt(int64(id), 10)}}.Encode()
	return askFor(cmd.Context(), c, http.MethodGet, path, nil, func(h *hub.Hub) (hub.IncidentReport, error) {
		return h.Incident(cmd.Context(), id)
	})
}

func ackCommand(c *cli.Console) *cobra.Command {
	act := hub.IncidentAct{Act: hub.ActAcknowledge}
	cmd := &cobra.Command{Use: "ack ID", Short: "hub.incidents.ack.short", Long: "hub.incidents.ack.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&act.Note, "note", "", "hub.incidents.note")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return actOnIncident(cmd, c, args[0], act) }
	return cmd
}

func noteCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "note ID TEXT…", Short: "hub.incidents.note.short", Args: cli.Args(2, -1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return actOnIncident(cmd, c, args[0], hub.IncidentAct{Act: hub.ActNote, Note: strings.Join(args[1:], " ")})
	}
	return cmd
}

func snoozeCommand(c *cli.Console) *cobra.Command {
	var until string
	cmd := &cobra.Command{Use: "snooze ID", Short: "hub.incidents.snooze.short", Long: "hub.incidents.snooze.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&until, "until", "", "hub.incidents.until")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		act := hub.IncidentAct{Act: hub.ActSnooze}
		for _, form := range untilForms {
			if t, err := time.ParseInLocation(form, until, clock.Vietnam); err == nil {
				act.Until = t
			}
		}
		if until != "" && act.Until.IsZero() {
			return problem.New(problem.Usage, "hub.until", "until", i18n.Args{"value": until})
		}
		return actOnIncident(cmd, c, args[0], act)
	}
	return cmd
}

func actOnIncident(cmd *cobra.Command, c *cli.Console, number string, act hub.IncidentAct) (err error) {
	if act.ID, err = incidentNumber(number); err != nil {
		return err
	}
	line, err := askFor(cmd.Context(), c, http.MethodPost, hub.IncidentActPath, act, func(h *hub.Hub) (hub.IncidentLine, error) {
		return h.ActOnIncident(cmd.Context(), act, "cli")
	})
	if err != nil {
		return err
	}
	return c.Print(line, func(w io.Writer) {
		fmt.Fprintln(w, c.T("hub.incidents.done", i18n.Args{"title": line.Title, "state": incidentState(c, line)}))
	})
}

func urgentCommand(c *cli.Console) *cobra.Command {
	var all bool
	cmd := &cobra.Command{Use: "urgent", Short: "hub.urgent.short", Long: "hub.urgent.long", Args: cli.Args(0, 0)}
	cmd.Flags().BoolVar(&all, "all", false, "hub.urgent.all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := hub.UndeliveredPath + "?" + url.Values{"all": {strconv.FormatBool(all)}}.Encode()
		u, err := askFor(cmd.Context(), c, http.MethodGet, path, nil, func(h *hub.Hub) (duty.Undelivered, error) {
			return h.Undelivered(cmd.Context(), all)
		})
		if err != nil {
			return err
		}
		return c.Print(u, func(w io.Writer) { printUrgent(c, w, u, all) })
	}
	cmd.AddCommand(calledCommand(c))
	return cmd
}

func printUrgent(c *cli.Console, w io.Writer, u duty.Undelivered, all bool) {
	if len(u.Documents) == 0 {
		key := "hub.urgent.none"
		if all {
			key = "hub.urgent.none-at-all"
		}
		fmt.Fprintln(w, c.T(key, i18n.Args{"at": moment(u.At)}))
		return
	}
	for _, d := range u.Documents {
		fmt.Fprintln(w, c.T("hub.urgent.document", i18n.Args{
			"urgency": c.T("urgency." + strconv.Itoa(d.Urgency)), "id": d.ID.String(), "from": d.FromName, "at": moment(d.Taken),
			"left": len(d.Recipients), "of": d.Of,
		}))
		var rows [][]string
		for _, r := range d.Recipients {
			late, contact, called := "–", c.T("hub.urgent.away", i18n.Args{"seen": moment(r.Seen)}), "–"
			if r.Late {
				late = c.T("hub.urgent.late")
			}
			if r.Online {
				contact = c.T("hub.urgent.online")
			}
			if n := len(r.Calls); n > 0 {
				called = c.T("hub.urgent.called", i18n.Args{"at": moment(r.Calls[n-1].At), "note": r.Calls[n-1].Note})
			}
			rows = append(rows, []string{"  " + r.Code, r.Name, r.Phone, i18n.Span(c.Lang, time.Duration(r.Elapsed)*time.Second), late, contact, called})
		}
		c.Table(w, []string{"hub.col.code", "hub.col.name", "hub.col.phone", "hub.col.elapsed", "hub.col.limit", "hub.col.contact", "hub.col.called"}, rows)
	}
}

func calledCommand(c *cli.Console) *cobra.Command {
	var note string
	cmd := &cobra.Command{Use: "called DOCUMENT CODE", Short: "hub.urgent.called.short", Args: cli.Args(2, 2)}
	cmd.Flags().StringVar(&note, "note", "", "hub.incidents.note")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := uuid.Parse(args[0])
		if err != nil {
			return problem.New(problem.Usage, "hub.document-id", "DOCUMENT", i18n.Args{"value": args[0]})
		}
		in := hub.Called{Document: id, Office: args[1], Note: note}
		call, err := askFor(cmd.Context(), c, http.MethodPost, hub.CalledPath, in, func(h *hub.Hub) (duty.Call, error) {
			return h.Called(cmd.Context(), in, "cli")
		})
		if err != nil {
			return err
		}
		return c.Print(call, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.urgent.noted", i18n.Args{"code": call.Office, "at": moment(call.At)}))
		})
	}
	return cmd
}

func contactCommand(c *cli.Console) *cobra.Command {
	var in duty.Contact
	cmd := &cobra.Command{Use: "contact CODE", Short: "hub.offices.contact.short", Long: "hub.offices.contact.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&in.Phone, "phone", "", "hub.offices.phone")
	cmd.Flags().StringVar(&in.Carrier, "carrier", "", "hub.offices.carrier")
	cmd.Flags().StringVar(&in.Station, "station", "", "hub.offices.station")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Office = args[0]
		contact, err := askFor(cmd.Context(), c, http.MethodPost, hub.ContactPath, in, func(h *hub.Hub) (duty.Contact, error) {
			return h.SetContact(cmd.Context(), in, "cli")
		})
		if err != nil {
			return err
		}
		return c.Print(contact, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.offices.contact.done", i18n.Args{"code": contact.Office, "phone": contact.Phone}))
		})
	}
	return cmd
}

func alertsCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "alerts", Short: "hub.alerts.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := askFor(cmd.Context(), c, http.MethodGet, hub.AlertsPath, nil, func(h *hub.Hub) (hub.Alerts, error) { return h.Alerts(cmd.Context()) })
		if err != nil {
			return err
		}
		return c.Print(a, func(w io.Writer) { printAlerts(c, w, a) })
	}
	test := &cobra.Command{Use: "test", Short: "hub.alerts.test.short", Long: "hub.alerts.test.long", Args: cli.Args(0, 0)}
	test.RunE = func(cmd *cobra.Command, _ []string) error { return testAlerts(cmd, c) }
	cmd.AddCommand(test)
	return cmd
}

func printAlerts(c *cli.Console, w io.Writer, a hub.Alerts) {
	for _, f := range a.Faults {
		fmt.Fprintf(w, "%s: %s %s [%s]\n", f.Field, c.T("problem."+f.Code, f.Args), c.T("problem."+f.Code+".next", f.Args), f.Code)
	}
	if len(a.Channels) == 0 {
		fmt.Fprintln(w, c.T("problem.alerts.no-channel"), c.T("problem.alerts.no-channel.next"))
	} else {
		var rows [][]string
		for _, ch := range a.Channels {
			state := c.T("hub.alerts.well")
			if !ch.Failing.IsZero() {
				state = c.T("hub.alerts.failing", i18n.Args{"since": moment(ch.Failing), "error": ch.Error})
			}
			rows = append(rows, []string{ch.Name, moment(ch.Last), strconv.Itoa(ch.Waiting), state})
		}
		c.Table(w, []string{"hub.col.channel", "hub.col.last", "hub.col.waiting", "hub.col.state"}, rows)
	}
	if a.Pulse != nil && !a.Pulse.Failing.IsZero() {
		fmt.Fprintln(w, c.T("hub.alerts.pulse-failing", i18n.Args{"since": moment(a.Pulse.Failing)}))
	}
	var days []string
	for _, d := range a.Days {
		days = append(days, strconv.Itoa(d.Notices))
	}
	fmt.Fprintln(w, c.T("hub.alerts.days", i18n.Args{"days": strings.Join(days, " ")}))
	var rows [][]string
	for _, r := range a.Rules {
		var levels []string
		for _, l := range r.Levels {
			levels = append(levels, fmt.Sprintf("%s %s", l.Severity, limitText(r.Unit, l.Limit)))
		}
		rows = append(rows, []string{string(r.Code), r.Cluster, strings.Join(levels, ", ")})
	}
	c.Table(w, []string{"hub.col.rule", "hub.col.cluster", "hub.col.limits"}, rows)
}

// limitText writes a limit as alerts.rules takes it.
func limitText(u incident.Unit, limit float64) string {
	const day = 24 * time.Hour
	d := time.Duration(limit * float64(time.Second))
	switch {
	case u != incident.Seconds:
		return strconv.FormatFloat(limit, 'g', -1, 64)
	case d >= day && d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

// testAlerts is for a running hub: another would send nothing.
func testAlerts(cmd *cobra.Command, c *cli.Console) error {
	caller := api.NewCaller(c.Data, hub.SocketName)
	defer caller.Close()
	var done hub.AlertsTested
	if err := caller.Call(cmd.Context(), http.MethodPost, hub.AlertsTestPath, nil, &done); err != nil {
		return err
	}
	failed := false
	err := c.Print(done, func(w io.Writer) {
		for _, d := range done.Deliveries {
			key := "hub.alerts.sent"
			if d.State != duty.Taken {
				key = "hub.alerts.not-sent"
			}
			fmt.Fprintln(w, c.T(key, i18n.Args{"channel": d.Channel, "error": d.Error}))
		}
	})
	for _, d := range done.Deliveries {
		failed = failed || d.State != duty.Taken
	}
	if failed && err == nil {
		return problem.New(problem.Failed, "alerts.test-failed", "", nil)
	}
	return err
}
