package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/docsign"
)

// Limits of the folders. What exceeds one is left out, which can only make
// verdicts weaker.
const (
	// MaxFiles is the largest number of files of a folder that are read, in
	// the order of their names.
	MaxFiles = 512
	// MaxCertificate is the largest file of certificates, in bytes.
	MaxCertificate = 1 << 20
)

// listFile is a revocation list in its folder, read again when it is needed:
// lists of large authorities would fill the memory of small machines.
type listFile struct {
	found
	issuer []byte // DER of the name
	issued time.Time
	ends   time.Time // when it runs out
}

// source tells where a list is from, for the report, and when its server was
// asked last, zero for never.
func (l listFile) source() (origin string, checked time.Time) {
	if !l.fetched {
		return filepath.Base(l.path), time.Time{}
	}
	n := readNote(l.path)
	return cmp.Or(n.URL, docsign.OriginNetwork), n.Checked
}

// look reads the folders when they have changed. The caller holds mu.
func (s *Store) look() {
	if !s.looked.IsZero() && time.Since(s.looked) < lookEvery {
		return
	}
	s.looked = time.Now()
	anchors, lists, fetched := s.inFolder(s.o.Anchors), s.inFolder(s.o.Lists), s.inFetched()
	sum := sha256.New()
	for _, f := range slices.Concat(anchors, lists, fetched) {
		fmt.Fprintf(sum, "%q %d %d\n", f.path, f.size, f.changed.UnixNano())
	}
	files := hex.EncodeToString(sum.Sum(nil)[:8])
	if files == s.files {
		return
	}
	s.files, s.anchors, s.between = files, nil, nil
	for _, f := range s.bounded(anchors) {
		s.takeCertificates(f.path)
	}
	before := map[found]listFile{}
	for _, l := range s.lists {
		before[l.found] = l
	}
	s.lists = nil
	for _, f := range slices.Concat(s.bounded(lists), fetched) {
		l, ok := before[f]
		if !ok {
			list, err := readList(f.path)
			if err != nil {
				s.o.Logger.Warn("revocation list left out", "file", f.path, "error", err)
				continue
			}
			l = listFile{found: f, issuer: bytes.Clone(list.Issuer), issued: list.ThisUpdate, ends: ends(list)}
		}
		s.lists = append(s.lists, l)
	}
	slices.SortStableFunc(s.lists, func(a, b listFile) int { return b.issued.Compare(a.issued) })
}

// bounded keeps MaxFiles.
func (s *Store) bounded(all []found) []found {
	if len(all) <= MaxFiles {
		return all
	}
	s.o.Logger.Warn("folder has more files than are read", "folder", filepath.Dir(all[0].path), "files", MaxFiles)
	return all[:MaxFiles]
}

// found is a file as the folder tells it.
type found struct {
	path    string
	size    int64
	changed time.Time
	fetched bool
}

// inFolder lists a folder up to one file more than is read, or the one file.
func (s *Store) inFolder(path string) []found {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		return []found{{path: path, size: info.Size(), changed: info.ModTime()}}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		s.o.Logger.Warn("folder not read", "folder", path, "error", err)
		return nil
	}
	var all []found
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") || len(all) > MaxFiles {
			continue
		}
		all = append(all, found{path: filepath.Join(path, e.Name()), size: info.Size(), changed: info.ModTime()})
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
			if selfSigned(c) {
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

// selfSigned tells an anchor from a certificate that an authority issued to
// itself for its next key, which has the same name twice as well.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
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
	return parseList(raw)
}

// parseList reads a list in PEM or DER.
func parseList(raw []byte) (*docsign.CRL, error) {
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
