package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/leaflet"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// sourceDate is the variable by which builds are told the time of their sources, in
// seconds since 1970 (reproducible-builds.org). Without it the page has no date.
const sourceDate = "SOURCE_DATE_EPOCH"

// guide is what `tram-hub software guide` has written.
type guide struct {
	File string `json:"file"`
}

// softwareGuideCommand writes the page of paper that goes with a stick. It needs no
// hub.
func softwareGuideCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "guide FILE", Short: "hub.software.guide.short", Long: "hub.software.guide.long", Args: cli.Args(1, 1)}
	version := cmd.Flags().String("version", cli.Build().Version, "hub.software.guide.version")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r := leaflet.Release{Version: *version, Pages: "http://" + config.DefaultOffice().UI.Address}
		if seconds, err := strconv.ParseInt(os.Getenv(sourceDate), 10, 64); err == nil {
			r.Made = time.Unix(seconds, 0).UTC()
		}
		pdf, err := leaflet.PDF(c.Lang, r)
		if err != nil {
			return err
		}
		if err := fsx.WriteFile(args[0], pdf, 0o644); err != nil {
			return fmt.Errorf("write leaflet: %w", err)
		}
		return c.Print(guide{args[0]}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.software.guide.done", i18n.Args{"file": args[0]}))
		})
	}
	return cmd
}
