package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// waitEvery is how often a command that waits asks the service.
const waitEvery = 500 * time.Millisecond

// waitCommand waits for a state of the office, for scripts. It prints nothing: the
// exit code says it.
func waitCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "wait", Short: "tram.wait.short"}
	for name, reached := range map[string]func(api.Status) bool{
		"online": func(s api.Status) bool { return s.Link.Up },
		"idle":   func(s api.Status) bool { return s.State == "ready" && s.Queue.Waiting == 0 },
	} {
		cmd := &cobra.Command{Use: name, Short: "tram.wait." + name + ".short", Args: cli.Args(0, 0)}
		timeout := cmd.Flags().Duration("timeout", 0, "tram.wait.timeout")
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return waitFor(cmd.Context(), c, name, *timeout, reached) }
		group.AddCommand(cmd)
	}
	return group
}

// waitFor asks until it is reached. A service that does not answer yet is waited
// for as well.
func waitFor(ctx context.Context, c *cli.Console, name string, timeout time.Duration, reached func(api.Status) bool) error {
	client := api.NewClient(c.Data)
	defer client.Close()
	asking := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var last error
	for {
		s, err := client.Status(asking)
		if asking.Err() == nil {
			last = err
		}
		switch {
		case err == nil && reached(s):
			return nil
		case err != nil && asking.Err() == nil && !notRunning(err):
			return err
		}
		select {
		case <-asking.Done():
		case <-time.After(waitEvery):
			continue
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case last != nil:
			return last
		}
		class := problem.LinkDown
		if name == "idle" {
			class = problem.Busy
		}
		return problem.New(class, "wait.timeout", "timeout", i18n.Args{"what": i18n.Say("tram.wait." + name + ".state"), "timeout": timeout}).Because(errors.New("timeout"))
	}
}
