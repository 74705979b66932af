package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// imports is what `tram import` prints.
type imports struct {
	Files []importedFile `json:"files"`
}

// importedFile is what came of one file.
type importedFile struct {
	File     string          `json:"file"`
	State    string          `json:"state"` // "saved", "given", "already", "good", "refused"
	Kind     string          `json:"kind,omitempty"`
	Status   string          `json:"status,omitempty"`
	ID       string          `json:"id,omitempty"`
	Number   string          `json:"number,omitempty"`
	Notation string          `json:"notation,omitempty"`
	Subject  string          `json:"subject,omitempty"`
	Warnings []importWarning `json:"warnings"`
	Errors   []importError   `json:"errors"`
}

type importWarning struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Value   string `json:"value"`
	Message string `json:"message"`
}

type importError struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
	Next    string `json:"next"`
}

func importCommand(c *cli.Console) *cobra.Command {
	var h office.Handover
	cmd := &cobra.Command{Use: "import FILE…", Short: "tram.import.short", Long: "tram.import.long", Args: cli.Args(1, -1)}
	cmd.Flags().BoolVar(&h.Try, "dry-run", false, "tram.import.dry-run")
	cmd.Flags().BoolVar(&h.Cleared, "cleared", false, "tram.send.cleared")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := api.NewClient(c.Data)
		defer client.Close()
		var all imports
		var faults []error
		var stopped error // no use in trying the next file
		for _, path := range args {
			f, err := importFile(cmd.Context(), c, client, path, h)
			if class := problem.From(err).Class; err != nil && (cmd.Context().Err() != nil || class == problem.NotRunning || class == problem.NotEnrolled) {
				stopped = err
				break
			}
			if err != nil {
				c.Say("tram.import.refused", i18n.Args{"file": path})
				c.Report(err)
				faults = append(faults, err)
			}
			all.Files = append(all.Files, f)
		}
		if stopped != nil && len(all.Files) == 0 {
			return stopped
		}
		if err := c.Print(all, func(w io.Writer) { printImports(c, w, all) }); err != nil {
			return err
		}
		if stopped != nil {
			return stopped
		}
		return importEnd(all, faults)
	}
	return cmd
}

// importEnd decides the exit code: that of the first fault when nothing was
// taken, a part when something was, or when there are warnings.
func importEnd(all imports, faults []error) error {
	if len(faults) == len(all.Files) {
		return cli.Told(faults[0])
	}
	for _, f := range all.Files {
		if len(f.Warnings)+len(f.Errors) > 0 {
			return cli.ErrPartial
		}
	}
	return nil
}

// importFile hands one file over.
func importFile(ctx context.Context, c *cli.Console, client *api.Client, path string, h office.Handover) (importedFile, error) {
	f := importedFile{File: path, State: "refused", Warnings: []importWarning{}, Errors: []importError{}}
	fail := func(err error) (importedFile, error) {
		for _, p := range problem.All(err) {
			f.Errors = append(f.Errors, importError{p.Code, p.Field, p.Message(c.Lang), p.Next(c.Lang)})
		}
		return f, err
	}
	files, err := openFiles([]string{path})
	if err != nil {
		return fail(err)
	}
	defer files.close()
	progress := c.Progress(filepath.Base(path))
	h.Body, h.Name, h.By = files.readers(progress)[0], files.names[0], "cli"
	done, err := client.Import(ctx, h)
	progress.Finish()
	if err != nil {
		return fail(err)
	}
	f.Kind, f.Status, f.State = done.Kind, string(done.Code), importState(done, h.Try)
	f.Number, f.Notation, f.Subject = done.Document.Number, done.Document.Notation, done.Document.Subject
	if !h.Try || done.Kind == office.KindStatus {
		f.ID = done.Document.ID.String()
	}
	for _, w := range done.Warnings {
		f.Warnings = append(f.Warnings, importWarning{w.Code, w.Field, w.Value, w.Message(c.Lang)})
	}
	return f, nil
}

func importState(done office.Imported, try bool) string {
	switch {
	case try:
		return "good"
	case !done.Changed:
		return "already"
	case done.Kind == office.KindStatus:
		return "given"
	}
	return "saved"
}

func printImports(c *cli.Console, w io.Writer, all imports) {
	for _, f := range all.Files {
		args := i18n.Args{"file": f.File, "id": f.ID, "number": f.Number, "notation": f.Notation, "status": f.Status, "subject": f.Subject}
		fmt.Fprintln(w, cli.OneLine(c.T("tram.import."+f.State, args)))
		for _, warning := range f.Warnings {
			fmt.Fprintln(w, "  "+cli.OneLine(c.T("tram.import.warning", i18n.Args{"text": warning.Message})))
		}
	}
}
