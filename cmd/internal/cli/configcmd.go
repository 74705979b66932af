package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// ConfigCommand is "config" with "config show", "config diff", "config get" and
// "config example". load reads the effective settings of the program; sample is its
// example file.
func ConfigCommand(c *Console, load func(dir string) ([]config.Value, error), sample func() []byte) *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "cli.config.short"}
	group.AddCommand(configList(c, "show", load, func(config.Value) bool { return true }),
		configList(c, "diff", load, func(v config.Value) bool { return v.Origin.Source != config.FromDefault }),
		configGet(c, load),
		&cobra.Command{
			Use: "example", Short: "cli.config.example.short", Args: Args(0, 0),
			RunE: func(*cobra.Command, []string) error {
				_, err := unfolded(c.Out).Write(sample())
				return err
			},
		})
	return group
}

// configList shows the settings that are chosen.
func configList(c *Console, name string, load func(dir string) ([]config.Value, error), chosen func(config.Value) bool) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: "cli.config." + name + ".short", Args: Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			all, err := load(c.Data)
			if err != nil {
				return err
			}
			values := []config.Value{}
			for _, v := range all {
				if chosen(v) {
					values = append(values, v)
				}
			}
			return c.Print(values, func(w io.Writer) {
				rows := make([][]string, len(values))
				for i, v := range values {
					rows[i] = []string{v.Key, v.Value, v.Origin.String()}
				}
				c.Table(w, []string{"cli.config.key", "cli.config.value", "cli.config.origin"}, rows)
			})
		},
	}
}

// configGet prints one value alone, for scripts.
func configGet(c *Console, load func(dir string) ([]config.Value, error)) *cobra.Command {
	return &cobra.Command{
		Use: "get KEY", Short: "cli.config.get.short", Args: Args(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			values, err := load(c.Data)
			if err != nil {
				return err
			}
			for _, v := range values {
				if v.Key == args[0] {
					return c.Print(v, func(w io.Writer) { fmt.Fprintln(w, OneLine(v.Value)) })
				}
			}
			return problem.New(problem.Usage, "cli.no-setting", args[0], i18n.Args{"key": args[0]})
		},
	}
}
