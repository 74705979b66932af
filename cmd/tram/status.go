package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
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
	if s.State == "ready" {
		line("tram.status.queue", "%s", c.T("tram.status.queue-line", i18n.Args{
			"count": s.Queue.Waiting, "size": cli.Bytes(s.Queue.WaitingBytes),
			"express": s.Queue.ByUrgency[3], "unaccepted": s.Queue.Unaccepted,
		}))
		line("tram.status.server", "%s %s", s.Link.Server, s.Link.Error)
		line("tram.status.pages", "%s", s.UI)
		line("tram.status.certificate", "%s", s.CertUntil.Local().Format("02/01/2006"))
		line("tram.status.disk", "%s", cli.Bytes(s.DiskFree))
	}
	line("tram.status.clock", "%s", s.Clock.Now.Local().Format(clockForm))
	line("tram.status.version", "%s", s.Version)
	for _, condition := range s.Conditions {
		fmt.Fprintf(w, "! %s\n", condition.Message(c.Lang))
	}
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
