package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/seal"
)

// sealKinds are the key types of seals, with their names for openssl speed.
var sealKinds = []struct {
	name string
	line string // of openssl speed -mr
	make func() (crypto.Signer, error)
}{
	{"ecdsap256", "+F4:", func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	{"rsa2048", "+F2:", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }},
}

func benchSealCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "Seals and verifies documents, beside openssl speed for the same keys",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := bench{command: fmt.Sprintf("tram-lab bench seal --count %d", count)}
			b.prints(cmd)
			return b.seals(cmd.Context(), count)
		},
	}
	cmd.Flags().IntVar(&count, "count", 10_000, "round trips for each key type")
	return cmd
}

// seals measures, for each key type, whole seals: manifest, signature and zip
// made, and read, verified and judged again, on one core. openssl speed in the
// same run, by the clock on the wall as well, says how much of that is the bare
// arithmetic of the signature.
func (b *bench) seals(ctx context.Context, count int) error {
	for _, kind := range sealKinds {
		s, roots, err := benchSealer(kind.make)
		if err != nil {
			return err
		}
		sealing, verifying, err := roundTrips(ctx, s, roots, count)
		if err != nil {
			return err
		}
		sign, verify, err := opensslSpeed(ctx, kind.name, kind.line)
		if err != nil {
			return err
		}
		both := func(a, b float64) float64 { return 1 / (1/a + 1/b) }
		n := float64(count)
		for _, f := range []struct {
			what        string
			ours, peers float64
		}{
			{"seals made", n / sealing.Seconds(), sign},
			{"seals verified", n / verifying.Seconds(), verify},
			{"seal and verify round trips", n / (sealing + verifying).Seconds(), both(sign, verify)},
		} {
			peer := fmt.Sprintf("openssl speed %s: %.0f/s", kind.name, f.peers)
			if err := b.figure(f.what+", "+kind.name, f.ours, "per second", "", peer); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchSealer makes a CA and an office's seal under it.
func benchSealer(makeKey func() (crypto.Signer, error)) (seal.Sealer, *x509.CertPool, error) {
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return seal.Sealer{}, nil, err
	}
	key, err := makeKey()
	if err != nil {
		return seal.Sealer{}, nil, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
	}
	office := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "UBND", SerialNumber: "H40.12", OrganizationalUnit: []string{"seal"}},
		KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
	}
	var certs []*x509.Certificate
	for _, c := range []struct {
		template *x509.Certificate
		public   crypto.PublicKey
	}{{ca, root.Public()}, {office, key.Public()}} {
		der, err := x509.CreateCertificate(rand.Reader, c.template, ca, c.public, root)
		if err != nil {
			return seal.Sealer{}, nil, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return seal.Sealer{}, nil, err
		}
		certs = append(certs, cert)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certs[0])
	return seal.Sealer{Key: key, Cert: certs[1]}, pool, nil
}

// roundTrips seals a document with one attachment and verifies it, count times.
func roundTrips(ctx context.Context, s seal.Sealer, roots *x509.CertPool, count int) (sealing, verifying time.Duration, err error) {
	message := make([]byte, 4<<10)
	files := []seal.File{{Name: "letter.pdf", MediaType: "application/pdf", SHA256: sha256.Sum256(message), Size: 100_000}}
	for i := range count {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		copy(message, strconv.Itoa(i)) // no two alike
		begin := time.Now()
		head, err := s.Seal(seal.Named{Name: seal.MessageName, Data: message}, files)
		if err != nil {
			return 0, 0, err
		}
		middle := time.Now()
		opened, err := seal.OpenHead(head, roots, middle)
		if err != nil || opened.Verdict.Result != seal.Passed {
			return 0, 0, fmt.Errorf("verify seal %d: %s %s: %w", i, opened.Verdict.Result, opened.Verdict.Reason, err)
		}
		sealing, verifying = sealing+middle.Sub(begin), verifying+time.Since(middle)
	}
	return sealing, verifying, nil
}

// opensslSpeed gives signatures and verifications a second of openssl itself.
func opensslSpeed(ctx context.Context, name, line string) (sign, verify float64, err error) {
	out, err := exec.CommandContext(ctx, "openssl", "speed", "-elapsed", "-mr", "-seconds", "3", name).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("run openssl speed %s: %w", name, err)
	}
	for text := range strings.Lines(string(out)) {
		if !strings.HasPrefix(text, line) {
			continue
		}
		fields := strings.Split(strings.TrimSpace(text), ":")
		if len(fields) != 5 {
			break
		}
		s, errS := strconv.ParseFloat(fields[3], 64)
		v, errV := strconv.ParseFloat(fields[4], 64)
		if errS == nil && errV == nil && s > 0 && v > 0 {
			return s, v, nil
		}
	}
	return 0, 0, fmt.Errorf("read openssl speed %s: no line %q in its answer", name, line)
}
