package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
	"tram/storage"
)

// queueCommand changes the order of what waits.
func queueCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "queue", Short: "tram.queue.short"}
	group.AddCommand(withDocument(c, "first ID", "tram.queue.first.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.First(cmd.Context(), id)
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.queue.first.done", i18n.Args{"subject": cli.OneLine(d.Subject)}))
		})
	}))
	return group
}
