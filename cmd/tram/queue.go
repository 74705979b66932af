package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
	"tram/storage"
)

// queueCommand shows what waits and what is coming in, and changes its order.
func queueCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "queue", Short: "tram.queue.short"}
	group.AddCommand(queueListCommand(c), withDocument(c, "first ID", "tram.queue.first.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.First(cmd.Context(), id)
		if problem.From(err).Class == problem.NotFound {
			return bring(cmd.Context(), c, client, id)
		}
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.queue.first.done", i18n.Args{"subject": cli.OneLine(d.Subject)}))
		})
	}))
	return group
}

// bring asks for something that is not here yet.
func bring(ctx context.Context, c *cli.Console, client *api.Client, id storage.ID) error {
	if err := client.Bring(ctx, id); err != nil {
		return err
	}
	return c.Print(map[string]storage.ID{"id": id}, func(w io.Writer) {
		fmt.Fprintln(w, c.T("tram.queue.brought", i18n.Args{"id": id}))
	})
}

// queued is the answer of tram queue list.
type queued struct {
	Waiting  []office.Document `json:"waiting"`
	Arriving []api.Arriving    `json:"arriving"`
}

func queueListCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "tram.queue.list.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := api.NewClient(c.Data)
		defer client.Close()
		q, err := lookAtQueue(cmd.Context(), client)
		if err != nil {
			return err
		}
		return c.Print(q, func(w io.Writer) { printQueue(c, w, q) })
	}
	return cmd
}

// lookAtQueue lists what waits, most urgent and oldest first, and what arrives.
func lookAtQueue(ctx context.Context, client *api.Client) (queued, error) {
	page, err := client.Documents(ctx, office.Query{
		Box: office.Out, States: []office.State{office.Sending, office.Saved}, Limit: office.MaxPage,
	})
	if err != nil {
		return queued{}, err
	}
	q := queued{Waiting: page.Documents}
	slices.SortStableFunc(q.Waiting, func(a, b office.Document) int {
		return cmp.Or(-cmp.Compare(a.Urgency, b.Urgency), a.Created.Compare(b.Created))
	})
	q.Arriving, err = client.Arriving(ctx)
	return q, err
}

func printQueue(c *cli.Console, w io.Writer, q queued) {
	var rows [][]string
	for _, d := range q.Waiting {
		rows = append(rows, []string{
			c.T("tram.queue.out"), d.ID.String(), partner(d), c.T(fmt.Sprintf("urgency.%d", d.Urgency)),
			cli.Bytes(d.Size), c.T("tram.state." + string(d.State)), d.Subject,
		})
	}
	for _, a := range q.Arriving {
		state := fmt.Sprintf("%d %%", 100*a.Here/max(a.Size, 1))
		if a.Held {
			state = c.T("tram.queue.held")
		}
		rows = append(rows, []string{
			c.T("tram.queue.in"), a.ID.String(), a.From, c.T(fmt.Sprintf("urgency.%d", a.Urgency)), cli.Bytes(a.Size), state, "",
		})
	}
	c.Table(w, []string{"tram.col.way", "tram.col.id", "tram.col.partner", "tram.col.urgency", "tram.col.size", "tram.col.state", "tram.col.subject"}, rows)
}
