package main

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/cmd/internal/cli"
)

// updateCommand is about new versions of this program, which come from the hub by
// themselves.
func updateCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "update", Short: "tram.program.short"}
	status := &cobra.Command{Use: "status", Short: "tram.program.status.short", Args: cli.Args(0, 0)}
	status.RunE = func(cmd *cobra.Command, _ []string) error {
		caller := api.NewCaller(c.Data, api.SocketName)
		defer caller.Close()
		var s agent.Software
		if err := caller.Call(cmd.Context(), http.MethodGet, agent.UpdatePath, nil, &s); err != nil {
			return err
		}
		return printSoftware(c, s)
	}
	from := &cobra.Command{Use: "from FILE", Short: "tram.program.from.short", Long: "tram.update.from.long", Args: cli.Args(1, 1)}
	from.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return problem.New(problem.Usage, "tram.unreadable-file", "FILE", i18n.Args{"file": args[0]}).Because(err)
		}
		defer f.Close()
		caller := api.NewCaller(c.Data, api.SocketName)
		defer caller.Close()
		answer, err := caller.Do(cmd.Context(), http.MethodPost, agent.UpdatePath, f, "application/octet-stream")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		var s agent.Software
		if err := api.ReadJSON(answer.Body, &s); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		return printSoftware(c, s)
	}
	group.AddCommand(status, from, updateVerifyCommand(c))
	return group
}

func printSoftware(c *cli.Console, s agent.Software) error {
	return c.Print(s, func(w io.Writer) {
		say := func(key string, args i18n.Args) { fmt.Fprintln(w, c.T("tram.program."+key, args)) }
		failure := func(key string, f *release.Failure) {
			if f != nil {
				say(key, i18n.Args{"version": f.Version, "why": i18n.Say("update.reason." + f.Reason)})
			}
		}
		if s.Slot {
			say("slot", i18n.Args{"version": s.Version})
		} else {
			say("installed", i18n.Args{"version": s.Version})
		}
		if s.OnTrial != "" {
			say("trial", i18n.Args{"version": s.OnTrial})
		}
		if s.Ready != "" {
			say("ready", i18n.Args{"version": s.Ready})
		}
		failure("stuck", s.Stuck)
		failure("taken-back", s.TakenBack)
		failure("refused", s.Refused)
	})
}
