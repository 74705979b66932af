// Package software keeps the releases of the office's program that a hub has, and
// brings them to those below it, ring by ring.
//
// It promises that
//
//   - a release is taken in only with the signature of the province's software key,
//     and each program only with the digest that it signs;
//   - a release opens for the offices that are named, then for a share of all that is
//     the same in every hub, then for all; and by itself for the next ring only when
//     of the last no more than the share that was said has taken it back or is silent;
//   - each neighbour is sent the newest release that is open for it, once, for its own
//     platform; what is paused or withdrawn goes no further, and what was on its way is
//     taken back;
//   - a hub below is sent every program and the plan, and tells how far it has come.
package software

import (
	"context"
	"crypto/ecdsa"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("software", migrations)

const (
	// DefaultMost is how many percent of a ring may fail or be silent when nothing is said.
	DefaultMost = 5
	// DefaultPercent is the share of ring 1 when nothing is said.
	DefaultPercent = 10
	// Silence is how long an office that was sent a release may say nothing of it before
	// it counts as silent.
	Silence = 48 * time.Hour
	// Repeat is how long a neighbour that has taken a release over has for saying what
	// became of it, before it is sent again.
	Repeat = 14 * 24 * time.Hour
	// MaxList is how many releases a list has at most.
	MaxList = 200
)

// Options configure Software.
type Options struct {
	DB        *sqlite.DB // opened with Schema
	Blobs     *blob.Store
	Code      string            // of this hub
	Authority *ecdsa.PrivateKey // signs warrants, as it does cards
	Now       func() time.Time
}

// Software is the releases of one hub. Safe for concurrent use.
type Software struct{ o Options }

// New makes a Software.
func New(o Options) *Software {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Software{o}
}

// Kept is the programs of a release that are in the store of content, not yet named by
// a row.
type Kept struct {
	manifest release.Manifest
	signed   []byte
	key      bundle.Key
	objects  []bundle.Object
	contents []blob.Content
}

// Keep checks the programs of a signed release and brings them into the store of
// content, in the form in which they travel. open is called for each in turn.
func (s *Software) Keep(m release.Manifest, signed []byte, open func(i int) (io.ReadCloser, error)) (Kept, error) {
	key, err := bundle.NewKey()
	if err != nil {
		return Kept{}, err
	}
	k := Kept{manifest: m, signed: signed, key: key}
	for i, f := range m.Files {
		object, content, err := s.keepOne(key, f, func() (io.ReadCloser, error) { return open(i) })
		if err != nil {
			return Kept{}, err
		}
		k.objects, k.contents = append(k.objects, object), append(k.contents, content)
	}
	return k, nil
}

func (s *Software) keepOne(key bundle.Key, f release.File, open func() (io.ReadCloser, error)) (o bundle.Object, c blob.Content, err error) {
	src, err := open()
	if err != nil {
		return o, c, err
	}
	defer src.Close()
	w, err := s.o.Blobs.Create()
	if err != nil {
		return o, c, err
	}
	defer w.Abort()
	plain, feed := io.Pipe()
	checked := make(chan error, 1)
	go func() {
		err := f.Copy(feed, src)
		feed.CloseWithError(err)
		checked <- err
	}()
	encoding, err := key.Encrypt(w, plain, bundle.RoleProgram)
	_ = plain.CloseWithError(err)
	if err := errors.Join(<-checked, err); err != nil {
		return o, c, err
	}
	if c, err = w.Commit(); err != nil {
		return o, c, err
	}
	return bundle.Object{SHA256: c.SHA256, Size: c.Size, Role: bundle.RoleProgram, Encoding: encoding}, c, nil
}

// put writes a release that is not here yet. One of the same serial or version that
// was signed otherwise is a Conflict.
func (s *Software) put(tx *sqlite.Tx, k Kept, origin string) (added bool, err error) {
	m := k.manifest
	var there []byte
	err = tx.QueryRow(`SELECT release FROM software_releases WHERE serial = ? OR version = ?`, int64(m.Serial), m.Version.String()).Scan(&there)
	switch {
	case err == nil && string(there) == string(k.signed):
		return false, nil
	case err == nil:
		return false, problem.New(problem.Conflict, "software.version-taken", "version", i18n.Args{"version": m.Version.String()})
	case !errors.Is(err, sql.ErrNoRows):
		return false, err
	}
	if _, err := tx.Exec(`INSERT INTO software_releases (serial, version, release, key, origin, at) VALUES (?, ?, ?, ?, ?, ?)`,
		int64(m.Serial), m.Version.String(), k.signed, k.key.Secret(), origin, tx.Now()); err != nil {
		return false, err
	}
	for n, o := range k.objects {
		var inline any
		if k.contents[n].Inline != nil {
			inline = k.contents[n].Inline
		}
		if _, err := tx.Exec(`INSERT INTO software_files (serial, n, sha256, size, encoding, inline) VALUES (?, ?, ?, ?, ?, ?)`,
			int64(m.Serial), n, o.SHA256[:], o.Size, int(o.Encoding), inline); err != nil {
			return false, err
		}
	}
	return true, nil
}

// Uses tells whether a release needs content of the store.
func (s *Software) Uses(ctx context.Context, sha [32]byte) (used bool, err error) {
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM software_files f JOIN software_releases r USING (serial) WHERE f.sha256 = ? AND r.withdrawn = 0)`, sha[:]).Scan(&used)
	})
	return used, err
}

// Add takes a release in that was made here, or comes by file.
func (s *Software) Add(ctx context.Context, k Kept, by string) (Release, error) {
	err := s.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		added, err := s.put(tx, k, s.o.Code)
		if err != nil || !added {
			return err
		}
		return note(tx, by, "software.added", k.manifest.Version.String(), nil)
	})
	if err != nil {
		return Release{}, saving(err)
	}
	return s.Show(ctx, k.manifest.Version.String())
}

// TakeAbove takes in what the hub above has sent: a release with its programs, or the
// news of its plan. What is not ready to be kept is found by [Software.Has].
func (s *Software) TakeAbove(tx *sqlite.Tx, above string, k *Kept, p release.Plan) error {
	detail := map[string]string{"ring": fmt.Sprint(p.Ring), "stopped": fmt.Sprint(p.Stopped)}
	if k != nil {
		if _, err := s.put(tx, *k, above); err != nil {
			return err
		}
	}
	named, err := encodeNamed(p.Named)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE software_releases SET aim = ?2, opened = CASE WHEN ring = ?2 THEN opened ELSE ?6 END, ring = ?2, named = ?3, percent = ?4, most = 100, paused = ?5 WHERE serial = ?1`,
		int64(p.Serial), p.Ring, named, p.Percent, p.Stopped, tx.Now()); err != nil {
		return err
	}
	return note(tx, above, "software.taken", fmt.Sprint(p.Serial), detail)
}

// Has tells whether a release is here.
func (s *Software) Has(ctx context.Context, serial uint64) (has bool, err error) {
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM software_releases WHERE serial = ?)`, int64(serial)).Scan(&has)
	})
	return has, err
}

func note(tx *sqlite.Tx, by, action, subject string, detail map[string]string) error {
	return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: subject, Detail: detail})
}

func saving(err error) error {
	var p *problem.Problem
	switch {
	case err == nil || errors.As(err, &p):
		return err
	case errors.Is(err, storage.ErrFull):
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	return fmt.Errorf("save release: %w", err)
}
