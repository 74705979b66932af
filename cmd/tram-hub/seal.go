package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// sealCommand issues certificates for further seals of offices.
func sealCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "seal", Short: "hub.seal.short"}
	var role, out string
	q := ca.SealRequest{By: "cli"}
	issue := &cobra.Command{Use: "issue REQUEST", Short: "hub.seal.issue.short", Long: "hub.seal.issue.long", Args: cli.Args(1, 1)}
	f := issue.Flags()
	f.StringVar(&q.Code, "code", "", "hub.seal.code")
	f.StringVar(&role, "role", string(seal.RoleAgency), "hub.seal.role")
	f.StringVar(&q.Person, "person", "", "hub.seal.person")
	f.StringVar(&out, "out", "", "hub.seal.out")
	for _, name := range []string{"code", "out"} {
		if err := issue.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	issue.RunE = func(cmd *cobra.Command, args []string) (err error) {
		q.Role = seal.Role(role)
		if q.Request, err = readLimited(args[0], ca.MaxSealRequest); err != nil {
			return err
		}
		made, err := issueSeal(cmd.Context(), c, q)
		if err != nil {
			return err
		}
		if err := fsx.WriteFile(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate}), 0o644); err != nil {
			return err
		}
		return c.Print(made, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.seal.done", i18n.Args{"code": made.Code, "name": made.Name, "role": c.T("seal.role." + made.Role),
				"person": made.Person, "until": made.Until.Local().Format("02/01/2006"), "file": out}))
		})
	}
	group.AddCommand(issue)
	return group
}

// issueSeal asks the running hub, or works on the data folder when none runs.
func issueSeal(ctx context.Context, c *cli.Console, q ca.SealRequest) (hub.SealIssued, error) {
	caller := api.NewCaller(c.Data, hub.SocketName)
	defer caller.Close()
	var made hub.SealIssued
	err := caller.Call(ctx, http.MethodPost, "/v1/seals", q, &made)
	if err == nil || !stopped(err) {
		return made, err
	}
	err = withHub(ctx, c, func(h *hub.Hub) (err error) {
		made, err = h.IssueSeal(ctx, q)
		return err
	})
	return made, err
}
