package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/search/extract"
	"tram/cmd/internal/cli"
)

// searchCommand finds documents in a running office.
func searchCommand(c *cli.Console) *cobra.Command {
	var q search.Query
	var box, order string
	var urgencies []int
	var states []string
	cmd := &cobra.Command{Use: "search [WORDS…]", Short: "tram.search.short", Args: cli.Args(0, 100)}
	f := cmd.Flags()
	f.StringVar(&box, "box", "", "tram.search.box")
	f.IntSliceVar(&q.Years, "year", nil, "tram.search.year")
	f.StringSliceVar(&q.Types, "type", nil, "tram.search.type")
	f.IntSliceVar(&urgencies, "urgency", nil, "tram.search.urgency")
	f.StringSliceVar(&states, "state", nil, "tram.search.state")
	f.StringSliceVar(&q.Senders, "sender", nil, "tram.search.sender")
	f.StringVar(&q.From, "from", "", "tram.search.from")
	f.StringVar(&q.To, "to", "", "tram.search.to")
	f.BoolVar(&q.HasText, "has-text", false, "tram.search.text")
	f.StringVar(&order, "order", string(search.ByRank), "tram.search.order")
	f.IntVar(&q.Limit, "limit", search.DefaultLimit, "tram.search.limit")
	f.StringVar(&q.After, "after", "", "tram.search.after")
	f.BoolVar(&q.Facets, "facets", false, "tram.search.facets")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q.Text, q.Box, q.Order = strings.Join(args, " "), office.Box(box), search.Order(order)
		for _, u := range urgencies {
			q.Urgencies = append(q.Urgencies, office.Urgency(min(max(0, u), 255)))
		}
		for _, s := range states {
			q.States = append(q.States, office.State(s))
		}
		client := search.Client{Client: api.NewClient(c.Data)}
		defer client.Close()
		r, err := client.Search(cmd.Context(), q)
		if err != nil {
			return err
		}
		return c.Print(r, func(w io.Writer) { printFound(c, w, q, r) })
	}
	return cmd
}

func printFound(c *cli.Console, w io.Writer, q search.Query, r search.Result) {
	if r.Index.Waiting > 0 {
		c.Say("tram.search.indexing-documents", i18n.Args{"waiting": r.Index.Waiting})
	}
	if r.Index.Files > 0 {
		c.Say("tram.search.indexing-files", i18n.Args{"files": r.Index.Files})
	}
	if len(r.Hits) == 0 && q.After == "" {
		c.Say("tram.search.none", i18n.Args{"text": q.Text})
	}
	var rows [][]string
	for _, h := range r.Hits {
		subject := fieldOf(h, search.FieldSubject)
		if h.InFiles {
			subject += " (" + c.T("tram.search.in-files") + ")"
		}
		rows = append(rows, []string{
			h.ID.String(), h.Date, fieldOf(h, search.FieldCode), fieldOf(h, search.FieldSender), c.T("tram.state." + string(h.State)), subject,
		})
	}
	if len(rows) > 0 {
		c.Table(w, []string{"tram.col.id", "tram.col.date", "tram.col.number", "tram.col.partner", "tram.col.state", "tram.col.subject"}, rows)
	}
	if r.Facets != nil {
		printFacets(c, w, *r.Facets)
	}
	if r.Next != "" {
		c.Say("tram.search.more", i18n.Args{"next": r.Next})
	}
}

func fieldOf(h search.Hit, field search.Field) string {
	for _, f := range h.Fields {
		if f.Field == field {
			return f.Text
		}
	}
	return ""
}

func printFacets(c *cli.Console, w io.Writer, f search.Facets) {
	key := "tram.search.total"
	if f.More {
		key = "tram.search.total-more"
	}
	fmt.Fprintln(w, c.T(key, i18n.Args{"total": f.Total}))
	for _, facet := range []struct {
		name string
		list []search.Count
	}{{"box", f.Box}, {"year", f.Year}, {"type", f.Type}, {"urgency", f.Urgency}, {"state", f.State}, {"sender", f.Sender}} {
		var parts []string
		for _, n := range facet.list {
			parts = append(parts, fmt.Sprintf("%s %d", n.Value, n.Count))
		}
		fmt.Fprintf(w, "%-12s %s\n", c.T("tram.search.facet."+facet.name), strings.Join(parts, ", "))
	}
}

// extractCommand is what the running service calls to read a file: a process of
// its own, which a file cannot take the service down with.
func extractCommand() *cobra.Command {
	return &cobra.Command{
		Use: extract.Command + " KIND LIMIT TEXT", Short: "tram.extract-text.short", Args: cli.Args(3, 3), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return extract.Serve(args[0], args[1], args[2], os.Stdin, cmd.OutOrStdout())
		},
	}
}
