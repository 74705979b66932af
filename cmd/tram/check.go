package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/cmd/internal/cli"
	"tram/storage/sqlite"
)

// verifyCommand checks a container without a running service.
func verifyCommand(c *cli.Console) *cobra.Command {
	var ca string
	cmd := &cobra.Command{Use: "verify FILE.asice", Short: "tram.verify.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&ca, "ca", "", "tram.verify.ca")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		roots, done, err := trusted(cmd.Context(), c, ca)
		if err != nil {
			return err
		}
		defer done()
		f, err := os.Open(args[0])
		if err != nil {
			return unreadable(args[0], err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return unreadable(args[0], err)
		}
		report, err := seal.VerifyContainerBy(f, info.Size(), roots, time.Now())
		if err != nil {
			return problem.New(problem.BadSeal, "tram.bad-container", "FILE", i18n.Args{"file": args[0]}).Because(err)
		}
		if err := c.Print(describe(report), func(w io.Writer) { printReport(c, w, report) }); err != nil {
			return err
		}
		if report.Result != seal.Passed {
			return problem.New(problem.BadSeal, "tram.seal-not-passed", "FILE", i18n.Args{
				"file": args[0], "verdict": c.T("tram.seal." + string(report.Result)), "reason": report.Reason,
			})
		}
		return nil
	}
	return cmd
}

// trusted is the CA in the file given, or for each office that of its hub, as
// this office knows it.
func trusted(ctx context.Context, c *cli.Console, file string) (roots seal.Roots, done func(), err error) {
	if file == "" {
		return known(ctx, c)
	}
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, unreadable(file, err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, problem.New(problem.Usage, "tram.no-certificate", "ca", i18n.Args{"file": file})
	}
	return seal.Only(pool), func() {}, nil
}

// known asks this office's registry.
func known(ctx context.Context, c *cli.Console) (seal.Roots, func(), error) {
	id, err := identity.Load(c.Data)
	if err != nil {
		return nil, nil, err
	}
	own := x509.NewCertPool()
	own.AddCert(id.Trust.CA)
	if _, err := os.Stat(filepath.Join(c.Data, agent.DatabaseFile)); errors.Is(err, os.ErrNotExist) {
		return seal.Only(own), func() {}, nil // enrolled, not run yet
	}
	db, err := agent.OpenDB(ctx, c.Data, sqlite.Options{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = db.Close() } // only read
	offices, err := registry.New(db, id.Trust.Authority.PublicKey, registry.Options{})
	if err != nil {
		done()
		return nil, nil, err
	}
	return func(code string) *x509.CertPool {
		issuer, err := offices.Issuer(code, id.Trust.CA)
		if err != nil {
			return own
		}
		pool := x509.NewCertPool()
		pool.AddCert(issuer)
		return pool
	}, done, nil
}

// verification is the stable JSON of `tram verify`.
type verification struct {
	Result   seal.Result   `json:"result"`
	Reason   seal.Reason   `json:"reason,omitempty"`
	Seals    []sealVerdict `json:"seals"`
	Receipts []string      `json:"receipts"` // entries that carry a signature of their own
	Unsealed []string      `json:"unsealed"` // entries that nothing protects
}

type sealVerdict struct {
	Result   seal.Result `json:"result"`
	Reason   seal.Reason `json:"reason,omitempty"`
	Code     string      `json:"code"`
	Name     string      `json:"name"`
	Role     seal.Role   `json:"role,omitempty"`
	Person   string      `json:"person,omitempty"`
	SignedAt time.Time   `json:"signed_at"`
	Issuer   string      `json:"issuer"`
	Serial   string      `json:"serial"`
	Files    []fileCheck `json:"files"`
}

type fileCheck struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	OK     bool   `json:"ok"`
}

func describe(r seal.Report) verification {
	v := verification{Result: r.Result, Reason: r.Reason, Seals: []sealVerdict{}, Receipts: []string{}, Unsealed: append([]string{}, r.Unsealed...)}
	for _, s := range r.Seals {
		d := s.Verdict
		one := sealVerdict{
			Result: d.Result, Reason: d.Reason, Code: d.Code, Name: d.Name, Role: d.Role, Person: d.Person, SignedAt: d.SignedAt,
			Issuer: d.Issuer, Serial: d.Serial, Files: []fileCheck{},
		}
		for _, f := range s.Files {
			one.Files = append(one.Files, fileCheck{f.Name, fmt.Sprintf("%x", f.SHA256), f.OK})
		}
		v.Seals = append(v.Seals, one)
	}
	for _, receipt := range r.Receipts {
		v.Receipts = append(v.Receipts, receipt.Name)
	}
	return v
}

func printReport(c *cli.Console, w io.Writer, r seal.Report) {
	for _, s := range r.Seals {
		v := s.Verdict
		fmt.Fprintf(w, "%s  %s (%s) %s %s\n", c.T("tram.seal."+string(v.Result)), cli.OneLine(sealWords(c, v.Name, string(v.Role), v.Person)), cli.OneLine(v.Code), v.SignedAt.Local().Format(clockForm), v.Reason)
		for _, f := range s.Files {
			mark := cli.Done
			if !f.OK {
				mark = cli.Failure
			}
			fmt.Fprintf(w, "  %c %s\n", mark, cli.OneLine(f.Name))
		}
	}
	for _, name := range r.Unsealed {
		fmt.Fprintf(w, "  ! %s: %s\n", cli.OneLine(name), c.T("tram.verify.unsealed"))
	}
}

func auditCommand(c *cli.Console) *cobra.Command {
	return cli.AuditCommand(c, func(cmd *cobra.Command) (*sqlite.DB, error) {
		if !identity.Exists(c.Data) {
			return nil, identity.None(c.Data)
		}
		if _, err := os.Stat(filepath.Join(c.Data, agent.DatabaseFile)); errors.Is(err, os.ErrNotExist) {
			return nil, problem.New(problem.NotFound, "cli.audit-none", "data", i18n.Args{"dir": c.Data}).Because(err)
		}
		return agent.OpenDB(cmd.Context(), c.Data, sqlite.Options{ReadOnly: true})
	})
}
