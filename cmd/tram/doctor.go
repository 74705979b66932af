package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/doctor"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

// examined is the stable JSON of `tram doctor`.
type examined struct {
	doctor.Report
	Findings []examinedOne `json:"checks"`
	Fixed    []string      `json:"fixed"` // codes that were mended
}

type examinedOne struct {
	doctor.Finding
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// errUnwell gives the exit code of a box that has something to be mended.
var errUnwell = errors.New("something has to be mended")

func doctorCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "doctor", Short: "tram.doctor.short", Long: "tram.doctor.long", Args: cli.Args(0, 0)}
	fix := cmd.Flags().Bool("fix", false, "tram.doctor.fix")
	offline := cmd.Flags().Bool("offline", false, "tram.doctor.offline")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := examination(c)
		if err != nil {
			return err
		}
		o.Offline = *offline
		r := doctor.Run(cmd.Context(), o)
		fixed := []string{}
		if *fix {
			if fixed, err = mend(cmd.Context(), c, o, r); len(fixed) > 0 {
				r = doctor.Run(cmd.Context(), o)
			}
		}
		told := examined{Report: r, Fixed: fixed}
		for _, f := range r.Findings {
			told.Findings = append(told.Findings, examinedOne{f, f.Message(c.Lang), f.Remedy(c.Lang)})
		}
		if err := errors.Join(err, c.Print(told, func(w io.Writer) { printExamined(c, w, r) })); err != nil {
			return err
		}
		switch r.State {
		case doctor.Failure:
			return cli.Told(errUnwell)
		case doctor.Warning:
			return cli.ErrPartial
		}
		return nil
	}
	return cmd
}

// examination describes this box.
func examination(c *cli.Console) (doctor.Options, error) {
	setup, err := serviceOptions.Setup(c)
	if err != nil {
		return doctor.Options{}, err
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return doctor.Options{}, fmt.Errorf("find data folder: %w", err)
	}
	return agent.Examination(data, cli.Build().Version, setup), nil
}

// mend sets right what may be, asking for each; no answer is an answer, and ends the
// command only where nobody can be asked.
func mend(ctx context.Context, c *cli.Console, o doctor.Options, r doctor.Report) (fixed []string, err error) {
	for _, f := range r.Findings {
		if !f.Fixable {
			continue
		}
		what := i18n.Args{"what": strings.TrimSuffix(f.Message(c.Lang), ".")}
		if declined := c.Confirm(c.T("tram.doctor.ask", what)); cli.ExitCode(declined) != cli.ExitOK {
			if cli.IsDeclined(declined) {
				continue
			}
			return fixed, declined
		}
		recorded, failed := doctor.Fix(ctx, o, f)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		fixed = append(fixed, f.Code)
		c.Step(cli.Done, "tram.doctor.fixed", what)
		if !recorded {
			c.Step(cli.Warning, "tram.doctor.unrecorded")
		}
	}
	return fixed, err
}

var stateMarks = map[doctor.State]cli.Mark{doctor.Good: cli.Done, doctor.Warning: cli.Warning, doctor.Unseen: cli.Warning, doctor.Failure: cli.Failure}

// printExamined begins with one line that says it all.
func printExamined(c *cli.Console, w io.Writer, r doctor.Report) {
	count := 0
	for _, f := range r.Findings {
		if f.State == doctor.Failure || f.State != doctor.Good && r.State == doctor.Warning {
			count++
		}
	}
	fmt.Fprintln(w, c.T("tram.doctor.verdict."+string(r.State), i18n.Args{"count": count}), c.T("tram.doctor.took", i18n.Args{"took": r.Took}))
	for _, f := range r.Findings {
		about := c.T("doctor.check." + f.Check)
		if f.State == doctor.Unseen {
			fmt.Fprintf(w, "%c %s: %s\n", stateMarks[f.State], about, cli.OneLine(f.Message(c.Lang)))
		} else {
			fmt.Fprintf(w, "%c %s\n", stateMarks[f.State], cli.OneLine(f.Message(c.Lang)))
		}
		if remedy := f.Remedy(c.Lang); remedy != "" {
			fmt.Fprintf(w, "    %s\n", cli.OneLine(remedy))
		}
	}
}
