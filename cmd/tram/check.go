package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
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
	"tram/agent/verify"
	"tram/cmd/internal/cli"
	"tram/storage/sqlite"
)

// verifyCommand checks a container without a running service; with --ca on any
// machine.
func verifyCommand(c *cli.Console) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{Use: "verify FILE.asice", Short: "tram.verify.short", Long: "tram.verify.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&o.ca, "ca", "", "tram.verify.ca")
	cmd.Flags().StringArrayVar(&o.crls, "crl", nil, "tram.verify.crl")
	cmd.Flags().StringVar(&o.stamps, "tsa-ca", "", "tram.verify.tsa-ca")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		trust, done, err := o.trust(cmd.Context(), c)
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
		report, err := verify.Container(f, info.Size(), trust)
		if err != nil {
			return problem.New(problem.BadSeal, "tram.bad-container", "FILE", i18n.Args{"file": args[0]}).Because(err)
		}
		if err := c.Print(describe(report), func(w io.Writer) { printReport(w, report) }); err != nil {
			return err
		}
		if report.Result != seal.Passed {
			return problem.New(problem.BadSeal, "tram.seal-not-passed", "FILE", i18n.Args{
				"file": args[0], "verdict": c.T("tram.seal." + string(report.Result)), "reason": reasonText(c.Lang, report.Reason),
			})
		}
		return nil
	}
	return cmd
}

// verifyOptions are the flags of verify.
type verifyOptions struct {
	ca, stamps string
	crls       []string
}

// trust is what the flags say: the CA in the file given, or what this office
// knows. The CA of the seals counts for time stamps of hubs as well.
func (o verifyOptions) trust(ctx context.Context, c *cli.Console) (t verify.Trust, done func(), err error) {
	if t, done, err = trusted(ctx, c, o.ca); err != nil {
		return t, nil, err
	}
	t.Now = time.Now()
	if o.stamps != "" {
		if err := appendCerts(t.Stamps, o.stamps, "tsa-ca"); err != nil {
			done()
			return t, nil, err
		}
	}
	for _, file := range o.crls {
		list, err := readCRL(file)
		if err != nil {
			done()
			return t, nil, err
		}
		t.CRLs = append(t.CRLs, list)
	}
	return t, done, nil
}

// readCRL reads a revocation list in PEM or DER.
func readCRL(file string) (*x509.RevocationList, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	list, err := x509.ParseRevocationList(data)
	if err != nil {
		return nil, problem.New(problem.Usage, "tram.no-crl", "crl", i18n.Args{"file": file}).Because(err)
	}
	return list, nil
}

func appendCerts(pool *x509.CertPool, file, flag string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return unreadable(file, err)
	}
	if !pool.AppendCertsFromPEM(data) {
		return problem.New(problem.Usage, "tram.no-certificate", flag, i18n.Args{"file": file})
	}
	return nil
}

// trusted are the CAs in the file given, or for each office those of its hub, as
// this office knows it; and whom to believe time stamps by.
func trusted(ctx context.Context, c *cli.Console, file string) (t verify.Trust, done func(), err error) {
	if file == "" {
		return known(ctx, c)
	}
	pool := x509.NewCertPool()
	if err := appendCerts(pool, file, "ca"); err != nil {
		return t, nil, err
	}
	return alone(pool), func() {}, nil
}

// alone is the trust of who has a CA and no registry.
func alone(pool *x509.CertPool) verify.Trust {
	return verify.Trust{Trust: seal.Trust{Roots: seal.Only(pool), Stamps: pool.Clone()}, Vouching: true}
}

// known asks this office's registry.
func known(ctx context.Context, c *cli.Console) (t verify.Trust, done func(), err error) {
	id, err := identity.Load(c.Data)
	if err != nil {
		return t, nil, err
	}
	own := identity.Pool(id.Trust.Issuers())
	if _, err := os.Stat(filepath.Join(c.Data, agent.DatabaseFile)); errors.Is(err, os.ErrNotExist) {
		return alone(own), func() {}, nil // enrolled, not run yet
	}
	db, err := agent.OpenDB(ctx, c.Data, sqlite.Options{ReadOnly: true})
	if err != nil {
		return t, nil, err
	}
	done = func() { _ = db.Close() } // only read
	offices, err := registry.New(db, id.Trust.Authority.PublicKey, registry.Options{})
	if err != nil {
		done()
		return t, nil, err
	}
	t.Stamps = own.Clone()
	t.Roots = func(code string) *x509.CertPool {
		issuers, err := offices.Issuers(code, id.Trust.Issuers())
		if err != nil {
			return own
		}
		return identity.Pool(issuers)
	}
	return t, done, nil
}
