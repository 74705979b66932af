package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

func sendCommand(c *cli.Console) *cobra.Command {
	var d api.DraftRequest
	var urgency string
	cmd := &cobra.Command{Use: "send FILE…", Short: "tram.send.short", Long: "tram.send.long", Args: cli.Args(1, -1)}
	f := cmd.Flags()
	f.StringSliceVar(&d.To, "to", nil, "tram.send.to")
	f.StringVar(&d.Subject, "subject", "", "tram.send.subject")
	f.StringVar(&urgency, "urgency", config.Urgencies[0], "tram.send.urgency")
	f.StringVar(&d.Type, "type", "CV", "tram.send.type")
	f.StringVar(&d.Number, "number", "", "tram.send.number")
	f.StringVar(&d.Notation, "notation", "", "tram.send.notation")
	f.StringVar(&d.Date, "date", "", "tram.send.date")
	f.StringVar(&d.Classification, "classification", "", "tram.send.classification")
	f.BoolVar(&d.Copied, "copy", false, "tram.send.copy")
	f.BoolVar(&d.Cleared, "cleared", false, "tram.send.cleared")
	changes := changeFlags(cmd, &d)
	for _, name := range []string{"to", "subject"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		level, err := cli.ParseUrgency(urgency)
		if err != nil {
			return err
		}
		d.Urgency, d.By = level, "cli"
		if err := changes(); err != nil {
			return err
		}
		doc, err := handOver(c, args, func(client *api.Client, names []string, files []io.Reader) (office.Document, error) {
			d.Files = names
			return client.Send(cmd.Context(), d, files)
		})
		if err != nil {
			return err
		}
		return c.Print(map[string]any{"id": doc.ID, "number": doc.Number, "notation": doc.Notation}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.send.saved", i18n.Args{"id": doc.ID, "number": doc.Number, "notation": doc.Notation}))
			for _, e := range doc.Events {
				if words := e.Words(c.Lang); words != "" {
					fmt.Fprintln(w, words) // a recipient that has another code now
				}
			}
		})
	}
	return cmd
}

// fileSet is the files of one call, read one after the other.
type fileSet struct {
	names []string
	files []*os.File
	total int64
}

// handOver gives files to the running office with do, and shows how far it is.
func handOver(c *cli.Console, paths []string, do func(client *api.Client, names []string, files []io.Reader) (office.Document, error)) (office.Document, error) {
	files, err := openFiles(paths)
	if err != nil {
		return office.Document{}, err
	}
	defer files.close()
	client := api.NewClient(c.Data)
	defer client.Close()
	progress := c.Progress(strings.Join(files.names, ", "))
	defer progress.Finish()
	return do(client, files.names, files.readers(progress))
}

func openFiles(paths []string) (*fileSet, error) {
	s := &fileSet{}
	var problems problem.List
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			problems = append(problems, unreadable(path, err))
			continue
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		s.files = append(s.files, f)
		if err != nil {
			problems = append(problems, unreadable(path, err))
			continue
		}
		s.names = append(s.names, filepath.Base(path))
		s.total += info.Size()
	}
	if err := problems.Err(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func unreadable(path string, err error) *problem.Problem {
	return problem.New(problem.Usage, "tram.unreadable-file", "files", i18n.Args{"file": path}).Because(err)
}

func (s *fileSet) close() {
	for _, f := range s.files {
		f.Close() // only read from
	}
}

func (s *fileSet) readers(p *cli.Progress) []io.Reader {
	count := &counter{progress: p, total: s.total}
	var readers []io.Reader
	for _, f := range s.files {
		readers = append(readers, io.TeeReader(f, count))
	}
	return readers
}

// counter shows how much has been handed over.
type counter struct {
	progress    *cli.Progress
	done, total int64
}

func (n *counter) Write(p []byte) (int, error) {
	n.done += int64(len(p))
	n.progress.Set(n.done, n.total)
	return len(p), nil
}

// urgencyWord is the word of a level, as --urgency takes it.
func urgencyWord(u office.Urgency) string {
	if int(u) < len(config.Urgencies) {
		return config.Urgencies[u]
	}
	return fmt.Sprint(u)
}
