package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/hub/software"
	"tram/agent/i18n"
	rel "tram/agent/release"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// softwareCommand is about new versions of the office's program.
func softwareCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "software", Short: "hub.software.short"}
	group.AddCommand(softwareAddCommand(c), softwareListCommand(c), softwareShowCommand(c), softwareOfficesCommand(c), softwareStageCommand(c), softwareExportCommand(c), softwareSignCommand(c), softwareGuideCommand(c))
	for _, do := range []string{"pause", "resume", "withdraw"} {
		cmd := &cobra.Command{Use: do + " VERSION", Short: "hub.software." + do + ".short", Args: cli.Args(1, 1)}
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return doSoftware(cmd.Context(), c, hub.SoftwareRequest{Do: do, Version: args[0]})
		}
		group.AddCommand(cmd)
	}
	return group
}

func softwareAddCommand(c *cli.Console) *cobra.Command {
	q := hub.SoftwareRequest{Do: "add"}
	var vi, en string
	cmd := &cobra.Command{Use: "add FILE…", Short: "hub.software.add.short", Long: "hub.software.add.long", Args: cli.Args(1, rel.MaxFiles)}
	cmd.Flags().StringVar(&q.Version, "version", "", "hub.software.version")
	cmd.Flags().StringVar(&q.After, "after", "", "hub.software.after")
	cmd.Flags().StringVar(&q.Channel, "channel", string(rel.Stable), "hub.software.channel")
	cmd.Flags().BoolVar(&q.RollBack, "roll-back", false, "hub.software.roll-back")
	cmd.Flags().StringVar(&vi, "notes-vi", "", "hub.software.notes-vi")
	cmd.Flags().StringVar(&en, "notes-en", "", "hub.software.notes-en")
	_ = cmd.MarkFlagRequired("version")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for file, to := range map[string]*string{vi: &q.NotesVI, en: &q.NotesEN} {
			if file == "" {
				continue
			}
			text, err := readLimited(file, rel.MaxNotes)
			if err != nil {
				return err
			}
			*to = string(text)
		}
		for _, file := range args {
			path, err := filepath.Abs(file)
			if err != nil {
				return fmt.Errorf("find %s: %w", file, err)
			}
			q.Files = append(q.Files, path)
		}
		return doSoftware(cmd.Context(), c, q)
	}
	return cmd
}

func softwareStageCommand(c *cli.Console) *cobra.Command {
	q := hub.SoftwareRequest{Do: "stage"}
	cmd := &cobra.Command{Use: "stage VERSION", Short: "hub.software.stage.short", Long: "hub.software.stage.long", Args: cli.Args(1, 1)}
	cmd.Flags().IntVar(&q.Stage.Ring, "ring", rel.RingNamed, "hub.software.ring")
	cmd.Flags().StringSliceVar(&q.Stage.Offices, "office", nil, "hub.software.office")
	cmd.Flags().IntVar(&q.Stage.Percent, "percent", 0, "hub.software.percent")
	cmd.Flags().IntVar(&q.Stage.Most, "limit", -1, "hub.software.limit")
	_ = cmd.MarkFlagRequired("ring")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q.Stage.Version = args[0]
		return doSoftware(cmd.Context(), c, q)
	}
	return cmd
}

func doSoftware(ctx context.Context, c *cli.Console, q hub.SoftwareRequest) error {
	r, err := answerOf(ctx, c, http.MethodPost, hub.SoftwarePath, q, func(h *hub.Hub) (software.Release, error) {
		return h.DoSoftware(ctx, q, "cli")
	})
	if err != nil {
		return err
	}
	return printRelease(c, r)
}

func softwareListCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "hub.software.list.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		all, err := answerOf(cmd.Context(), c, http.MethodGet, hub.SoftwarePath, nil, func(h *hub.Hub) (software.Overview, error) {
			return h.Software().List(cmd.Context())
		})
		if err != nil {
			return err
		}
		return c.Print(all, func(w io.Writer) {
			var rows [][]string
			for _, r := range all.Releases {
				failed := 0
				for _, n := range r.Rings {
					failed += n.Failed
				}
				rows = append(rows, []string{r.Version, c.T("hub.software.state." + string(r.Standing)), ringWord(c, r.Ring), ringWord(c, r.Aim), fmt.Sprintf("%d %%", r.Done), fmt.Sprint(failed), r.Origin})
			}
			c.Table(w, []string{"hub.col.version", "hub.col.state", "hub.col.ring-open", "hub.col.aim", "hub.col.done", "hub.col.taken-back", "hub.col.origin"}, rows)
			fmt.Fprintln(w, c.T("hub.software.offices", i18n.Args{"count": all.Offices, "back": all.RolledBy}))
		})
	}
	return cmd
}

func ringWord(c *cli.Console, ring int) string {
	if ring < 0 {
		return "–"
	}
	return fmt.Sprintf("%d (%s)", ring, c.T(fmt.Sprintf("hub.software.ring.%d", ring)))
}

func softwareShowCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "show VERSION", Short: "hub.software.show.short", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := answerOf(cmd.Context(), c, http.MethodGet, hub.SoftwarePath+"?"+url.Values{"version": {args[0]}}.Encode(), nil, func(h *hub.Hub) (software.Release, error) {
			return h.Software().Show(cmd.Context(), args[0])
		})
		if err != nil {
			return err
		}
		return printRelease(c, r)
	}
	return cmd
}

func printRelease(c *cli.Console, r software.Release) error {
	return c.Print(r, func(w io.Writer) {
		notes := r.NotesVI
		if c.Lang == i18n.English {
			notes = r.NotesEN
		}
		fmt.Fprintln(w, c.T("hub.software.release", i18n.Args{"version": r.Version, "serial": r.Serial, "state": c.T("hub.software.state." + string(r.Standing)), "done": r.Done}))
		if notes != "" {
			fmt.Fprintln(w, strings.TrimSpace(notes))
		}
		for _, p := range r.Programs {
			fmt.Fprintf(w, "  %s/%s  %s → %s\n", p.OS, p.Arch, cli.Bytes(p.Size), cli.Bytes(p.Sent))
		}
		var rows [][]string
		for _, n := range r.Rings {
			open := "–"
			if n.Ring <= r.Ring {
				open = "✓"
			}
			rows = append(rows, []string{ringWord(c, n.Ring), open, fmt.Sprint(n.Offices), fmt.Sprint(n.Done), fmt.Sprint(n.Failed), fmt.Sprint(n.Silent)})
		}
		c.Table(w, []string{"hub.col.ring", "hub.col.ring-open", "hub.col.offices", "hub.col.done", "hub.col.taken-back", "hub.col.silent"}, rows)
	})
}

func softwareOfficesCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "offices", Short: "hub.software.offices.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := answerOf(cmd.Context(), c, http.MethodGet, hub.SoftwarePath+"?offices", nil, func(h *hub.Hub) ([]software.Office, error) {
			return h.Software().Offices(cmd.Context())
		})
		if err != nil {
			return err
		}
		return c.Print(list, func(w io.Writer) {
			var rows [][]string
			for _, o := range list {
				why := ""
				if o.Failed != nil {
					why = o.Failed.Version + ": " + c.T("update.reason."+o.Failed.Reason)
				}
				rows = append(rows, []string{o.Code, o.Version, o.OS + "/" + o.Arch, o.Heard.Local().Format("15:04 02/01/2006"), why})
			}
			c.Table(w, []string{"hub.col.code", "hub.col.version", "hub.col.platform", "hub.col.heard", "hub.col.taken-back"}, rows)
		})
	}
	return cmd
}

// softwareExportCommand writes the file that offices take with `tram update from`.
func softwareExportCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "export VERSION FILE", Short: "hub.software.export.short", Args: cli.Args(2, 2)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := filepath.Abs(args[1])
		if err != nil {
			return fmt.Errorf("find %s: %w", args[1], err)
		}
		size, err := writeRelease(path, func(w io.Writer) error { return exportSoftware(cmd.Context(), c, args[0], w) })
		if err != nil {
			return err
		}
		return c.Print(exported{args[0], path, size}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.software.exported", i18n.Args{"version": args[0], "file": path, "size": cli.Bytes(size)}))
		})
	}
	return cmd
}

// exported is what `tram-hub software export` has written.
type exported struct {
	Version string `json:"version"`
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
}

// exportSoftware has the hub, running or not, give the file of a release.
func exportSoftware(ctx context.Context, c *cli.Console, version string, w io.Writer) error {
	caller := api.NewCaller(c.Data, hub.SocketName)
	defer caller.Close()
	answer, err := caller.Do(ctx, http.MethodGet, hub.SoftwareFilePath+"?"+url.Values{"version": {version}}.Encode(), nil, "")
	if stopped(err) {
		return withHub(ctx, c, func(h *hub.Hub) error { return h.WriteSoftware(ctx, version, w) })
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("read release: %w", err)
	}
	return nil
}

// writeRelease writes a file durably or not at all.
func writeRelease(path string, write func(io.Writer) error) (size int64, err error) {
	t, err := fsx.CreateOn(fsx.OS, filepath.Dir(path), 0o644)
	if err != nil {
		return 0, err
	}
	if err := write(t); err != nil {
		return 0, errors.Join(err, t.Abort())
	}
	if err := t.Commit(path); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
