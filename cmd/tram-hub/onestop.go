package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/hub"
	"tram/agent/hub/catalogue"
	"tram/agent/hub/rollup"
	"tram/agent/i18n"
	"tram/agent/workdays"
	"tram/cmd/internal/cli"
)

// answerOf is ask with the answer as its result.
func answerOf[T any](ctx context.Context, c *cli.Console, method, path string, body any, do func(*hub.Hub) (T, error)) (answer T, err error) {
	err = ask(ctx, c, method, path, body, &answer, func(h *hub.Hub) (err error) {
		answer, err = do(h)
		return err
	})
	return answer, err
}

func proceduresCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "procedures", Short: "hub.procedures.short"}
	put := &cobra.Command{Use: "put FILE", Short: "hub.procedures.put.short", Long: "hub.procedures.put.long", Args: cli.Args(1, 1)}
	put.RunE = func(cmd *cobra.Command, args []string) error {
		data, err := readLimited(args[0], catalogue.MaxFile)
		if err != nil {
			return err
		}
		return printPut(c, func() (catalogue.Put, error) {
			return answerOf(cmd.Context(), c, http.MethodPost, hub.ProceduresPath, string(data), func(h *hub.Hub) (catalogue.Put, error) {
				return h.PutProcedures(cmd.Context(), data, "cli")
			})
		})
	}
	var words string
	list := &cobra.Command{Use: "list", Short: "hub.procedures.list.short", Args: cli.Args(0, 0)}
	list.Flags().StringVar(&words, "find", "", "hub.procedures.words")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		return printProcedures(c, func() (catalogue.Procedures, error) {
			return answerOf(cmd.Context(), c, http.MethodGet, hub.ProceduresPath+"?"+url.Values{"q": {words}}.Encode(), nil, func(h *hub.Hub) (catalogue.Procedures, error) {
				return h.Catalogue().Procedures(cmd.Context(), words)
			})
		})
	}
	show := &cobra.Command{Use: "show CODE", Short: "hub.procedures.show.short", Args: cli.Args(1, 1)}
	show.RunE = func(cmd *cobra.Command, args []string) error {
		return printProcedures(c, func() (catalogue.Procedures, error) {
			return answerOf(cmd.Context(), c, http.MethodGet, hub.ProceduresPath+"?"+url.Values{"code": {args[0]}}.Encode(), nil, func(h *hub.Hub) (catalogue.Procedures, error) {
				return h.Catalogue().Show(cmd.Context(), args[0])
			})
		})
	}
	group.AddCommand(put, list, show)
	return group
}

func calendarCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "calendar", Short: "hub.calendar.short"}
	put := &cobra.Command{Use: "put FILE", Short: "hub.calendar.put.short", Long: "hub.calendar.put.long", Args: cli.Args(1, 1)}
	put.RunE = func(cmd *cobra.Command, args []string) error {
		data, err := readLimited(args[0], workdays.MaxFile)
		if err != nil {
			return err
		}
		return printPut(c, func() (catalogue.Put, error) {
			return answerOf(cmd.Context(), c, http.MethodPost, hub.CalendarsPath, string(data), func(h *hub.Hub) (catalogue.Put, error) {
				return h.PutCalendar(cmd.Context(), data, "cli")
			})
		})
	}
	list := &cobra.Command{Use: "list", Short: "hub.calendar.list.short", Args: cli.Args(0, 0)}
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		all, err := answerOf(cmd.Context(), c, http.MethodGet, hub.CalendarsPath, nil, func(h *hub.Hub) (catalogue.Calendars, error) {
			return h.Catalogue().Calendars(cmd.Context())
		})
		if err != nil {
			return err
		}
		return c.Print(all, func(w io.Writer) {
			var rows [][]string
			for _, x := range all.Calendars {
				rows = append(rows, []string{x.Name, c.T("hub.scope." + string(x.Scope)), fmt.Sprintf("%d–%d", x.From, x.To), x.Origin, x.Source})
			}
			c.Table(w, []string{"hub.col.name", "hub.col.scope", "hub.col.years", "hub.col.origin", "hub.col.source"}, rows)
			printSpread(c, w, all.Spread)
		})
	}
	group.AddCommand(put, list)
	return group
}

func printPut(c *cli.Console, do func() (catalogue.Put, error)) error {
	put, err := do()
	if err != nil {
		return err
	}
	return c.Print(put, func(w io.Writer) {
		fmt.Fprintln(w, c.T("hub.catalogue.put", i18n.Args{"version": put.Version, "new": put.New, "changed": put.Changed, "same": put.Same}))
	})
}

func printProcedures(c *cli.Console, do func() (catalogue.Procedures, error)) error {
	all, err := do()
	if err != nil {
		return err
	}
	return c.Print(all, func(w io.Writer) {
		var rows [][]string
		for _, e := range all.Procedures {
			p := e.Procedure
			rows = append(rows, []string{p.Code.String(), fmt.Sprint(p.Version), p.Name, p.Field.Name, vnDay(p.From), vnDay(p.Until), e.Origin})
		}
		c.Table(w, []string{"hub.col.code", "hub.col.version", "hub.col.procedure", "hub.col.field", "hub.col.from", "hub.col.last-day", "hub.col.origin"}, rows)
		printSpread(c, w, all.Spread)
	})
}

func printSpread(c *cli.Console, w io.Writer, s catalogue.Spread) {
	fmt.Fprintln(w, c.T("hub.catalogue.spread", i18n.Args{"version": s.Version, "current": s.Current, "offices": s.Offices}))
}

// vnDay shows a day of a file, yyyy-mm-dd.
func vnDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return "–"
	}
	return t.Format(dayForm)
}

func dossiersCommand(c *cli.Console) *cobra.Command {
	var q rollup.Query
	cmd := &cobra.Command{Use: "dossiers", Short: "hub.dossiers.short", Long: "hub.dossiers.long", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&q.Month, "month", "", "hub.dossiers.month")
	cmd.Flags().StringVar(&q.Office, "office", "", "hub.dossiers.office")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := hub.DossiersPath + "?" + url.Values{"month": {q.Month}, "office": {q.Office}}.Encode()
		t, err := answerOf(cmd.Context(), c, http.MethodGet, path, nil, func(h *hub.Hub) (rollup.Table, error) { return h.Dossiers(cmd.Context(), q) })
		if err != nil {
			return err
		}
		return c.Print(t, func(w io.Writer) { printDossiers(c, w, t) })
	}
	return cmd
}

func printDossiers(c *cli.Console, w io.Writer, t rollup.Table) {
	if len(t.Offices) == 0 {
		fmt.Fprintln(w, c.T("hub.dossiers.none", i18n.Args{"month": t.Month}))
		return
	}
	row := func(l rollup.Line) []string {
		share := "–"
		if l.Share != nil {
			share = fmt.Sprintf("%.1f", *l.Share)
		}
		return []string{l.Code, l.Name, share, fmt.Sprint(l.Taken), fmt.Sprint(l.Early), fmt.Sprint(l.OnTime), fmt.Sprint(l.Late), fmt.Sprint(l.Open), fmt.Sprint(l.OpenLate)}
	}
	var rows [][]string
	for _, l := range append(t.Offices[:len(t.Offices):len(t.Offices)], t.Procedures...) {
		rows = append(rows, row(l))
	}
	if len(t.Offices) > 1 {
		sum := row(t.Sum)
		sum[1] = c.T("hub.dossiers.sum")
		rows = append(rows, sum)
	}
	c.Table(w, []string{"hub.col.code", "hub.col.name", "hub.col.share", "hub.col.taken", "hub.col.early", "hub.col.on-time", "hub.col.late", "hub.col.open", "hub.col.open-late"}, rows)
}
