package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

// untoldShown is how many offices that do not know yet are named on a terminal;
// --json has them all.
const untoldShown = 10

// rotateCommand changes the key of the hub's CA.
func rotateCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "rotate [STEP]", Short: "hub.ca.rotate.short", Long: "hub.ca.rotate.long", Args: cli.Args(0, 1)}
	force := cmd.Flags().Bool("force", false, "hub.ca.rotate.force")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) == 0 {
			r, err := rotation(cmd, c)
			if err != nil {
				return err
			}
			return c.Print(r, func(w io.Writer) { printRotation(c, w, r) })
		}
		step := ca.Step(args[0])
		if _, known := ca.Steps[step]; !known {
			return problem.New(problem.Usage, "ca.step", "STEP", i18n.Args{"value": step})
		}
		if question := "hub.ca.rotate.ask." + args[0]; i18n.Has(question) {
			if err := c.Confirm(c.T(question)); err != nil {
				return err
			}
		}
		r, err := hub.Rotate(cmd.Context(), c.Data, step, *force, "cli")
		if err != nil {
			return err
		}
		if err := service.Adopt(c.Data); err != nil {
			return err
		}
		return c.Print(r, func(w io.Writer) {
			printRotation(c, w, r)
			c.Say("hub.ca.rotate.after")
		})
	}
	return cmd
}

// rotation reads the hub's folder beside a running hub.
func rotation(cmd *cobra.Command, c *cli.Console) (r hub.Rotation, err error) {
	db, err := readStore(cmd.Context(), c)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return hub.RotationOf(cmd.Context(), c.Data, db)
}

func printRotation(c *cli.Console, w io.Writer, r hub.Rotation) {
	line := func(key, value string) { fmt.Fprintf(w, "%-22s %s\n", c.T(key)+":", value) }
	fmt.Fprintln(w, c.T("hub.ca.rotate.phase."+string(r.Phase)))
	if r.Since != nil {
		line("hub.ca.rotate.since", r.Since.Local().Format(dayForm))
	}
	line("hub.ca.rotate.ca", r.CA)
	if r.Next != "" {
		line("hub.ca.rotate.next", r.Next)
	}
	if r.Since != nil {
		line("hub.ca.rotate.offices", fmt.Sprintf("%d/%d", r.Offices-len(r.Untold), r.Offices))
	}
	if n := len(r.Untold); n > 0 {
		names := strings.Join(r.Untold[:min(n, untoldShown)], " ")
		if n > untoldShown {
			names += " …"
		}
		line("hub.ca.rotate.untold", names)
	}
	fmt.Fprintln(w, c.T("hub.ca.rotate.next."+string(r.Phase)))
}
