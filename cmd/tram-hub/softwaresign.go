package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/spf13/cobra"

	"tram/agent/hub"
	"tram/agent/i18n"
	"tram/agent/problem"
	rel "tram/agent/release"
	"tram/agent/update"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// signed is what `tram-hub software sign` has written.
type signed struct {
	Version string `json:"version"`
	Serial  uint64 `json:"serial"`
	File    string `json:"file"`
	Files   int    `json:"files"` // of the list
}

// softwareSignCommand signs the checksums of a folder that goes out on sticks, after
// it has read what they are of.
func softwareSignCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "sign DIR", Short: "hub.software.sign.short", Long: "hub.software.sign.long", Args: cli.Args(1, 1)}
	version := cmd.Flags().String("version", "", "hub.software.version")
	_ = cmd.MarkFlagRequired("version")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := args[0]
		list, err := readLimited(filepath.Join(dir, rel.SumsName), rel.MaxSums)
		if err != nil {
			return err
		}
		sums, err := rel.ParseSums(list)
		if err != nil {
			return problem.New(problem.Usage, "software.sums", "DIR", i18n.Args{"why": err.Error()}).Because(err)
		}
		if _, err := update.CheckSums(cmd.Context(), dir, sums); err != nil {
			return err
		}
		q := hub.SumsRequest{Version: *version, List: list}
		s, err := answerOf(cmd.Context(), c, http.MethodPost, hub.SoftwareSumsPath, q, func(h *hub.Hub) (hub.SignedSums, error) {
			return h.SignSums(cmd.Context(), q, "cli")
		})
		if err != nil {
			return err
		}
		path := filepath.Join(dir, rel.ProofName)
		if err := fsx.WriteFile(path, s.Proof, 0o644); err != nil {
			return errors.Join(err, fmt.Errorf("write %s", path))
		}
		return c.Print(signed{s.Version, s.Serial, path, len(sums)}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.software.signed", i18n.Args{"version": s.Version, "count": len(sums), "file": path}))
		})
	}
	return cmd
}
