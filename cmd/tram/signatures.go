package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/config"
	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/trust"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// patience is how long a person at the command line waits for a revocation list.
// Ctrl-C ends it sooner.
const patience = 15 * time.Minute

// checkCommand checks the signatures inside a file without a running service.
func checkCommand(c *cli.Console) *cobra.Command {
	var anchors, lists, content, report string
	var online bool
	cmd := &cobra.Command{Use: "check FILE", Short: "tram.check.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&anchors, "anchors", "", "tram.check.anchors")
	cmd.Flags().StringVar(&lists, "lists", "", "tram.check.lists")
	cmd.Flags().StringVar(&content, "content", "", "tram.check.content")
	cmd.Flags().StringVar(&report, "report", "", "tram.check.report")
	cmd.Flags().BoolVar(&online, "ocsp", false, "tram.check.ocsp")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		terms, err := checkTerms(c, anchors, lists, online)
		if err != nil {
			return err
		}
		if content != "" {
			f, size, err := openFile(content)
			if err != nil {
				return err
			}
			defer f.Close()
			terms.Content, terms.ContentSize = f, size
		}
		f, size, err := openFile(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := docsign.Check(cmd.Context(), filepath.Base(args[0]), f, size, terms)
		if err != nil {
			return unreadable(args[0], err)
		}
		return tellReport(c, args[0], report, r)
	}
	return cmd
}

// checkTerms are the settings of this office, or what the flags name instead.
func checkTerms(c *cli.Console, anchors, lists string, online bool) (docsign.Options, error) {
	o := trust.Options{Anchors: anchors, Lists: lists}
	for _, path := range []string{anchors, lists} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return docsign.Options{}, unreadable(path, err)
		}
	}
	if anchors == "" || lists == "" {
		settings, err := config.LoadOffice(c.Data, nil)
		if err != nil {
			return docsign.Options{}, err
		}
		own := agent.TrustOptions(c.Data, settings)
		o.Anchors, o.Lists = cmp.Or(anchors, own.Anchors), cmp.Or(lists, own.Lists)
		if lists == "" {
			o.Fetched = own.Fetched
		}
	}
	if online {
		o.Online, o.Patience, o.Fetched = func() bool { return true }, patience, ownFetched()
	}
	terms, _ := trust.New(o).Terms()
	return terms, nil
}

// ownFetched is where lists that a person fetches are kept: what lies in the data
// folder is the service's. Without a home none are fetched.
func ownFetched() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "tram", filepath.FromSlash(trust.FetchedDir))
}

func openFile(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, unreadable(path, err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // only read
		return nil, 0, unreadable(path, err)
	}
	return f, info.Size(), nil
}

// tellReport prints a report, and ends with an error unless every signature
// passed. A file without signatures is no error: it says so.
func tellReport(c *cli.Console, name, page string, r docsign.Report) error {
	if page != "" {
		var b bytes.Buffer
		b.WriteString("<!doctype html>\n<meta charset=\"utf-8\">\n<title>" + i18n.T(i18n.Vietnamese, "docsign.report.title") + "</title>\n<style>" + docsign.PageStyle + "</style>\n")
		if err := docsign.WritePage(&b, r); err != nil {
			return err
		}
		if err := fsx.WriteFile(page, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	var failed error
	err := c.Print(r, func(w io.Writer) { failed = docsign.WriteText(w, r, c.Lang) })
	if err != nil || failed != nil {
		return err
	}
	switch r.Verdict() {
	case docsign.VerdictPassed, docsign.VerdictAdditions, docsign.VerdictNone:
		return nil
	}
	return problem.New(problem.BadSeal, "tram.signature-not-passed", "FILE", i18n.Args{
		"file": name, "verdict": c.T("docsign.verdict." + string(r.Verdict())), "reason": r.Reason.Text(c.Lang),
	})
}
