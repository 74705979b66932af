// Package trust holds whom an office trusts for signatures in attachments: a
// folder of authorities, a folder of revocation lists, and, where there is a
// link, the OCSP services that certificates name.
//
// It promises that
//
//   - only certificates in the folder of anchors end a chain; one that is not
//     self-signed only completes chains;
//   - files may be put in and taken out while the program runs; what cannot be
//     read is left out and logged once;
//   - it fetches nothing but OCSP answers, and only about certificates whose
//     chain ends at an anchor, since agent/docsign asks about no others.
package trust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/docsign"
)

// Folders below the data folder when the settings name no others.
const (
	AnchorsDir = "trust/anchors"
	ListsDir   = "trust/crl"
)

// Limits. What exceeds one is left out, which can only make verdicts weaker.
const (
	// MaxFiles is the largest number of files of a folder that are read, in
	// the order of their names.
	MaxFiles = 512
	// MaxCertificate is the largest file of certificates, in bytes.
	MaxCertificate = 1 << 20
	// lookEvery is how often the folders are looked at again.
	lookEvery = 10 * time.Second
)

// Options of a [Store]. Anchors and Lists are paths of a folder, or of a single
// file; "" for none.
type Options struct {
	Anchors string
	Lists   string
	OCSP    *Asker           // nil asks nobody
	Logger  *slog.Logger     // nil discards
	Now     func() time.Time // nil: time.Now
}

// Store is safe for concurrent use.
type Store struct {
	o Options

	mu      sync.Mutex
	looked  time.Time // on the monotonic clock
	mark    string
	anchors []*x509.Certificate
	between []*x509.Certificate
	lists   []listFile
}

// listFile is a revocation list in its folder, read again when it is needed:
// lists of large authorities would fill the memory of small machines.
type listFile struct {
	path   string
	issuer []byte // DER of the name
	issued time.Time
}

// New makes a Store. Folders that do not exist are as empty ones.
func New(o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{o: o}
}

// Terms are the options for a check now, with a mark that changes when anchors
// or lists do.
func (s *Store) Terms() (docsign.Options, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	return docsign.Options{
		Anchors: slices.Clone(s.anchors), Intermediates: slices.Clone(s.between), Revocations: s, Now: s.o.Now(),
	}, s.mark
}

// Lookup gives the lists of the issuer, the newest first, then an answer over
// the network.
func (s *Store) Lookup(ctx context.Context, cert, issuer *x509.Certificate) ([]docsign.Evidence, error) {
	s.mu.Lock()
	var paths []string
	for _, l := range s.lists {
		if bytes.Equal(l.issuer, issuer.RawSubject) && len(paths) < docsign.MaxEvidence/2 {
			paths = append(paths, l.path)
		}
	}
	s.mu.Unlock()
	var all []docsign.Evidence
	for _, path := range paths {
		if list, err := readList(path); err == nil {
			all = append(all, docsign.Evidence{CRL: list, Origin: filepath.Base(path)})
		}
	}
	if s.o.OCSP == nil {
		return all, nil
	}
	if answer, err := s.o.OCSP.Ask(ctx, cert, issuer); err == nil {
		all = append(all, docsign.Evidence{OCSP: answer, Origin: "network"})
	}
	return all, nil
}

// look reads the folders when they have changed. The caller holds mu.
func (s *Store) look() {
	if !s.looked.IsZero() && time.Since(s.looked) < lookEvery {
		return
	}
	s.looked = time.Now()
	anchors, lists := s.files(s.o.Anchors), s.files(s.o.Lists)
	sum := sha256.New()
	for _, f := range slices.Concat(anchors, lists) {
		fmt.Fprintf(sum, "%q %d %d\n", f.path, f.size, f.changed.UnixNano())
	}
	mark := hex.EncodeToString(sum.Sum(nil)[:8])
	if mark == s.mark {
		return
	}
	s.mark, s.anchors, s.between, s.lists = mark, nil, nil, nil
	for _, f := range anchors {
		s.takeCertificates(f.path)
	}
	for _, f := range lists {
		list, err := readList(f.path)
		if err != nil {
			s.o.Logger.Warn("revocation list left out", "file", f.path, "error", err)
			continue
		}
		s.lists = append(s.lists, listFile{f.path, list.Issuer, list.ThisUpdate})
	}
	slices.SortStableFunc(s.lists, func(a, b listFile) int { return b.issued.Compare(a.issued) })
}

type found struct {
	path    string
	size    int64
	changed time.Time
}

// files lists a folder, or the one file.
func (s *Store) files(path string) []found {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		return []found{{path, info.Size(), info.ModTime()}}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		s.o.Logger.Warn("folder not read", "folder", path, "error", err)
		return nil
	}
	var all []found
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") || len(all) == MaxFiles {
			continue
		}
		all = append(all, found{filepath.Join(path, e.Name()), info.Size(), info.ModTime()})
	}
	return all
}

// takeCertificates reads a file of certificates in PEM or DER.
func (s *Store) takeCertificates(path string) {
	raw, err := readFile(path, MaxCertificate)
	if err == nil {
		var certs []*x509.Certificate
		certs, err = parseCertificates(raw)
		for _, c := range certs {
			if bytes.Equal(c.RawSubject, c.RawIssuer) {
				s.anchors = append(s.anchors, c)
			} else {
				s.between = append(s.between, c)
			}
		}
	}
	if err != nil {
		s.o.Logger.Warn("certificate left out", "file", path, "error", err)
	}
}

func parseCertificates(raw []byte) ([]*x509.Certificate, error) {
	if !bytes.Contains(raw, []byte("-----BEGIN ")) {
		return x509.ParseCertificates(raw)
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, nil
}

func readList(path string) (*docsign.CRL, error) {
	raw, err := readFile(path, docsign.MaxCRL)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	return docsign.ParseCRL(raw)
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", filepath.Base(path), limit)
	}
	return raw, err
}
