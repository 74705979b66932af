package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

func statusCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "tram.status.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := api.NewClient(c.Data)
			defer client.Close()
			s, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.Print(s, func(w io.Writer) { printStatus(c, w, s) }); err != nil {
				return err
			}
			if len(s.Conditions) > 0 {
				return cli.ErrPartial
			}
			return nil
		},
	}
}

// printStatus begins with one line that says it all.
func printStatus(c *cli.Console, w io.Writer, s api.Status) {
	fmt.Fprintln(w, verdict(c, s))
	line := func(key string, format string, args ...any) {
		fmt.Fprintf(w, "  %-22s %s\n", c.T(key), fmt.Sprintf(format, args...))
	}
	line("tram.status.office", "%s %s → %s", s.Office.Code, s.Office.Name, s.Hub)
	if s.Waits != nil {
		why := problem.New(problem.Busy, s.Waits.Code, "", s.Waits.Args)
		fmt.Fprintf(w, "! %s\n  %s\n", why.Message(c.Lang), why.Next(c.Lang))
	}
	if s.State == "ready" {
		line("tram.status.queue", "%s", c.T("tram.status.queue-line", i18n.Args{
			"count": s.Queue.Waiting, "size": cli.Bytes(s.Queue.WaitingBytes),
			"express": s.Queue.ByUrgency[3], "unaccepted": s.Queue.Unaccepted,
		}))
		line("tram.status.line", "%s", lineWords(c, s.Link))
		if s.Budget.Limit > 0 || s.Budget.Used > 0 {
			line("tram.status.budget", "%s", budgetWords(c, s.Budget))
		}
		line("tram.status.server", "%s %s", s.Link.Server, s.Link.Error)
		line("tram.status.pages", "%s", s.UI)
		if s.Pages != nil {
			line("tram.lan.fingerprint", "%s (%s)", s.Pages.Fingerprint, c.T("tram.lan.source."+string(s.Pages.Source)))
		}
		line("tram.status.certificate", "%s", c.T("tram.status.certificate-line", i18n.Args{
			"date": s.CertUntil.Local().Format("02/01/2006"), "days": s.CertDays,
		}))
		line("tram.status.disk", "%s", cli.Bytes(s.DiskFree))
	}
	line("tram.status.clock", "%s", s.Clock.Now.Local().Format(clockForm))
	line("tram.status.version", "%s", s.Version)
	for _, condition := range s.Conditions {
		fmt.Fprintf(w, "! %s\n", condition.Message(c.Lang))
	}
}

// lineWords says which line is in use and what may go over it.
func lineWords(c *cli.Console, l api.Link) string {
	name, rule := l.Interface, c.T("tram.line."+string(l.Rules.Code), i18n.Args{"least": c.T(fmt.Sprintf("urgency.%d", l.Rules.MinUrgency))})
	if name == "" {
		return "–"
	}
	if l.Metered {
		name = c.T("tram.line.sim", i18n.Args{"interface": name})
	}
	if l.Rules.MaxSize > 0 {
		rule += c.T("tram.line.size", i18n.Args{"size": cli.Bytes(l.Rules.MaxSize)})
	}
	return name + ", " + rule
}

func budgetWords(c *cli.Console, b api.Budget) string {
	limit, forecast := "–", "–"
	if b.Limit > 0 {
		limit = cli.Bytes(b.Limit)
	}
	if b.Forecast != nil {
		forecast = cli.Bytes(*b.Forecast)
	}
	return c.T("tram.status.budget-line", i18n.Args{"used": cli.Bytes(b.Used), "limit": limit, "forecast": forecast, "date": b.Resets.Format("02/01/2006")})
}

func verdict(c *cli.Console, s api.Status) string {
	switch {
	case s.State != "ready":
		return c.T("tram.status." + s.State)
	case len(s.Conditions) > 0:
		return c.T("tram.status.needs-look", i18n.Args{"count": len(s.Conditions)})
	case s.Link.Up:
		return c.T("tram.status.online", i18n.Args{"since": since(s.Link.Since)})
	default:
		return c.T("tram.status.offline", i18n.Args{"since": since(s.Link.Since)})
	}
}

func since(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format(clockForm)
}
