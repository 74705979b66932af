package enroll

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// maxListed is how many files a problem names.
const maxListed = 20

// FindInvite returns the invite file that path names: path itself, or the only
// invite in that folder. Problems: invite.missing, invite.none, invite.several.
func FindInvite(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", problem.New(problem.Usage, "invite.missing", "invite", i18n.Args{"path": path}).Because(err)
	}
	if !info.IsDir() {
		return path, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", problem.New(problem.Usage, "invite.missing", "invite", i18n.Args{"path": path}).Because(err)
	}
	var found []string
	for _, e := range entries {
		// Macs leave files named "._…" on sticks.
		if e.Type().IsRegular() && strings.EqualFold(filepath.Ext(e.Name()), invite.Extension) && !strings.HasPrefix(e.Name(), ".") {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 0:
		return "", problem.New(problem.BadInvite, "invite.none", "invite", i18n.Args{"path": path})
	case 1:
		return filepath.Join(path, found[0]), nil
	}
	names := strings.Join(found[:min(len(found), maxListed)], ", ")
	if len(found) > maxListed {
		names += ", …"
	}
	return "", problem.New(problem.BadInvite, "invite.several", "invite", i18n.Args{"path": path, "count": len(found), "files": names})
}

// ReadInvite reads an invite file and checks its form and signature, not its
// dates: see CheckValidity. Problems: invite.missing, invite.unreadable,
// invite.signature, invite.version.
func ReadInvite(path string) (*invite.Invite, error) {
	inv, _, err := readInvite(path)
	return inv, err
}

func readInvite(path string) (*invite.Invite, []byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, problem.New(problem.Usage, "invite.missing", "invite", i18n.Args{"path": path}).Because(err)
	}
	if err != nil {
		return nil, nil, unreadable(err, path)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, invite.MaxInvite+1))
	if err != nil {
		return nil, nil, unreadable(err, path)
	}
	inv, err := invite.Parse(raw)
	if err != nil {
		return nil, nil, unreadable(err, path)
	}
	return inv, bytes.Clone(raw), nil
}

func unreadable(err error, path string) error {
	args := i18n.Args{"file": filepath.Base(path)}
	code := "invite.unreadable"
	switch {
	case errors.Is(err, invite.ErrSignature):
		code = "invite.signature"
	case errors.Is(err, invite.ErrVersion):
		code = "invite.version"
	}
	return problem.New(problem.BadInvite, code, "invite", args).Because(err)
}

// CheckValidity judges the end of an invite by this machine's clock: problem
// invite.expired when it has run out so long ago that no hub would have the box
// wait for a person. An invite that seems to be from the future is none of the
// invite's faults: the clock is behind, and the hub will tell the time.
func CheckValidity(inv *invite.Invite, now time.Time) error {
	if now.After(inv.NotAfter.Add(invite.Late)) {
		return problem.New(problem.BadInvite, "invite.expired", "invite", i18n.Args{
			"code": inv.Code, "to": inv.NotAfter.Format(time.DateOnly), "now": now.Format(time.DateOnly)})
	}
	return nil
}

// Fingerprint is what people compare of a CA certificate.
func Fingerprint(ca *x509.Certificate) string { return invite.Fingerprint(sha256.Sum256(ca.Raw)) }
