package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/doctor"
	"tram/agent/problem"
	"tram/agent/support"
	"tram/cmd/internal/cli"
	"tram/storage/sqlite"
)

// bundled is the stable JSON of "bundle".
type bundled struct {
	File  string       `json:"file"` // "" with --list
	Files []bundledOne `json:"files"`
}

type bundledOne struct {
	Name  string `json:"name"`
	Size  int    `json:"size"`
	About string `json:"about"`
}

// bundleCommand makes the support archive, of a service that does not run too.
func bundleCommand(c *cli.Console) *cobra.Command {
	var out string
	var dry, list bool
	cmd := &cobra.Command{Use: "bundle", Short: "tram.bundle.short", Long: "tram.bundle.long", Args: cli.Args(0, 0)}
	f := cmd.Flags()
	f.StringVarP(&out, "out", "o", "", "tram.bundle.out")
	f.BoolVar(&dry, "dry-run", false, "tram.bundle.list")
	f.BoolVar(&list, "list", false, "tram.bundle.list")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		files, err := supportFiles(cmd.Context(), c)
		if err != nil {
			return err
		}
		done := bundled{Files: []bundledOne{}}
		for _, f := range files {
			done.Files = append(done.Files, bundledOne{f.Name, len(f.Data), f.About(c.Lang)})
		}
		if !c.JSON {
			var rows [][]string
			for _, f := range done.Files {
				rows = append(rows, []string{f.Name, cli.Bytes(int64(f.Size)), f.About})
			}
			c.Table(c.Out, []string{"tram.bundle.file", "tram.bundle.size", "tram.bundle.about"}, rows)
		}
		if !dry && !list {
			now := time.Now()
			if done.File = out; out == "" {
				done.File = support.Name(now)
			}
			var archive bytes.Buffer
			if err := support.Write(&archive, files, now); err != nil {
				return err
			}
			if err := save(c, done.File, io.NopCloser(&archive), int64(archive.Len())); err != nil {
				return err
			}
		}
		return c.Print(done, func(w io.Writer) {
			if done.File != "" {
				fmt.Fprintln(w, c.T("tram.bundle.done", map[string]any{"file": done.File}))
			}
		})
	}
	return cmd
}

// supportFiles asks the service, or tells what there is to tell without it.
func supportFiles(ctx context.Context, c *cli.Console) ([]support.File, error) {
	caller := api.NewCaller(c.Data, api.SocketName)
	defer caller.Close()
	files, err := support.Fetch(ctx, caller)
	if err == nil || problem.From(err).Class != problem.NotRunning {
		return files, err
	}
	s := support.Sources{Dir: c.Data, Version: cli.Build().Version, Down: err, Now: time.Now}
	if cfg, err := config.LoadOffice(c.Data, nil); err == nil {
		s.Settings = cfg.Values()
	}
	s.Doctor = func(ctx context.Context) doctor.Report {
		o, err := examination(c)
		if err != nil {
			return doctor.Report{State: doctor.Unseen}
		}
		o.Offline = true
		return doctor.Run(ctx, o)
	}
	if _, err := os.Stat(filepath.Join(c.Data, agent.DatabaseFile)); err == nil {
		if s.DB, err = agent.OpenDB(ctx, c.Data, sqlite.Options{ReadOnly: true}); err == nil {
			defer s.DB.Close()
		} else {
			s.DB, s.Down = nil, errors.Join(s.Down, err)
		}
	}
	return support.Collect(ctx, s), nil
}
