package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tram/cmd/internal/linklab"
	"tram/cmd/internal/peers"
)

func linkCommand(bin *string) *cobra.Command {
	o := linklab.Options{}
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Measures Trạm and its rivals over a bad line and prints figures as JSON lines",
		Long: `Measures Trạm and its rivals over a bad line and prints figures as JSON lines.

As root on Linux the line is a pair of network namespaces with an emulator in
between; otherwise a relay, which cannot do all scenarios.

Scenarios:
` + linklab.Describe() + `
Peers: ` + strings.Join(peers.Names(), ", "),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Bin, o.Out, o.Log = *bin, cmd.OutOrStdout(), cmd.ErrOrStderr()
			o.Command = "tram-lab " + strings.Join(os.Args[1:], " ")
			o.Relay = o.Relay || os.Geteuid() != 0
			return linklab.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Quick, "quick", false, "under a minute: small amounts, Trạm alone unless --peer says more")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "scenarios to run")
	cmd.Flags().StringSliceVar(&o.Peers, "peer", nil, "peers to run")
	cmd.Flags().StringSliceVar(&o.Congestion, "cc", []string{"cubic", "bbr"}, "congestion controls of both hosts; scenarios that do not depend on it run with the first")
	cmd.Flags().IntVar(&o.Jobs, "jobs", 12, "slow lines that run side by side")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "decides documents and losses")
	cmd.Flags().StringVar(&o.Markdown, "markdown", "", "file in which the table is replaced")
	cmd.Flags().BoolVar(&o.Relay, "relay", false, "use the relay even as root")
	cmd.AddCommand(tableCommand())
	return cmd
}

func tableCommand() *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use:   "table",
		Short: "Turns the JSON lines of link on standard input into a Markdown table",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			figures, err := linklab.Read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			table := linklab.Table(figures)
			if into != "" {
				return linklab.Into(into, table)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), table)
			return err
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "file in which the table is replaced")
	return cmd
}
