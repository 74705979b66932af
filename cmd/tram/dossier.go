package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

// maxDossierFile bounds a catalogue or calendar file, in bytes.
const maxDossierFile = 16 << 20

// dossierCommand looks at the one-stop dossiers of a running office, and loads
// catalogues and calendars.
func dossierCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "dossier", Short: "tram.dossier.short"}
	cmd.AddCommand(dossierListCommand(c), dossierShowCommand(c), dossierEraseCommand(c), dossierLookUpCommand(c), dossierStatsCommand(c), dossierCatalogueCommand(c), dossierCalendarCommand(c))
	return cmd
}

func dossiers(c *cli.Console) dossier.Client { return dossier.Client{Client: api.NewClient(c.Data)} }

func dossierListCommand(c *cli.Console) *cobra.Command {
	var tab, after string
	var limit int
	cmd := &cobra.Command{Use: "list [WORDS]", Short: "tram.dossier.list.short", Args: cli.Args(0, 1)}
	cmd.Flags().StringVar(&tab, "tab", "", "tram.dossier.list.tab")
	cmd.Flags().StringVar(&after, "after", "", "tram.dossier.list.after")
	cmd.Flags().IntVar(&limit, "limit", dossier.PageSize, "tram.dossier.list.limit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := dossiers(c)
		defer client.Close()
		words := ""
		if len(args) > 0 {
			words = args[0]
		}
		p, err := client.Dossiers(cmd.Context(), dossier.Tab(tab), words, after, limit)
		if err != nil {
			return err
		}
		return c.Print(p, func(w io.Writer) { printDossiers(c, w, p) })
	}
	return cmd
}

func printDossiers(c *cli.Console, w io.Writer, p dossier.Page) {
	var rows [][]string
	for _, r := range p.Rows {
		due := ""
		if !r.Due.IsZero() {
			due = r.Due.In(clock.Vietnam).Format("2006-01-02 15:04")
		}
		rows = append(rows, []string{r.Code.String(), r.Status.Text(c.Lang), due, r.Outcome.Text(c.Lang), r.Applicant, r.Procedure})
	}
	if len(rows) == 0 {
		c.Say("web.dossier.empty")
		return
	}
	c.Table(w, dossierColumns, rows)
	if p.Next != "" {
		c.Say("tram.dossier.more", i18n.Args{"after": p.Next})
	}
}

var dossierColumns = []string{"web.dossier.code", "register.column.dossier-state", "web.dossier.fact.due", "web.dossier.outcome", "web.dossier.applicant", "web.dossier.procedure"}

func dossierShowCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "show CODE", Short: "tram.dossier.show.short", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := dossiers(c)
		defer client.Close()
		d, err := client.Dossier(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s  %s\n%s\n", d.Code, d.Status.Text(c.Lang), d.Procedure.Name, dossier.Mask(d.Applicant.Name))
			for _, e := range d.Events {
				fmt.Fprintf(w, "%s  %s  %s  %s\n", e.At.In(clock.Vietnam).Format("2006-01-02 15:04"), c.T("dossier.kind."+string(e.Kind)), e.By, e.Text)
			}
		})
	}
	return cmd
}

// dossierEraseCommand gives up the personal data of an ended dossier.
func dossierEraseCommand(c *cli.Console) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "erase CODE", Short: "tram.dossier.erase.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&reason, "reason", "", "tram.dossier.erase.reason")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		which, err := code.ParseDossier(args[0])
		if err != nil {
			return err
		}
		if err := c.Confirm(c.T("tram.dossier.erase.ask", i18n.Args{"code": which.String()})); err != nil {
			return err
		}
		client := dossiers(c)
		defer client.Close()
		d, err := client.Act(cmd.Context(), dossier.Act{Code: which, Kind: dossier.Erased, Text: reason, By: "tram"})
		if err != nil {
			return err
		}
		if err := c.Print(d, func(io.Writer) { c.Say("tram.dossier.erase.done", i18n.Args{"code": d.Code.String()}) }); err != nil {
			return err
		}
		c.Say("tram.dossier.erase.outside")
		return nil
	}
	return cmd
}

func dossierLookUpCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "lookup CODE WORD", Short: "tram.dossier.lookup.short", Args: cli.Args(2, 2)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := dossiers(c)
		defer client.Close()
		p, err := client.LookUp(cmd.Context(), args[0], args[1])
		if err != nil {
			return err
		}
		return c.Print(p, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s  %s\n", p.Code, p.Status.Text(c.Lang), p.Procedure)
			if !p.Due.IsZero() {
				fmt.Fprintf(w, "%s: %s\n", c.T("web.dossier.fact.due"), p.Due.In(clock.Vietnam).Format("2006-01-02 15:04"))
			}
		})
	}
	return cmd
}

func dossierStatsCommand(c *cli.Console) *cobra.Command {
	var month string
	cmd := &cobra.Command{Use: "stats", Short: "tram.dossier.stats.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&month, "month", "", "tram.dossier.stats.month")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := dossiers(c)
		defer client.Close()
		m, err := client.Stats(cmd.Context(), month)
		if err != nil {
			return err
		}
		return c.Print(m, func(w io.Writer) {
			var rows [][]string
			m.Sum.Name = c.T("web.dossier.stats-sum")
			for _, f := range append(m.Procedures, m.Sum) {
				rows = append(rows, []string{f.Procedure, fmt.Sprint(f.Taken), fmt.Sprint(f.Early), fmt.Sprint(f.OnTime), fmt.Sprint(f.Late), fmt.Sprint(f.Open), fmt.Sprint(f.OpenLate), f.Name})
			}
			c.Table(w, statsColumns, rows)
		})
	}
	return cmd
}

var statsColumns = []string{"register.column.stats-code", "register.column.stats-taken", "register.column.stats-early", "register.column.stats-on-time", "register.column.stats-late",
	"register.column.stats-open", "register.column.stats-open-late", "register.column.dossier-procedure"}

func dossierCatalogueCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "catalogue FILE", Short: "tram.dossier.catalogue.short", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := loadDossierFile(c, cmd.Context(), args[0], dossier.Client.TakeCatalogue)
		if err != nil {
			return err
		}
		return c.Print(t, func(io.Writer) {
			c.Say("tram.dossier.catalogue.done", i18n.Args{"n": t.Procedures, "added": t.Added, "origin": t.Origin, "version": t.Version})
		})
	}
	return cmd
}

func dossierCalendarCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "calendar FILE", Short: "tram.dossier.calendar.short", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := loadDossierFile(c, cmd.Context(), args[0], dossier.Client.TakeCalendar)
		if err != nil {
			return err
		}
		return c.Print(f, func(io.Writer) {
			c.Say("tram.dossier.calendar.done", i18n.Args{"name": f.Name, "from": f.ValidFrom, "to": f.ValidTo, "days": len(f.Days)})
		})
	}
	return cmd
}

// loadDossierFile gives a file to the running office.
func loadDossierFile[T any](c *cli.Console, ctx context.Context, name string, take func(dossier.Client, context.Context, []byte) (T, error)) (t T, err error) {
	data, err := readDossierFile(name)
	if err != nil {
		return t, err
	}
	client := dossiers(c)
	defer client.Close()
	return take(client, ctx, data)
}

// readDossierFile reads a file that is loaded.
func readDossierFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDossierFile))
	if err != nil {
		return nil, unreadable(name, err)
	}
	return data, nil
}
