package main

import (
	"io"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/handling"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

// workCommand shows what waits in a running office, or for one person.
func workCommand(c *cli.Console) *cobra.Command {
	var of string
	cmd := &cobra.Command{Use: "work", Short: "tram.work.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&of, "of", "", "tram.work.of")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := handling.Client{Client: api.NewClient(c.Data)}
		defer client.Close()
		t, err := client.Todo(cmd.Context(), of)
		if err != nil {
			return err
		}
		return c.Print(t, func(w io.Writer) { printWork(c, w, t) })
	}
	return cmd
}

func printWork(c *cli.Console, w io.Writer, t handling.Todo) {
	var rows [][]string
	for _, group := range []struct {
		name string
		list []handling.Item
	}{{"urgent", t.Pressing}, {"overdue", t.Overdue}, {"soon", t.Soon}, {"opinion", t.Opinion}, {"unhanded", t.Unhanded}, {"mine", t.Mine}, {"inform", t.Inform}} {
		for _, i := range group.list {
			due := ""
			if i.Due != handling.NoDue {
				due = c.T("web.due."+string(i.Due), i18n.Args{"n": max(i.Days, -i.Days), "date": i.Deadline})
			}
			rows = append(rows, []string{i.ID.String(), c.T("web.work." + group.name), due, i.Symbol, i.Who, i.Subject})
		}
	}
	if len(rows) == 0 {
		c.Say("tram.work.none")
		return
	}
	c.Table(w, workColumns, rows)
}

var workColumns = []string{"tram.col.id", "tram.col.work", "tram.col.due", "tram.col.number", "tram.col.who", "tram.col.subject"}
