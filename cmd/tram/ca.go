package main

import (
	"encoding/pem"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/identity"
	"tram/cmd/internal/cli"
)

// caCommand prints the certificate that other tools need to check seals.
func caCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "ca", Short: "tram.ca.short", Args: cli.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			id, err := identity.Load(c.Data)
			if err != nil {
				return err
			}
			var text []byte
			for _, ca := range id.Trust.Issuers() {
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})...)
			}
			return c.Print(map[string]string{"ca": string(text)}, func(w io.Writer) { _, _ = w.Write(text) })
		},
	}
}
