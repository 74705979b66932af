package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// auditResult is the JSON of "audit verify".
type auditResult struct {
	Entries int64  `json:"entries"`
	Head    string `json:"head"` // hash of the last entry, hex
}

// AuditCommand is "audit" with "audit verify", which reads the whole chain of
// the program's database. It works beside the running service.
func AuditCommand(c *Console, open func(cmd *cobra.Command) (*sqlite.DB, error)) *cobra.Command {
	group := &cobra.Command{Use: "audit", Short: "cli.audit.short"}
	group.AddCommand(&cobra.Command{
		Use: "verify", Short: "cli.audit.verify.short", Args: Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			db, err := open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			report, err := audit.Verify(cmd.Context(), db)
			var broken *audit.BrokenError
			if errors.As(err, &broken) {
				return problem.New(problem.BadSeal, "cli.audit-broken", "", i18n.Args{"seq": broken.Seq}).Because(err)
			}
			if err != nil {
				return err
			}
			result := auditResult{Entries: report.Entries, Head: fmt.Sprintf("%x", report.Head)}
			return c.Print(result, func(w io.Writer) {
				fmt.Fprintln(w, c.T("cli.audit.good", i18n.Args{"entries": result.Entries, "head": result.Head}))
			})
		},
	})
	return group
}
