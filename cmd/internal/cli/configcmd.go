package cli

import (
	"io"

	"github.com/spf13/cobra"

	"tram/agent/config"
)

// ConfigCommand is "config" with "config show" and "config example". load
// reads the effective settings of the program; sample is its example file.
func ConfigCommand(c *Console, load func(dir string) ([]config.Value, error), sample func() []byte) *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "cli.config.short"}
	group.AddCommand(&cobra.Command{
		Use: "show", Short: "cli.config.show.short", Args: Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			values, err := load(c.Data)
			if err != nil {
				return err
			}
			return c.Print(values, func(w io.Writer) {
				rows := make([][]string, len(values))
				for i, v := range values {
					rows[i] = []string{v.Key, v.Value, v.Origin.String()}
				}
				c.Table(w, []string{"cli.config.key", "cli.config.value", "cli.config.origin"}, rows)
			})
		},
	}, &cobra.Command{
		Use: "example", Short: "cli.config.example.short", Args: Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			_, err := unfolded(c.Out).Write(sample())
			return err
		},
	})
	return group
}
