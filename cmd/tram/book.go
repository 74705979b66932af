package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/books"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/cmd/internal/cli"
)

func bookCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "book", Short: "tram.book.short"}
	cmd.AddCommand(bookListCommand(c), bookPrintCommand(c))
	return cmd
}

// bookListCommand tells how far the register books are on paper.
func bookListCommand(c *cli.Console) *cobra.Command {
	year := 0
	cmd := &cobra.Command{Use: "list", Short: "tram.book.list.short", Args: cli.Args(0, 0), RunE: func(cmd *cobra.Command, _ []string) error {
		client := books.Client{Client: api.NewClient(c.Data)}
		defer client.Close()
		list, err := client.List(cmd.Context(), year)
		if err != nil {
			return err
		}
		return c.Print(list, func(w io.Writer) {
			var rows [][]string
			for _, s := range list {
				b, err := register.Find(s.Kind)
				if err != nil {
					continue // of a newer service
				}
				rows = append(rows, []string{string(s.Kind), b.Name(c.Lang), fmt.Sprint(s.Volume), fmt.Sprint(s.Pages), s.Last, fmt.Sprint(s.Pending)})
			}
			c.Table(w, []string{"tram.col.book", "tram.col.name", "tram.col.volume", "tram.col.pages", "tram.col.last-number", "tram.col.unprinted"}, rows)
		})
	}}
	cmd.Flags().IntVar(&year, "year", 0, "tram.book.year")
	return cmd
}

// bookPrint is what bookPrintCommand answers.
type bookPrint struct {
	File  string     `json:"file"`
	Print *books.Job `json:"print,omitempty"` // nil for a copy that counts as no page
}

// bookPrintCommand writes the pages that are on paper nowhere yet, or a copy of a
// whole book.
func bookPrintCommand(c *cli.Console) *cobra.Command {
	var out string
	var year, volume int
	var all bool
	cmd := &cobra.Command{Use: "print KIND", Short: "tram.book.print.short", Long: "tram.book.print.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVarP(&out, "out", "o", "", "tram.book.print.out")
	cmd.Flags().IntVar(&year, "year", 0, "tram.book.year")
	cmd.Flags().IntVar(&volume, "volume", 0, "tram.book.print.volume")
	cmd.Flags().BoolVar(&all, "all", false, "tram.book.print.all")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := books.Client{Client: api.NewClient(c.Data)}
		defer client.Close()
		format, kind := books.Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(out)), ".")), register.Kind(args[0])
		if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
			return problem.New(problem.Conflict, "tram.file-exists", "out", i18n.Args{"file": out})
		}
		if !all && format == books.PDF {
			return printPages(c, cmd, client, kind, year, out)
		}
		body, err := client.File(cmd.Context(), kind, year, volume, format)
		if err != nil {
			return err
		}
		return saveBook(c, bookPrint{File: out}, body)
	}
	return cmd
}

// printPages writes new pages, and says so to the office only when the file is
// safe.
func printPages(c *cli.Console, cmd *cobra.Command, client books.Client, kind register.Kind, year int, out string) error {
	job, err := client.Print(cmd.Context(), kind, year)
	if err != nil {
		return err
	}
	body, err := client.PDF(cmd.Context(), job.ID)
	if err != nil {
		return err
	}
	if err := save(c, out, body, 0); err != nil {
		return err
	}
	if job, err = client.Confirm(cmd.Context(), job.ID); err != nil {
		return err
	}
	return tellBook(c, bookPrint{File: out, Print: &job})
}

func saveBook(c *cli.Console, p bookPrint, body io.ReadCloser) error {
	if err := save(c, p.File, body, 0); err != nil {
		return err
	}
	return tellBook(c, p)
}

func tellBook(c *cli.Console, p bookPrint) error {
	return c.Print(p, func(w io.Writer) {
		fmt.Fprintln(w, p.File)
		if p.Print != nil {
			c.Say("tram.book.print.done", i18n.Args{"first": p.Print.First, "last": p.Print.Last, "lines": p.Print.Lines})
		}
	})
}
