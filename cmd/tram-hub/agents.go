package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

func agentsCommand(c *cli.Console) *cobra.Command {
	var states []string
	var cluster string
	cmd := &cobra.Command{Use: "agents", Short: "hub.agents.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringSliceVar(&states, "state", nil, "fleet.flag.state")
	cmd.Flags().StringVar(&cluster, "cluster", "", "fleet.flag.cluster")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := hub.ParseAgentStates(states); err != nil {
			return err
		}
		caller := api.NewCaller(c.Data, hub.SocketName)
		defer caller.Close()
		var a hub.Agents
		query := url.Values{"state": states, "cluster": {cluster}}
		if err := caller.Call(cmd.Context(), http.MethodGet, "/v1/agents?"+query.Encode(), nil, &a); err != nil {
			return err
		}
		return c.Print(a, func(w io.Writer) { printAgents(c, w, a) })
	}
	cmd.AddCommand(showAgentCommand(c), changeAgentCommand(c, hub.ActPause), changeAgentCommand(c, hub.ActResume), siteCommand(c), hoursCommand(c))
	return cmd
}

func printAgents(c *cli.Console, w io.Writer, a hub.Agents) {
	var rows [][]string
	for _, g := range a.Agents {
		queue := "–"
		if !g.Beat.IsZero() {
			queue = fmt.Sprint(g.Queue)
		}
		rows = append(rows, []string{g.Code, g.Name, agentState(c, g), moment(g.Seen), queue, fmt.Sprint(g.Waiting), g.Software})
	}
	c.Table(w, []string{"hub.col.code", "hub.col.name", "hub.col.state", "hub.col.seen", "fleet.col.queue", "hub.col.waiting", "hub.col.software"}, rows)
}

// agentState is the state with its reason, in a few words.
func agentState(c *cli.Console, g fleet.Agent) string {
	state := g.State.Text(c.Lang)
	if g.Reason.Code != "" {
		state = c.T("fleet.because", i18n.Args{"state": state, "reason": g.Reason.Short(c.Lang)})
	}
	if !g.Log.IsZero() {
		state = c.T("hub.agent.log", i18n.Args{"state": state, "entry": g.LogEntry, "since": g.Log.Local().Format(clockForm)})
	}
	if !g.Copy.IsZero() {
		state = c.T("hub.agent.copy", i18n.Args{"state": state, "since": g.Copy.Local().Format(clockForm)})
	}
	return state
}

// moment is a time, or a dash for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format(clockForm)
}

func showAgentCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "show CODE", Short: "fleet.show.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			caller := api.NewCaller(c.Data, hub.SocketName)
			defer caller.Close()
			var r hub.AgentReport
			err := caller.Call(cmd.Context(), http.MethodGet, "/v1/agents/show?"+url.Values{"code": {args[0]}}.Encode(), nil, &r)
			if err != nil {
				return err
			}
			return c.Print(r, func(w io.Writer) { printAgent(c, w, r) })
		},
	}
}

// printAgent begins with one line that says it all. What a box that is out of
// contact said last is told as of then.
func printAgent(c *cli.Console, w io.Writer, r hub.AgentReport) {
	fmt.Fprintln(w, c.T("fleet.show.verdict", i18n.Args{"code": r.Code, "name": r.Name, "state": agentState(c, r.Agent), "since": moment(r.StateSince)}))
	line := func(key string, args i18n.Args) { fmt.Fprintln(w, " ", cli.OneLine(c.T(key, args))) }
	if text := r.Reason.Text(c.Lang); text != "" {
		fmt.Fprintln(w, " ", cli.OneLine(text))
	}
	line("fleet.show.seen", i18n.Args{"seen": moment(r.Seen), "software": r.Software, "waiting": r.Waiting})
	line("fleet.show.site", i18n.Args{"cluster": r.Cluster, "hours": dash(r.Hours), "carrier": dash(r.Carrier)})
	if r.Last == nil {
		line("fleet.show.no-beat", nil)
		return
	}
	line("fleet.show.beat", i18n.Args{"at": moment(r.Beat), "seconds": r.Last.Every})
	line("fleet.show.queue", i18n.Args{"count": r.Queue, "size": cli.Bytes(r.QueueBytes), "since": moment(r.QueueSince), "rate": cli.Bytes(r.Rate)})
	line("fleet.show.box", i18n.Args{
		"free": cli.Bytes(r.DiskFree), "days": count(r.DiskDays), "offset": (time.Duration(r.ClockOffset) * time.Millisecond).Round(time.Second),
		"certificate": r.Certificate.Local().Format(dayForm),
	})
	line("fleet.show.line", i18n.Args{"interface": dash(r.Last.Line.Interface), "sim": size(r.SIMLeft)})
	for _, condition := range r.Last.Conditions {
		fmt.Fprintln(w, " ", cli.OneLine("! "+fleet.Reason(condition).Text(c.Lang)))
	}
	for _, b := range r.Bands {
		fmt.Fprintln(w, " ", moment(b.From), cli.OneLine(b.State.Text(c.Lang)+" "+b.Reason.Short(c.Lang)))
	}
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func count(n *int) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprint(*n)
}

func size(n *int64) string {
	if n == nil {
		return "–"
	}
	return cli.Bytes(*n)
}

func changeAgentCommand(c *cli.Console, act string) *cobra.Command {
	return &cobra.Command{
		Use: act + " CODE", Short: "fleet." + act + ".short", Long: "fleet." + act + ".long", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeAgent(cmd.Context(), c, hub.AgentChange{Act: act, Code: args[0]})
		},
	}
}

func siteCommand(c *cli.Console) *cobra.Command {
	change := hub.AgentChange{Act: hub.ActSite}
	cmd := &cobra.Command{Use: "site CODE", Short: "fleet.site.short", Long: "fleet.site.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&change.Cluster, "cluster", "", "fleet.flag.site-cluster")
	cmd.Flags().StringVar(&change.Hours, "hours", "", "fleet.flag.hours")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change.Code = args[0]
		return changeAgent(cmd.Context(), c, change)
	}
	return cmd
}

func hoursCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "hours CLUSTER [HOURS…]", Short: "fleet.hours.short", Long: "fleet.hours.long", Args: cli.Args(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeAgent(cmd.Context(), c, hub.AgentChange{Act: hub.ActHours, Cluster: args[0], Hours: strings.Join(args[1:], "; ")})
		},
	}
}

// changeAgent asks the running hub, or works on the data folder when none runs.
func changeAgent(ctx context.Context, c *cli.Console, change hub.AgentChange) error {
	var did hub.AgentChange
	err := ask(ctx, c, http.MethodPost, "/v1/agents/change", change, &did, func(h *hub.Hub) error {
		return h.ChangeAgent(ctx, change, "cli")
	})
	if err != nil {
		return err
	}
	return c.Print(change, func(w io.Writer) {
		fmt.Fprintln(w, c.T("fleet."+change.Act+".done", i18n.Args{"code": change.Code, "cluster": dash(change.Cluster), "hours": dash(change.Hours)}))
	})
}
