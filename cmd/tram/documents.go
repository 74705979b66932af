package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/cmd/internal/cli"
	"tram/storage"
	"tram/storage/fsx"
)

// clockForm is how times are shown in tables: local, to the second.
const clockForm = "02/01/2006 15:04:05"

func parseID(text string) (storage.ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, problem.New(problem.Usage, "api.bad-id", "ID", i18n.Args{"id": text}).Because(err)
	}
	return id, nil
}

// withDocument is a command on the document named by its one argument.
func withDocument(c *cli.Console, use, short string, do func(cmd *cobra.Command, client *api.Client, id storage.ID) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			client := api.NewClient(c.Data)
			defer client.Close()
			return do(cmd, client, id)
		},
	}
}

func documentsCommand(c *cli.Console) *cobra.Command {
	var q office.Query
	var box string
	cmd := &cobra.Command{Use: "documents", Short: "tram.documents.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&box, "box", "in", "tram.documents.box")
	cmd.Flags().IntVar(&q.Limit, "limit", office.DefaultPage, "tram.documents.limit")
	cmd.Flags().IntVar(&q.Offset, "offset", 0, "tram.documents.offset")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q.Box = office.Box(box)
		client := api.NewClient(c.Data)
		defer client.Close()
		page, err := client.Documents(cmd.Context(), q)
		if err != nil {
			return err
		}
		return c.Print(page, func(w io.Writer) {
			var rows [][]string
			for _, d := range page.Documents {
				rows = append(rows, []string{
					d.ID.String(), d.Created.Local().Format(clockForm), partner(d), numberOf(d),
					c.T(fmt.Sprintf("urgency.%d", d.Urgency)), stateWords(c, d), d.Subject,
				})
			}
			c.Table(w, []string{"tram.col.id", "tram.col.time", "tram.col.partner", "tram.col.number", "tram.col.urgency", "tram.col.state", "tram.col.subject"}, rows)
			if page.Total > q.Offset+len(page.Documents) {
				c.Say("tram.documents.more", i18n.Args{"shown": len(page.Documents), "total": page.Total})
			}
		})
	}
	return cmd
}

// stateWords is the state of a document with its mark in the register.
func stateWords(c *cli.Console, d office.Document) string {
	words := c.T("tram.state." + string(d.State))
	for _, l := range d.Links {
		if l.Kind == office.ReplacedBy {
			return words + " · " + c.T("tram.link.replaced-by") + " " + l.Symbol
		}
	}
	return words
}

// partner is the other side of a document.
func partner(d office.Document) string {
	if d.Box == office.In {
		return cmp.Or(d.From.Code, d.From.Name)
	}
	var codes []string
	for _, to := range d.To {
		codes = append(codes, cmp.Or(to.Code, to.Name))
	}
	return strings.Join(codes, ",")
}

func numberOf(d office.Document) string {
	if d.Number == "" {
		return d.Notation
	}
	return d.Number + "/" + d.Notation
}

func showCommand(c *cli.Console) *cobra.Command {
	return withDocument(c, "show ID", "tram.show.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Get(cmd.Context(), id)
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) { printDocument(c, w, d) })
	})
}

func printDocument(c *cli.Console, w io.Writer, d office.Document) {
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-14s %s\n", c.T(key), cli.OneLine(value))
		}
	}
	line("tram.col.id", d.ID.String())
	if d.Medium == office.Paper {
		line("tram.show.medium", c.T("office.medium.paper"))
	}
	for _, t := range d.Twins {
		line("tram.show.twin", t.In(c.Lang)+" "+t.ID.String())
	}
	line("tram.show.from", strings.TrimSpace(d.From.Code+" "+d.From.Name))
	for _, to := range d.To {
		line("tram.show.to", fmt.Sprintf("%s: %s %s", strings.TrimSpace(to.Code+" "+to.Name), c.T("tram.state."+string(to.State)), to.ReasonIn(c.Lang)))
	}
	line("tram.col.subject", d.Subject)
	line("tram.col.number", numberOf(d)+" "+d.TypeName)
	line("tram.col.urgency", urgencyWord(d.Urgency))
	line("tram.col.state", c.T("tram.state."+string(d.State)))
	line("tram.show.reason", d.ReasonIn(c.Lang))
	for _, a := range d.Attachments {
		line("tram.show.file", fmt.Sprintf("%s  %s  sha256 %s", a.Name, cli.Bytes(a.Size), a.SHA256))
	}
	if d.Seal != nil {
		line("tram.show.seal", fmt.Sprintf("%s: %s (%s) %s %s", c.T("tram.seal."+d.Seal.Verdict), sealedBy(c, d.Seal), d.Seal.Signer, d.Seal.SignedAt.Format(time.RFC3339), d.Seal.Reason))
	}
	for _, check := range d.Checks {
		line("tram.show.check", fmt.Sprintf("%d. %s %s", check.Attachment+1, c.T("docsign.verdict."+string(check.Verdict())), check.Report.Reason.Text(c.Lang)))
	}
	printChanges(c, w, d)
	var rows [][]string
	for _, e := range d.Events {
		rows = append(rows, []string{e.At.Local().Format(clockForm), c.T("tram.state." + string(e.Step)), e.Office, e.Signer, e.Words(c.Lang)})
	}
	fmt.Fprintln(w)
	c.Table(w, []string{"tram.col.time", "tram.col.step", "tram.col.office", "tram.col.signer", "tram.col.note"}, rows)
}

func acceptCommand(c *cli.Console) *cobra.Command {
	var k office.Knowing
	cmd := withDocument(c, "accept ID", "tram.accept.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.AcceptKnowing(cmd.Context(), id, "cli", k)
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.accept.done", i18n.Args{"arrival": d.Arrival}))
		})
	})
	cmd.Flags().StringVar(&k.Reason, "reason", "", "tram.accept.reason")
	cmd.Flags().BoolVar(&k.SeenFailure, "seen-failure", false, "tram.accept.seen")
	return cmd
}

func returnCommand(c *cli.Console) *cobra.Command {
	var reason string
	cmd := withDocument(c, "return ID", "tram.return.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Return(cmd.Context(), id, reason, "cli")
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) { fmt.Fprintln(w, c.T("tram.return.done")) })
	})
	cmd.Flags().StringVar(&reason, "reason", "", "tram.return.reason")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func getCommand(c *cli.Console) *cobra.Command {
	var out string
	cmd := withDocument(c, "get ID", "tram.get.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Get(cmd.Context(), id)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(out, 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		taken := map[string]bool{}
		written := []string{}
		for _, a := range d.Attachments {
			body, err := client.Attachment(cmd.Context(), id, a.Index)
			if err != nil {
				return err
			}
			path := filepath.Join(out, seal.SafeName(a.Name, taken))
			if err := save(c, path, body, a.Size); err != nil {
				return err
			}
			written = append(written, path)
		}
		return c.Print(map[string]any{"files": written}, func(w io.Writer) {
			for _, path := range written {
				fmt.Fprintln(w, path)
			}
		})
	})
	outFlag(cmd, &out, "tram.get.out")
	return cmd
}

func exportCommand(c *cli.Console) *cobra.Command {
	var out string
	var edxml bool
	cmd := withDocument(c, "export ID", "tram.export.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		form := client.Container
		if edxml {
			form = client.EdXML
		}
		body, err := form(cmd.Context(), id)
		if err != nil {
			return err
		}
		if err := save(c, out, body, 0); err != nil {
			return err
		}
		return c.Print(map[string]string{"file": out}, func(w io.Writer) { fmt.Fprintln(w, out) })
	})
	outFlag(cmd, &out, "tram.export.out")
	cmd.Flags().BoolVar(&edxml, "edxml", false, "tram.export.edxml")
	return cmd
}

func outFlag(cmd *cobra.Command, out *string, usage string) {
	cmd.Flags().StringVar(out, "out", "", usage)
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
}

// save writes body to a new file, whole or not at all. An existing file is
// never replaced.
func save(c *cli.Console, path string, body io.ReadCloser, size int64) (err error) {
	defer body.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return problem.New(problem.Conflict, "tram.file-exists", "out", i18n.Args{"file": path})
	}
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	progress := c.Progress(filepath.Base(path))
	n, err := io.Copy(io.MultiWriter(f, &counter{progress: progress, total: size}), body)
	progress.Finish()
	if err == nil && size > 0 && n != size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, fsx.PointFileSync.Sync(f, path), f.Close())
}
