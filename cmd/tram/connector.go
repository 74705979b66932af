package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// connectorCommand manages the connectors to other makers' software. Secrets
// come from a file or the terminal, never from the command line.
func connectorCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "connector", Short: "tram.connector.short"}
	group.AddCommand(
		connectorKindsCommand(c), connectorAddCommand(c), connectorListCommand(c), connectorShowCommand(c),
		connectorPauseCommand(c, "pause NAME", "tram.connector.pause.short", true),
		connectorPauseCommand(c, "resume NAME", "tram.connector.resume.short", false),
		connectorLettersCommand(c, "replay NAME [ID]", "tram.connector.replay.short", "replay"),
		connectorLettersCommand(c, "drop NAME [ID]", "tram.connector.drop.short", "drop"),
		connectorTestCommand(c), connectorRemoveCommand(c),
		connectorRefusedCommand(c), connectorSaveCommand(c), connectorTakeCommand(c), connectorDiscardCommand(c),
	)
	return group
}

// withConnectors calls the running office.
func withConnectors(c *cli.Console, do func(connector.Client) error) error {
	client := api.NewClient(c.Data)
	defer client.Close()
	return do(connector.Client{Client: client})
}

func connectorKindsCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "kinds", Short: "tram.connector.kinds.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withConnectors(c, func(client connector.Client) error {
				list, err := client.Kinds(cmd.Context())
				if err != nil {
					return err
				}
				return c.Print(list, func(w io.Writer) {
					for _, k := range list {
						fmt.Fprintf(w, "%-12s %s\n", k.Kind, c.T("tram.connector.kind."+k.Kind))
						fmt.Fprintf(w, "%-12s %s\n", "", c.T("tram.connector.settings."+k.Kind))
					}
				})
			})
		},
	}
}

func connectorAddCommand(c *cli.Console) *cobra.Command {
	var settings, secret string
	cmd := &cobra.Command{Use: "add KIND NAME [SETTING=VALUE…]", Short: "tram.connector.add.short", Args: cli.Args(2, 100)}
	cmd.Flags().StringVar(&settings, "settings-file", "", "tram.connector.settings-file")
	cmd.Flags().StringVar(&secret, "secret-file", "", "tram.connector.secret-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec := connector.Spec{Kind: args[0], Name: args[1]}
		var err error
		if spec.Settings, err = readSettings(settings, args[2:]); err != nil {
			return err
		}
		return withConnectors(c, func(client connector.Client) error {
			if spec.Secret, err = connectorSecret(cmd, c, client, spec, secret); err != nil {
				return err
			}
			s, err := client.Add(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return printConnector(c, s)
		})
	}
	return cmd
}

// connectorSecret asks for the secret of a kind that needs one.
func connectorSecret(cmd *cobra.Command, c *cli.Console, client connector.Client, spec connector.Spec, file string) ([]byte, error) {
	needs := file != ""
	kinds, err := client.Kinds(cmd.Context())
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		needs = needs || k.Kind == spec.Kind && k.Secret
	}
	if !needs {
		return nil, nil
	}
	return c.Passphrase(cli.Secret{File: file, Flag: "secret-file", Prompt: c.T("tram.connector.ask", i18n.Args{"name": spec.Name})})
}

// readSettings makes the object of settings: from a file, and from arguments, of
// which each value is a number, true, false, a list in JSON, or else a text.
func readSettings(file string, pairs []string) (json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(raw, &all)
		}
		if err != nil {
			return nil, problem.New(problem.Usage, "tram.unreadable-file", "settings-file", i18n.Args{"file": file}).Because(err)
		}
	}
	for _, p := range pairs {
		key, value, found := strings.Cut(p, "=")
		if !found || key == "" {
			return nil, problem.New(problem.Usage, "connector.pair", "settings", i18n.Args{"pair": p})
		}
		raw := json.RawMessage(value)
		if !json.Valid(raw) || value == "null" || strings.HasPrefix(value, `"`) {
			text, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			raw = text
		}
		all[key] = raw
	}
	return json.Marshal(all)
}

func printConnector(c *cli.Console, s connector.State) error {
	return c.Print(s, func(w io.Writer) { writeConnector(c, w, s) })
}

func writeConnector(c *cli.Console, w io.Writer, s connector.State) {
	fmt.Fprintf(w, "%-20s %-10s %s\n", s.Name, s.Kind, c.T("tram.connector.state."+s.State))
	if s.Failure != nil {
		fmt.Fprintf(w, "%-20s %s\n", "", s.Failure.Text(c.Lang))
	}
	if s.Waiting+s.Dead > 0 {
		fmt.Fprintf(w, "%-20s %s\n", "", c.T("tram.connector.waiting", i18n.Args{"waiting": s.Waiting, "dead": s.Dead}))
	}
}

func connectorListCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "tram.connector.list.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withConnectors(c, func(client connector.Client) error {
				list, err := client.List(cmd.Context())
				if err != nil {
					return err
				}
				return c.Print(list, func(w io.Writer) {
					if len(list) == 0 {
						fmt.Fprintln(w, c.T("tram.connector.none"))
					}
					for _, s := range list {
						writeConnector(c, w, s)
					}
				})
			})
		},
	}
}

func connectorShowCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "tram.connector.show.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withConnectors(c, func(client connector.Client) error {
				d, err := client.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.Print(d, func(w io.Writer) {
					writeConnector(c, w, d.State)
					fmt.Fprintf(w, "%-20s %s\n", "", d.Settings)
					for _, l := range d.Letters {
						why := ""
						if l.Failure != nil {
							why = l.Failure.Text(c.Lang)
						}
						state := c.T("tram.connector.letter.waiting")
						if l.Dead {
							state = c.T("tram.connector.letter.dead")
						}
						fmt.Fprintf(w, "%8d  %-10s %-20s %s  %s\n", l.ID, state, l.Entry.Type, l.Entry.EdXMLID, why)
					}
				})
			})
		},
	}
}

func connectorPauseCommand(c *cli.Console, use, short string, paused bool) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withConnectors(c, func(client connector.Client) error {
				s, err := client.SetPaused(cmd.Context(), args[0], paused)
				if err != nil {
					return err
				}
				return printConnector(c, s)
			})
		},
	}
}

func connectorLettersCommand(c *cli.Console, use, short, verb string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cli.Args(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var id int64
			if len(args) > 1 {
				var err error
				if id, err = strconv.ParseInt(args[1], 10, 64); err != nil || id <= 0 {
					return problem.New(problem.Usage, "api.bad-number", "id", i18n.Args{"value": args[1]})
				}
			}
			return withConnectors(c, func(client connector.Client) error {
				n, err := client.Letters(cmd.Context(), args[0], verb, id)
				if err != nil {
					return err
				}
				return c.Print(n, func(w io.Writer) {
					fmt.Fprintln(w, c.T("tram.connector."+verb+".done", i18n.Args{"name": n.Name, "letters": n.Letters}))
				})
			})
		},
	}
}

func connectorTestCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "tram.connector.test.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withConnectors(c, func(client connector.Client) error {
				if err := client.Test(cmd.Context(), args[0]); err != nil {
					return err
				}
				return c.Print(map[string]string{"name": args[0]}, func(w io.Writer) {
					fmt.Fprintln(w, c.T("tram.connector.tested", i18n.Args{"name": args[0]}))
				})
			})
		},
	}
}

func connectorRemoveCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "tram.connector.remove.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withConnectors(c, func(client connector.Client) error {
				if err := client.Remove(cmd.Context(), args[0]); err != nil {
					return err
				}
				return c.Print(map[string]string{"name": args[0]}, func(w io.Writer) {
					fmt.Fprintln(w, c.T("tram.connector.removed", i18n.Args{"name": args[0]}))
				})
			})
		},
	}
}
