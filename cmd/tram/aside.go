package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// connectorRefusedCommand lists messages from outside of Trạm that were refused.
func connectorRefusedCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "refused", Short: "tram.connector.refused.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withConnectors(c, func(client connector.Client) error {
				list, err := client.SetAside(cmd.Context())
				if err != nil {
					return err
				}
				return c.Print(list, func(w io.Writer) {
					if len(list) == 0 {
						fmt.Fprintln(w, c.T("tram.connector.refused.none"))
					}
					for _, a := range list {
						fmt.Fprintf(w, "%6d  %s  %-16s %-20s %s\n", a.ID, a.At.Local().Format(time.DateTime), a.Via, a.Sender, a.Why.Text(c.Lang))
					}
				})
			})
		},
	}
}

// connectorMessageCommand is a command about one of them.
func connectorMessageCommand(c *cli.Console, use, short string, do func(cmd *cobra.Command, client connector.Client, id int64) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id <= 0 {
				return problem.New(problem.Usage, "api.bad-number", "id", i18n.Args{"value": args[0]})
			}
			return withConnectors(c, func(client connector.Client) error { return do(cmd, client, id) })
		},
	}
}

func connectorSaveCommand(c *cli.Console) *cobra.Command {
	var out string
	cmd := connectorMessageCommand(c, "save ID", "tram.connector.save.short", func(cmd *cobra.Command, client connector.Client, id int64) error {
		body, err := client.OpenAside(cmd.Context(), id)
		if err != nil {
			return err
		}
		if err := save(c, out, body, 0); err != nil {
			return err
		}
		return c.Print(map[string]string{"file": out}, func(w io.Writer) { fmt.Fprintln(w, out) })
	})
	outFlag(cmd, &out, "tram.export.out")
	return cmd
}

func connectorTakeCommand(c *cli.Console) *cobra.Command {
	return connectorMessageCommand(c, "take ID", "tram.connector.take.short", func(cmd *cobra.Command, client connector.Client, id int64) error {
		s, err := client.TakeAgain(cmd.Context(), id)
		if err != nil {
			return err
		}
		return printSettled(c, s)
	})
}

func connectorDiscardCommand(c *cli.Console) *cobra.Command {
	return connectorMessageCommand(c, "discard ID", "tram.connector.discard.short", func(cmd *cobra.Command, client connector.Client, id int64) error {
		s, err := client.Discard(cmd.Context(), id)
		if err != nil {
			return err
		}
		return printSettled(c, s)
	})
}

func printSettled(c *cli.Console, s connector.Settled) error {
	return c.Print(s, func(w io.Writer) {
		switch {
		case s.Why != nil:
			fmt.Fprintln(w, c.T("tram.connector.take.refused", i18n.Args{"why": s.Why}))
		case s.Document != "":
			fmt.Fprintln(w, c.T("tram.connector.take.done", i18n.Args{"document": s.Document}))
		default:
			fmt.Fprintln(w, c.T("tram.connector.discard.done", i18n.Args{"id": s.ID}))
		}
	})
}
