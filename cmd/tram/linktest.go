package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/doctor"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/probe"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// tested is the stable JSON of `tram link test`.
type tested struct {
	Server    string       `json:"server"`
	Via       string       `json:"via"` // "session" or "probe"
	Good      bool         `json:"good"`
	Steps     []testedStep `json:"steps"`
	RTT       *int64       `json:"rtt_ms"`
	Loss      *float64     `json:"loss_percent"`
	UpRate    int64        `json:"up_rate"` // bytes per second
	DownRate  int64        `json:"down_rate"`
	Interface string       `json:"interface"`
	Metered   bool         `json:"metered"`
	Cost      int64        `json:"cost"` // bytes
}

type testedStep struct {
	probe.Step
	Message string `json:"message,omitempty"`
	Fix     string `json:"fix,omitempty"`
}

// pingCost is what a test over the session costs in both directions, TLS included.
const pingCost = 3 * 2 * 24

func linkCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "link", Short: "tram.link.short"}
	group.AddCommand(linkTestCommand(c))
	return group
}

func linkTestCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "test", Short: "tram.link.test.short", Long: "tram.link.test.long", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := testLine(cmd.Context(), c)
		if err != nil {
			return err
		}
		for i := range t.Steps {
			if s := &t.Steps[i]; s.Code != "" {
				f := doctor.Finding{State: doctor.Failure, Code: s.Code, Args: s.Args}
				s.Message, s.Fix = f.Message(c.Lang), f.Remedy(c.Lang)
			}
		}
		t.Good = len(t.Steps) > 0 && t.Steps[len(t.Steps)-1].Good
		if err := c.Print(t, func(w io.Writer) { printTested(c, w, t) }); err != nil {
			return err
		}
		if !t.Good {
			return cli.Told(problem.New(problem.LinkDown, t.Steps[len(t.Steps)-1].Code, "", nil))
		}
		return nil
	}
	return cmd
}

// testLine has the running service test its line; what a session that is down does
// not show, and all when no service runs, is found by walking the hops.
func testLine(ctx context.Context, c *cli.Console) (t tested, err error) {
	caller := api.NewCaller(c.Data, api.SocketName)
	defer caller.Close()
	var s probe.Session
	err = caller.Call(ctx, http.MethodPost, probe.Path, nil, &s)
	running := err == nil
	if err != nil && !notRunning(err) {
		return t, err
	}
	t = tested{Server: s.Server, Via: "session", UpRate: s.UpRate, DownRate: s.DownRate, Interface: s.Interface, Metered: s.Metered}
	if s.Segments > 0 {
		loss := float64(s.Repeated) / float64(s.Segments) * 100
		t.Loss = &loss
	}
	if steps := s.Steps(); steps != nil {
		t.take(steps)
		if s.Answered {
			rtt := s.RTT.Milliseconds()
			t.RTT, t.Cost = &rtt, pingCost
		}
		return t, nil
	}
	t.Via = "probe"
	r, err := walkLine(ctx, c, !running)
	if err != nil {
		return t, err
	}
	t.Server, t.Cost = r.Server, r.Sent+r.Received
	if r.RTT > 0 {
		rtt := r.RTT.Milliseconds()
		t.RTT = &rtt
	}
	t.take(r.Steps)
	if running && r.Broken() == nil {
		t.take([]probe.Step{s.After()})
	}
	return t, nil
}

func (t *tested) take(steps []probe.Step) {
	for _, s := range steps {
		t.Steps = append(t.Steps, testedStep{Step: s})
	}
}

// walkLine walks to each server of the hub, and tells of the one that got furthest.
func walkLine(ctx context.Context, c *cli.Console, session bool) (best probe.Report, err error) {
	id, err := identity.Load(c.Data)
	if err != nil {
		return best, err
	}
	cfg, err := config.LoadOffice(c.Data, nil)
	if err != nil {
		return best, err
	}
	servers := cfg.MQTT.Servers
	if len(servers) == 0 {
		servers = id.Trust.MQTT
	}
	if len(servers) == 0 {
		return best, problem.New(problem.Failed, "tram.no-server", "", nil)
	}
	var sent, received int64
	for _, server := range servers {
		r := probe.Run(ctx, probe.Options{Server: server, Identity: id, Curves: identity.KeyExchange(cfg.MQTT.KeyExchange).Curves(), Session: session})
		sent, received = sent+r.Sent, received+r.Received
		if len(r.Steps) > len(best.Steps) || r.Broken() == nil {
			best = r
		}
		if best.Broken() == nil {
			break
		}
	}
	best.Sent, best.Received = sent, received
	return best, nil
}

func printTested(c *cli.Console, w io.Writer, t tested) {
	name := t.Interface
	if name == "" {
		name = "–"
	}
	if t.Metered {
		name = c.T("tram.line.sim", i18n.Args{"interface": name})
	}
	last := t.Steps[len(t.Steps)-1]
	if t.Good {
		fmt.Fprintln(w, c.T("tram.link.good", i18n.Args{"server": t.Server, "line": name}))
	} else {
		fmt.Fprintln(w, c.T("tram.link.bad", i18n.Args{"server": t.Server, "hop": c.T("tram.link.hop." + string(last.Hop))}))
	}
	for _, s := range t.Steps {
		mark, took := cli.Done, ""
		if !s.Good {
			mark = cli.Failure
		}
		if s.Took > 0 {
			took = fmt.Sprintf(" (%d ms)", s.Took)
		}
		fmt.Fprintf(w, "%c %s%s\n", mark, c.T("tram.link.hop."+string(s.Hop)), took)
		for _, line := range []string{s.Message, s.Fix} {
			if line != "" {
				fmt.Fprintf(w, "    %s\n", cli.OneLine(line))
			}
		}
	}
	rtt, loss := "–", "–"
	if t.RTT != nil && *t.RTT == 0 {
		rtt = "< 1 ms"
	} else if t.RTT != nil {
		rtt = fmt.Sprintf("%d ms", *t.RTT)
	}
	if t.Loss != nil {
		loss = fmt.Sprintf("%.1f %%", *t.Loss)
	}
	rate := func(bytes int64) string {
		if bytes == 0 {
			return "–"
		}
		return "≥ " + cli.Bytes(bytes) + "/s"
	}
	fmt.Fprintln(w, c.T("tram.link.figures", i18n.Args{"rtt": rtt, "loss": loss, "up": rate(t.UpRate), "down": rate(t.DownRate)}))
	if t.UpRate == 0 || t.DownRate == 0 {
		fmt.Fprintln(w, c.T("tram.link.rates"))
	}
	fmt.Fprintln(w, c.T("tram.link.cost", i18n.Args{"bytes": cli.Bytes(t.Cost)}))
}
