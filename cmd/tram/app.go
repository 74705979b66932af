package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// appCommand manages the applications that may use the public interface. A key
// is shown once, or written to a file.
func appCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "app", Short: "tram.app.short"}
	group.AddCommand(appCreateCommand(c), appListCommand(c), appRotateCommand(c), appRevokeCommand(c), appStatesCommand(c))
	return group
}

func appCreateCommand(c *cli.Console) *cobra.Command {
	var n appkey.NewApp
	var kind string
	var scopes []string
	cmd := &cobra.Command{Use: "create NAME", Short: "tram.app.create.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&kind, "kind", "", "tram.app.kind")
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "tram.app.scope")
	cmd.Flags().IntVar(&n.Rate, "rate", appkey.DefaultRate, "tram.app.rate")
	cmd.Flags().IntVar(&n.Days, "days", 0, "tram.app.days")
	cmd.Flags().BoolVar(&n.Own, "own", false, "tram.app.own")
	out := cmd.Flags().String("out", "", "tram.app.out")
	_ = cmd.MarkFlagRequired("kind")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Name, n.Kind = args[0], appkey.Kind(kind)
		for _, s := range scopes {
			n.Scopes = append(n.Scopes, appkey.Scope(s))
		}
		client := appkey.NewClient(c.Data)
		defer client.Close()
		made, err := client.Create(cmd.Context(), n)
		if err != nil {
			return err
		}
		return handKey(c, made, *out)
	}
	return cmd
}

// madeKey is what the commands that make a key print.
type madeKey struct {
	Name   string         `json:"name"`
	ID     string         `json:"id"`
	Kind   appkey.Kind    `json:"kind"`
	Scopes []appkey.Scope `json:"scopes"`
	Own    bool           `json:"own"`
	Rate   int            `json:"rate"`
	Key    string         `json:"key,omitempty"`
	File   string         `json:"file,omitempty"`
}

// handKey shows a new key the one time that it can be, or writes it to a file
// that only its owner reads.
func handKey(c *cli.Console, m appkey.Made, file string) error {
	k := madeKey{Name: m.App.Name, ID: m.App.ID, Kind: m.App.Kind, Scopes: m.App.Scopes, Own: m.App.Own, Rate: m.App.Rate, Key: string(m.Key), File: file}
	if file != "" {
		if err := fsx.WriteFile(file, []byte(string(m.Key)+"\n"), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		k.Key = ""
	}
	return c.Print(k, func(w io.Writer) {
		args := i18n.Args{"name": k.Name, "scopes": spaced(k.Scopes), "file": file}
		if file != "" {
			fmt.Fprintln(w, c.T("tram.app.written", args))
			return
		}
		fmt.Fprintln(w, k.Key)
		c.Say("tram.app.once", args)
	})
}

func spaced(scopes []appkey.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

func appRotateCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "rotate NAME", Short: "tram.app.rotate.short", Args: cli.Args(1, 1)}
	out := cmd.Flags().String("out", "", "tram.app.out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := appkey.NewClient(c.Data)
		defer client.Close()
		made, err := client.Rotate(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return handKey(c, made, *out)
	}
	return cmd
}

func appRevokeCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "tram.app.revoke.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := appkey.NewClient(c.Data)
			defer client.Close()
			if err := client.Revoke(cmd.Context(), args[0]); err != nil {
				return err
			}
			return c.Print(map[string]string{"name": args[0]}, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.app.revoked", i18n.Args{"name": args[0]}))
			})
		},
	}
}

func appListCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "tram.app.list.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := appkey.NewClient(c.Data)
			defer client.Close()
			list, err := client.List(cmd.Context())
			if err != nil {
				return err
			}
			return c.Print(list, func(w io.Writer) {
				heads := []string{c.T("tram.app.head.name"), c.T("tram.app.head.kind"), c.T("tram.app.head.state"), c.T("tram.app.head.used"), c.T("tram.app.head.calls"), c.T("tram.app.head.scopes")}
				var rows [][]string
				for _, a := range list {
					rows = append(rows, []string{a.Name, string(a.Kind), appState(c, a), usedAt(c, a), strconv.FormatInt(a.Calls, 10), spaced(a.Scopes)})
				}
				c.Table(w, heads, rows)
			})
		},
	}
}

// appState is what an IT officer has to know first about an application.
func appState(c *cli.Console, a appkey.App) string {
	switch {
	case !a.Revoked.IsZero():
		return c.T("tram.app.state.revoked")
	case !a.Expires.IsZero():
		return c.T("tram.app.state.until", i18n.Args{"date": a.Expires.Local().Format("02/01/2006")})
	}
	return c.T("tram.app.state.in-use")
}

func usedAt(c *cli.Console, a appkey.App) string {
	if a.Used.IsZero() {
		return c.T("tram.app.never")
	}
	return a.Used.Local().Format("02/01/2006 15:04")
}
