package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/countersign"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

func auditCommand(c *cli.Console) *cobra.Command {
	return cli.AuditCommand(c, func(cmd *cobra.Command) (*sqlite.DB, error) {
		if !identity.Exists(c.Data) {
			return nil, identity.None(c.Data)
		}
		if _, err := os.Stat(filepath.Join(c.Data, agent.DatabaseFile)); errors.Is(err, os.ErrNotExist) {
			return nil, problem.New(problem.NotFound, "cli.audit-none", "data", i18n.Args{"dir": c.Data}).Because(err)
		}
		return agent.OpenDB(cmd.Context(), c.Data, sqlite.Options{ReadOnly: true})
	}, countersigned(c))
}

// countersigned checks countersignatures with the hub's key, as this office
// knows it.
func countersigned(c *cli.Console) cli.CheckCountersignature {
	return func(_ context.Context, db *sqlite.DB) (func(audit.Countersignature) error, error) {
		id, err := identity.Load(c.Data)
		if err != nil {
			return nil, err
		}
		offices, err := registry.New(db, id.Trust.Authority.PublicKey, registry.Options{})
		if err != nil {
			return nil, err
		}
		return countersign.Checker(countersign.Keys(offices)), nil
	}
}
