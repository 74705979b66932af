package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// logLines is how many of the last lines are shown when no time is given.
const logLines = 200

// logsCommand shows the service's log, which the system keeps.
func logsCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "logs", Short: "tram.logs.short", Long: "tram.logs.long", Args: cli.Args(0, 0)}
	follow := cmd.Flags().BoolP("follow", "f", false, "tram.logs.follow")
	since := cmd.Flags().String("since", "", "tram.logs.since")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		program, err := exec.LookPath("journalctl")
		if err != nil {
			return problem.New(problem.NotFound, "tram.no-journal", "", i18n.Args{"os": runtime.GOOS}).Because(err)
		}
		args := []string{"--no-pager", "--quiet", "--unit=" + c.Program + ".service"}
		if *since != "" {
			args = append(args, "--since="+*since)
		} else {
			args = append(args, "--lines="+strconv.Itoa(logLines))
		}
		if *follow {
			args = append(args, "--follow")
		}
		run := exec.CommandContext(cmd.Context(), program, args...)
		run.Stdout, run.Stderr = c.Out, c.Err
		run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
		err = run.Run()
		var ended *exec.ExitError
		switch {
		case cmd.Context().Err() != nil:
			return nil // the reader has seen enough
		case errors.As(err, &ended):
			return cli.Told(err) // it has said why
		}
		return err
	}
	return cmd
}
