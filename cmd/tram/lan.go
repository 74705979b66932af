package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/lan"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// maxCertificate bounds what is read as a certificate, bytes.
const maxCertificate = 64 << 10

// lanCommand looks after the certificate of the pages on the local network.
func lanCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "lan", Short: "tram.lan.short"}
	group.AddCommand(lanShowCommand(c), lanRequestCommand(c), lanInstallCommand(c), lanCACommand(c))
	return group
}

func lanShowCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "tram.lan.show.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := api.NewClient(c.Data)
			defer client.Close()
			s, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return c.Print(s.Pages, func(w io.Writer) {
				if s.Pages == nil {
					fmt.Fprintln(w, c.T("tram.lan.none", i18n.Args{"address": s.UI}))
					return
				}
				fmt.Fprintln(w, s.UI)
				printCertificate(c, w, *s.Pages)
			})
		},
	}
}

func printCertificate(c *cli.Console, w io.Writer, s lan.State) {
	for _, line := range [][2]string{
		{"tram.lan.source", c.T("tram.lan.source." + string(s.Source))}, {"tram.lan.fingerprint", s.Fingerprint},
		{"tram.lan.names", strings.Join(s.Names, " ")}, {"tram.lan.issuer", s.Issuer}, {"tram.lan.until", s.Until.Local().Format("02/01/2006")},
	} {
		fmt.Fprintf(w, "  %-22s %s\n", c.T(line[0]), line[1])
	}
	if len(s.Uncovered) > 0 {
		fmt.Fprintf(w, "  %-22s %s\n", c.T("tram.lan.uncovered"), strings.Join(s.Uncovered, " "))
	}
	if s.Root != "" {
		fmt.Fprintf(w, "  %-22s %s\n%s\n", c.T("tram.lan.root"), s.Root, c.T("tram.lan.ca.hint"))
	}
}

func lanRequestCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "tram.lan.request.short", Args: cli.Args(0, 0)}
	out := cmd.Flags().String("out", "", "tram.lan.out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := api.NewClient(c.Data)
		defer client.Close()
		request, err := client.LANRequest(cmd.Context())
		if err != nil {
			return err
		}
		return hand(c, request, *out, "tram.lan.written")
	}
	return cmd
}

// hand prints what is in PEM, or writes it to a file and says so.
func hand(c *cli.Console, data []byte, file string, written string) error {
	if file == "" {
		return c.Print(api.PEM{PEM: string(data)}, func(w io.Writer) { fmt.Fprint(w, string(data)) })
	}
	if err := fsx.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return c.Print(map[string]string{"file": file}, func(w io.Writer) { fmt.Fprintln(w, c.T(written, i18n.Args{"file": file})) })
}

// lanCACommand hands out the root that PCs are to trust.
func lanCACommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "ca", Short: "tram.lan.ca.short", Args: cli.Args(0, 0)}
	out := cmd.Flags().String("out", "", "tram.lan.ca.out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := api.NewClient(c.Data)
		defer client.Close()
		root, err := client.LANRoot(cmd.Context())
		if err != nil {
			return err
		}
		c.Say("tram.lan.root-means")
		return hand(c, root, *out, "tram.lan.ca.written")
	}
	return cmd
}

func lanInstallCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "install FILE", Short: "tram.lan.install.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("read certificate: %w", err)
			}
			defer f.Close()
			chain, err := io.ReadAll(io.LimitReader(f, maxCertificate))
			if err != nil {
				return fmt.Errorf("read certificate: %w", err)
			}
			client := api.NewClient(c.Data)
			defer client.Close()
			s, err := client.LANInstall(cmd.Context(), chain)
			if err != nil {
				return err
			}
			return c.Print(s, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.lan.installed"))
				printCertificate(c, w, s)
			})
		},
	}
}
