package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

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
	// Up to which entry another one has countersigned, who and when.
	Countersigned int64     `json:"countersigned"`
	Witness       string    `json:"witness,omitempty"`
	WitnessedAt   time.Time `json:"witnessed_at,omitzero"`
}

// CheckCountersignature makes the check of the countersignatures in a database.
type CheckCountersignature func(ctx context.Context, db *sqlite.DB) (func(audit.Countersignature) error, error)

// AuditCommand is "audit" with "audit verify", which reads the whole chain of
// the program's database and compares it with the countersignatures. It works
// beside the running service.
func AuditCommand(c *Console, open func(cmd *cobra.Command) (*sqlite.DB, error), countersigned CheckCountersignature) *cobra.Command {
	group := &cobra.Command{Use: "audit", Short: "cli.audit.short"}
	group.AddCommand(&cobra.Command{
		Use: "verify", Short: "cli.audit.verify.short", Args: Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			db, err := open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			check, err := countersigned(cmd.Context(), db)
			if err != nil {
				return err
			}
			report, err := audit.VerifyCountersigned(cmd.Context(), db, check)
			var broken *audit.BrokenError
			if errors.As(err, &broken) {
				return problem.New(problem.BadSeal, "cli.audit-broken", "", i18n.Args{"seq": broken.Seq}).Because(err)
			}
			if err != nil {
				return err
			}
			result := auditResult{Entries: report.Entries, Head: fmt.Sprintf("%x", report.Head),
				Countersigned: report.Countersigned, Witness: report.Witness, WitnessedAt: report.WitnessedAt}
			return c.Print(result, func(w io.Writer) {
				fmt.Fprintln(w, c.T("cli.audit.good", i18n.Args{"entries": result.Entries, "head": result.Head}))
				if result.Countersigned > 0 {
					fmt.Fprintln(w, c.T("cli.audit.countersigned", i18n.Args{
						"entry": result.Countersigned, "who": result.Witness, "at": result.WitnessedAt.Local().Format("15:04 02/01/2006"),
					}))
				}
			})
		},
	})
	return group
}
