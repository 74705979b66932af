package trust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"tram/agent/docsign"
	"tram/storage/fsx"
)

// Limits of fetched lists.
const (
	// MaxFetched is the largest list that is fetched, in bytes. An entry takes 35
	// to 50: that is more than 300,000 revoked certificates, some ten times what
	// authorities of a country with as many officials have. A larger one belongs
	// into the folder of lists.
	MaxFetched = 16 << 20
	// RefreshAfter is how old a list may be that has not run out before its
	// server is asked for a newer one.
	RefreshAfter = 12 * time.Hour
	// MaxFetchedLists and MaxFetchedTotal bound the folder, in files and bytes.
	// Beyond them that goes which ran out first.
	MaxFetchedLists = 64
	MaxFetchedTotal = 4 * MaxFetched
	// FetchedLife is how long a list is kept after it has run out: what it
	// revokes stays revoked, and documents from before are checked by it.
	FetchedLife = 90 * 24 * time.Hour

	// fetchStall is how long a download may stand still.
	fetchStall = 30 * time.Second
	// fetchTimeout is how long it may take: what MaxFetched takes at 150 kbit/s.
	fetchTimeout = 15 * time.Minute
	// maxRedirects is how many redirections are followed.
	maxRedirects = 2
	// maxValidator is the longest ETag or date that is kept, in bytes.
	maxValidator = 256
	// maxNote is the largest note beside a list, in bytes.
	maxNote = 4 << 10
)

var (
	errOffline = errors.New("no line that costs nothing")
	errSame    = errors.New("list is as it was")
	errRanOut  = errors.New("list has run out")
)

// note is what is kept beside a fetched list.
type note struct {
	URL      string    `json:"url"`
	SHA256   string    `json:"sha256"` // of the list that the validators are of
	ETag     string    `json:"etag,omitempty"`
	Modified string    `json:"modified,omitempty"` // as the server wrote it
	Checked  time.Time `json:"checked"`            // when the server was asked last
}

// fetchedName is the name of a fetched list. It is made of digests: nothing of
// it is foreign.
var fetchedName = regexp.MustCompile(`^[0-9a-f]{64}\.crl$`)

// fetchedPath is where the list of an issuer from an address is kept. The key
// tells authorities of one name apart.
func (s *Store) fetchedPath(issuer *x509.Certificate, address string) string {
	sum := sha256.New()
	for _, part := range [][]byte{issuer.RawSubject, issuer.RawSubjectPublicKeyInfo, []byte(address)} {
		fmt.Fprintf(sum, "%d ", len(part))
		sum.Write(part)
	}
	return filepath.Join(s.o.Fetched, hex.EncodeToString(sum.Sum(nil))+".crl")
}

// inFetched lists the fetched lists.
func (s *Store) inFetched() []found {
	if s.o.Fetched == "" {
		return nil
	}
	entries, err := os.ReadDir(s.o.Fetched)
	if err != nil {
		return nil
	}
	var all []found
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && fetchedName.MatchString(e.Name()) {
			all = append(all, found{path: filepath.Join(s.o.Fetched, e.Name()), size: info.Size(), changed: info.ModTime(), fetched: true})
		}
	}
	return all
}

func notePath(list string) string { return strings.TrimSuffix(list, ".crl") + ".json" }

// readNote gives the note beside a list, an empty one when it has none.
func readNote(list string) note {
	var n note
	raw, err := readFile(notePath(list), maxNote)
	if err != nil || json.Unmarshal(raw, &n) != nil {
		return note{}
	}
	return n
}

func writeNote(list string, n note) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return fsx.WriteFile(notePath(list), append(raw, '\n'), 0o600)
}

// fetchFor fetches a list for what is wanted, unless one has come meanwhile.
func (s *Store) fetchFor(ctx context.Context, w *want) error {
	from := slices.DeleteFunc(addresses(w.cert.CRLDistributionPoints), s.asker.isQuiet)
	if s.o.Fetched == "" || len(from) == 0 || !s.asker.online() {
		return errSilent
	}
	if _, fresh := s.known(w.cert, w.issuer); fresh {
		return nil
	}
	var err error
	for _, one := range from {
		err = s.fetch(ctx, one, w.cert, w.issuer)
		if err == nil {
			if _, fresh := s.known(w.cert, w.issuer); !fresh { // it is the list of others, as it was
				err = fmt.Errorf("%w: list does not speak about the certificate", errRefused)
			}
		}
		switch {
		case err == nil:
			s.asker.heard(one)
			return nil
		case ctx.Err() != nil, errors.Is(err, errOffline):
			return err
		}
		s.asker.failed(one, err)
		s.o.Logger.Warn("revocation list not fetched", "address", one, "error", err)
	}
	return err
}

// fetch gets the list of an issuer from an address and keeps it, when it is
// newer than the one that is kept. A list that has run out is kept as well, for
// what it revokes, but is no success.
func (s *Store) fetch(ctx context.Context, from string, cert, issuer *x509.Certificate) error {
	if err := s.prepare(); err != nil {
		return err
	}
	path := s.fetchedPath(issuer, from)
	kept, n := s.kept(path, issuer)
	raw, n, err := s.asker.download(ctx, from, n)
	now := s.o.Now()
	n.Checked = now
	switch {
	case errors.Is(err, errSame):
		if err := writeNote(path, n); err != nil {
			return err
		}
		return ranOut(kept, now)
	case err != nil:
		return err
	}
	list, err := parseList(raw)
	if err == nil {
		err = s.acceptable(list, kept, cert, issuer)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	sum := sha256.Sum256(list.Raw)
	n.SHA256 = hex.EncodeToString(sum[:])
	// A note without its list, after a power cut, only means asking anew.
	if err := writeNote(path, n); err != nil {
		return err
	}
	if kept == nil || !bytes.Equal(kept.Raw, list.Raw) {
		if err := fsx.WriteFile(path, list.Raw, 0o600); err != nil {
			return err
		}
		s.o.Logger.Info("revocation list fetched", "address", from, "bytes", len(list.Raw), "issued", list.ThisUpdate)
	}
	s.tidy(path)
	return ranOut(list, now)
}

// prepare makes the folder and sees that the disk has room.
func (s *Store) prepare() error {
	if err := fsx.MkdirAll(fsx.OS, s.o.Fetched, 0o700); err != nil {
		return err
	}
	if free, _, err := fsx.OS.Usage(s.o.Fetched); err == nil && free < s.o.Reserve+MaxFetched {
		return errors.New("too little room on the disk")
	}
	return nil
}

// kept is the list that a file holds, with the validators that go with it; nil
// when there is none that can be used.
func (s *Store) kept(path string, issuer *x509.Certificate) (*docsign.CRL, note) {
	list, err := readList(path)
	if err != nil || list.From(issuer) != nil {
		return nil, note{}
	}
	n := readNote(path)
	if sum := sha256.Sum256(list.Raw); n.SHA256 != hex.EncodeToString(sum[:]) {
		n = note{}
	}
	return list, n
}

// acceptable holds a list to its issuer, to the certificate that named it, to
// the time, and to the one that is kept.
func (s *Store) acceptable(list, kept *docsign.CRL, cert, issuer *x509.Certificate) error {
	if err := list.About(cert); err != nil {
		return err
	}
	if err := list.From(issuer); err != nil {
		return err
	}
	now := s.o.Now()
	if list.ThisUpdate.After(now.Add(docsign.ClockTolerance)) {
		return errors.New("list is from the future")
	}
	if kept != nil && older(list, kept, now) {
		return errors.New("list is older than the one that is kept")
	}
	return nil
}

// older reports whether a list must not take the place of the one that is kept:
// an earlier time, or a lower number while the kept one has not run out. An
// authority that begins to count anew is heard again after that.
func older(list, kept *docsign.CRL, now time.Time) bool {
	if list.ThisUpdate.Before(kept.ThisUpdate) {
		return true
	}
	lower := list.Number != nil && kept.Number != nil && list.Number.Cmp(kept.Number) < 0
	return lower && (list.ThisUpdate.Equal(kept.ThisUpdate) || now.Before(ends(kept)))
}

func ranOut(list *docsign.CRL, now time.Time) error {
	if list == nil || !now.Before(ends(list)) {
		return errRanOut
	}
	return nil
}

// tidy looks at the folder anew and removes what has long run out, and what is
// too much. The list just written stays.
func (s *Store) tidy(written string) {
	s.mu.Lock()
	s.looked = time.Time{}
	s.look()
	readable := map[string]listFile{}
	for _, l := range s.lists {
		readable[l.path] = l
	}
	s.mu.Unlock()
	all := s.inFetched()
	slices.SortFunc(all, func(a, b found) int { return readable[b.path].ends.Compare(readable[a.path].ends) })
	left, room := MaxFetchedLists-1, int64(MaxFetchedTotal-MaxFetched) // beside the one written
	for _, f := range all {
		if f.path == written {
			continue
		}
		if left > 0 && room >= f.size && s.o.Now().Sub(readable[f.path].ends) <= FetchedLife {
			left, room = left-1, room-f.size
			continue
		}
		if err := errors.Join(remove(f.path), remove(notePath(f.path))); err != nil {
			s.o.Logger.Warn("old revocation list not removed", "file", f.path, "error", err)
		}
	}
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// download gets a list, unless it is the one whose validators n has: errSame.
// The note that it returns has those of the new one.
func (a *asker) download(ctx context.Context, from string, n note) ([]byte, note, error) {
	if !a.online() {
		return nil, n, errOffline
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	stalled := time.AfterFunc(a.stall, cancel)
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, n, err
	}
	conditional := n.ETag != "" || n.Modified != ""
	if n.ETag != "" {
		req.Header.Set("If-None-Match", n.ETag)
	}
	if n.Modified != "" {
		req.Header.Set("If-Modified-Since", n.Modified)
	}
	resp, err := a.lists.Do(req)
	if err != nil {
		return nil, n, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && conditional:
		return nil, n, errSame
	case resp.StatusCode != http.StatusOK:
		return nil, n, fmt.Errorf("fetch list: status %d", resp.StatusCode)
	case resp.ContentLength > MaxFetched:
		return nil, n, errTooLarge
	}
	raw, err := io.ReadAll(io.LimitReader(readerFunc(func(p []byte) (int, error) {
		if !a.online() {
			return 0, errOffline
		}
		read, err := resp.Body.Read(p)
		stalled.Reset(a.stall)
		return read, err
	}), MaxFetched+1))
	if err == nil && len(raw) > MaxFetched {
		err = errTooLarge
	}
	return raw, note{URL: from, ETag: validator(resp, "ETag"), Modified: validator(resp, "Last-Modified")}, err
}

var errTooLarge = fmt.Errorf("%w: list is larger than %d bytes", errRefused, MaxFetched)

// validator is a header that may be sent back, "" for none.
func validator(resp *http.Response, name string) string {
	v := resp.Header.Get(name)
	if len(v) > maxValidator || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return v
}

// readerFunc is a function as an [io.Reader].
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
