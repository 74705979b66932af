package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"tram/agent/hub"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

func reportCommand(c *cli.Console) *cobra.Command {
	var month, file string
	cmd := &cobra.Command{Use: "report", Short: "hub.report.short", Long: "hub.report.long", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&month, "month", "", "hub.report.month")
	cmd.Flags().StringVar(&file, "pdf", "", "hub.report.pdf")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := hub.ReportPath + "?" + url.Values{"month": {month}}.Encode()
		r, err := answerOf(cmd.Context(), c, http.MethodGet, path, nil, func(h *hub.Hub) (hub.Report, error) { return h.Report(cmd.Context(), month) })
		if err != nil {
			return err
		}
		if file != "" {
			return writeReport(c, r, file)
		}
		return c.Print(r, func(w io.Writer) { printReport(c, w, r) })
	}
	return cmd
}

func writeReport(c *cli.Console, r hub.Report, file string) error {
	pdf, err := r.PDF(c.Lang)
	if err != nil {
		return err
	}
	if err := fsx.WriteFile(file, pdf, 0o644); err != nil {
		return err
	}
	c.Say("hub.report.written", i18n.Args{"file": file})
	return nil
}

func printReport(c *cli.Console, w io.Writer, r hub.Report) {
	fmt.Fprintln(w, c.T("hub.report.title", i18n.Args{"month": r.Month.Month}))
	for _, table := range r.Tables(c.Lang, r.Name) {
		fmt.Fprintf(w, "\n%s\n", c.T(table.Title))
		if len(table.Rows) == 0 {
			fmt.Fprintln(w, c.T("hub.report.none"))
			continue
		}
		c.Table(w, table.Columns, table.Rows)
	}
}
