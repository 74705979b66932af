package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/hub"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// ssoCommand is about single sign-on to the console.
func ssoCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "sso", Short: "hub.sso.short", Long: "hub.sso.long"}
	check := &cobra.Command{Use: "check", Short: "hub.sso.check.short", Args: cli.Args(0, 0)}
	check.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.LoadHub(c.Data, nil)
		if err != nil {
			return err
		}
		steps, err := hub.CheckSignOn(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		var fault *problem.Problem
		for i, s := range steps {
			if s.Problem != nil {
				fault = s.Problem
				steps[i].Message, steps[i].Next = fault.Message(c.Lang), fault.Next(c.Lang)
			}
		}
		err = c.Print(steps, func(w io.Writer) {
			for _, s := range steps {
				mark := "✓"
				if !s.OK {
					mark = "✗"
				}
				fmt.Fprintln(w, mark, c.T("hub.sso.step."+s.Name))
			}
		})
		if err != nil || fault == nil {
			return err
		}
		return fault
	}
	group.AddCommand(check)
	return group
}
