package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/command"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

// commandsCommand tells what the hub has ordered, and lets somebody at the box decide.
func commandsCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "commands", Short: "tram.commands.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := api.NewClient(c.Data)
		defer client.Close()
		var list []command.Row
		if err := client.Call(cmd.Context(), http.MethodGet, command.Path, nil, &list); err != nil {
			return err
		}
		return c.Print(list, func(w io.Writer) {
			var rows [][]string
			for _, r := range list {
				rows = append(rows, []string{r.ID.String(), string(r.Command), r.By, r.Received.Local().Format("02/01/2006 15:04"), orderState(c, r)})
			}
			c.Table(w, []string{"command.col.id", "command.col.command", "command.col.by", "command.col.created", "command.col.state"}, rows)
		})
	}
	cmd.AddCommand(decideCommand(c, "allow", true), decideCommand(c, "refuse", false))
	return cmd
}

func orderState(c *cli.Console, r command.Row) string {
	state := c.T("command.state." + string(r.State))
	if r.State == command.Refused {
		state = c.T("command.because", i18n.Args{"state": state, "why": c.T("command.why." + r.Why)})
	}
	return state
}

func decideCommand(c *cli.Console, word string, allow bool) *cobra.Command {
	return &cobra.Command{
		Use: word + " ID", Short: "tram.commands." + word + ".short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := api.NewClient(c.Data)
			defer client.Close()
			var r command.Row
			if err := client.Call(cmd.Context(), http.MethodPost, command.Path, command.Decision{ID: args[0], Allow: allow}, &r); err != nil {
				return err
			}
			return c.Print(r, func(w io.Writer) { fmt.Fprintln(w, r.ID, r.Command) })
		},
	}
}
