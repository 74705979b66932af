package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

// officesCommand is the directory of offices on the command line.
func officesCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "offices", Short: "hub.offices.short"}
	group.AddCommand(importCommand(c), listCommand(c), searchCommand(c), moveCommand(c), renameCommand(c), mergeCommand(c), allowCommand(c), contactCommand(c))
	return group
}

// ask asks the running hub, or works on the data folder when none runs.
func ask(ctx context.Context, c *cli.Console, method, path string, in, out any, alone func(*hub.Hub) error) error {
	caller := api.NewCaller(c.Data, hub.SocketName)
	defer caller.Close()
	err := caller.Call(ctx, method, path, in, out)
	if err == nil || !stopped(err) {
		return err
	}
	return withHub(ctx, c, alone)
}

func importCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "hub.offices.import.short", Long: "hub.offices.import.long", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			csv, err := readLimited(args[0], registry.MaxImportFile)
			if err != nil {
				return err
			}
			var did registry.Imported
			err = ask(cmd.Context(), c, http.MethodPost, "/v1/offices/import", string(csv), &did, func(h *hub.Hub) (err error) {
				did, err = h.ImportOffices(cmd.Context(), csv, "cli")
				return err
			})
			if err != nil {
				return err
			}
			return c.Print(did, func(w io.Writer) {
				fmt.Fprintln(w, c.T("hub.offices.imported", i18n.Args{"new": did.New, "changed": did.Changed, "same": did.Same, "elsewhere": did.Elsewhere}))
			})
		},
	}
}

func listCommand(c *cli.Console) *cobra.Command {
	var q hub.OfficeQuery
	cmd := &cobra.Command{
		Use: "list", Short: "hub.offices.list.short", Long: "hub.offices.list.long", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return showOffices(cmd.Context(), c, q) },
	}
	cmd.Flags().StringVar(&q.Parent, "parent", "", "hub.offices.parent")
	cmd.Flags().StringVar(&q.After, "after", "", "hub.offices.after")
	cmd.Flags().IntVar(&q.Limit, "limit", registry.DefaultResults, "hub.offices.limit")
	return cmd
}

func searchCommand(c *cli.Console) *cobra.Command {
	var q hub.OfficeQuery
	cmd := &cobra.Command{
		Use: "search WORDS…", Short: "hub.offices.search.short", Args: cli.Args(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Text = strings.Join(args, " ")
			return showOffices(cmd.Context(), c, q)
		},
	}
	cmd.Flags().IntVar(&q.Limit, "limit", registry.DefaultResults, "hub.offices.limit")
	return cmd
}

func showOffices(ctx context.Context, c *cli.Console, q hub.OfficeQuery) error {
	var page hub.Offices
	err := ask(ctx, c, http.MethodGet, "/v1/offices?"+q.Values().Encode(), nil, &page, func(h *hub.Hub) (err error) {
		page, err = h.Offices(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	return c.Print(page, func(w io.Writer) {
		var rows [][]string
		for _, o := range page.Offices {
			rows = append(rows, []string{o.Code, o.Name, o.Parent, kindWord(c, o.Kind), officeState(c, o), strings.Join(o.Old, " ")})
		}
		c.Table(w, []string{"hub.col.code", "hub.col.name", "hub.col.parent", "hub.col.kind", "hub.col.state", "hub.col.old"}, rows)
		if page.Next != "" {
			c.Say("hub.offices.more", i18n.Args{"after": page.Next})
		}
	})
}

// kindWord is the word for a kind that Trạm knows; others are the province's own.
func kindWord(c *cli.Console, kind string) string {
	if key := "hub.kind." + kind; i18n.Has(key) {
		return c.T(key)
	}
	return kind
}

func officeState(c *cli.Console, o hub.Office) string {
	switch {
	case o.Into != "":
		return c.T("hub.office.ended", i18n.Args{"into": o.Into})
	case o.Hub != "":
		return c.T("hub.office.elsewhere", i18n.Args{"hub": o.Hub})
	case !o.Enrolled:
		return fleet.NotEnrolled.Text(c.Lang)
	case len(o.May) > 0:
		return c.T("hub.office.limited", i18n.Args{"may": strings.Join(o.May, " ")})
	case o.Limited:
		return c.T("hub.office.nobody")
	}
	return c.T("hub.office.enrolled")
}

func moveCommand(c *cli.Console) *cobra.Command {
	change := hub.OfficeChange{Act: hub.ActMove}
	cmd := &cobra.Command{Use: "move CODE", Short: "hub.offices.move.short", Long: "hub.offices.move.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&change.Parent, "parent", "", "hub.offices.parent")
	required(cmd, "parent")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change.Code = args[0]
		return changeOffice(cmd.Context(), c, change)
	}
	return cmd
}

func renameCommand(c *cli.Console) *cobra.Command {
	change := hub.OfficeChange{Act: hub.ActRename}
	cmd := &cobra.Command{Use: "rename CODE", Short: "hub.offices.rename.short", Long: "hub.offices.rename.long", Args: cli.Args(1, 1)}
	f := cmd.Flags()
	f.StringVar(&change.Name, "name", "", "hub.offices.name")
	f.StringVar(&change.Kind, "kind", "", "hub.offices.kind")
	f.StringVar(&change.New, "code", "", "hub.offices.code")
	f.StringSliceVar(&change.Old, "old", nil, "hub.offices.old")
	cmd.MarkFlagsOneRequired("name", "kind", "code", "old")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change.Code = args[0]
		return changeOffice(cmd.Context(), c, change)
	}
	return cmd
}

func mergeCommand(c *cli.Console) *cobra.Command {
	change := hub.OfficeChange{Act: hub.ActMerge}
	cmd := &cobra.Command{Use: "merge CODE…", Short: "hub.offices.merge.short", Long: "hub.offices.merge.long", Args: cli.Args(1, -1)}
	cmd.Flags().StringVar(&change.Code, "into", "", "hub.offices.into")
	required(cmd, "into")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change.From = args
		return changeOffice(cmd.Context(), c, change)
	}
	return cmd
}

func allowCommand(c *cli.Console) *cobra.Command {
	change := hub.OfficeChange{Act: hub.ActAllow}
	cmd := &cobra.Command{Use: "allow CODE", Short: "hub.offices.allow.short", Long: "hub.offices.allow.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringSliceVar(&change.May, "to", nil, "hub.offices.to")
	required(cmd, "to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change.Code = args[0]
		if len(change.May) == 1 && change.May[0] == "" {
			change.May = nil // --to "" takes the rules away
		}
		return changeOffice(cmd.Context(), c, change)
	}
	return cmd
}

func required(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err) // the flag is defined by the caller
	}
}

func changeOffice(ctx context.Context, c *cli.Console, change hub.OfficeChange) error {
	var o hub.Office
	err := ask(ctx, c, http.MethodPost, "/v1/offices/change", change, &o, func(h *hub.Hub) (err error) {
		o, err = h.ChangeOffice(ctx, change, "cli")
		return err
	})
	if err != nil {
		return err
	}
	return c.Print(o, func(w io.Writer) {
		said := "hub.offices." + change.Act + ".done"
		if change.Act == hub.ActAllow && len(o.May) == 0 {
			said = "hub.offices.allow.none"
		}
		fmt.Fprintln(w, c.T(said, i18n.Args{
			"code": o.Code, "name": o.Name, "parent": o.Parent, "from": strings.Join(change.From, " "), "may": strings.Join(o.May, " "),
		}))
	})
}
