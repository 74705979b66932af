package software

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/release"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Heard notes what a neighbour below says of its software. What it said before that is
// older, in whatever order both come.
func (s *Software) Heard(tx *sqlite.Tx, from registry.Card, created time.Time, raw []byte) error {
	t, err := release.ParseTold(raw)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO software_offices (peer, code, hub, version, serial, os, arch, told, created, heard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
		ON CONFLICT (peer) DO UPDATE SET code = ?2, hub = ?3, version = ?4, os = ?6, arch = ?7, told = ?8, created = ?9, heard = ?10,
			sent = CASE WHEN ?5 < serial THEN 0 ELSE sent END, serial = ?5
		WHERE created <= ?9`,
		registry.Key(from.Code), from.Code, from.IsHub(), t.Version, int64(t.Serial), t.OS, t.Arch, string(raw), created, tx.Now())
	return err
}

// Carrier brings releases to neighbours.
type Carrier interface {
	// Send queues a bundle for peers and returns it. Who has no keys any more is left
	// out of sent; the zero ID when that is all.
	Send(tx *sqlite.Tx, peers []string, key bundle.Key, objects []bundle.Object, contents []blob.Content) (id storage.ID, sent []string, err error)
	Waits(tx *sqlite.Tx, id storage.ID, peer string) (bool, error)
	Withdraw(tx *sqlite.Tx, id storage.ID, peer string) error
}

// together is how many offices share one bundle at most.
const together = 500

// Publish opens rings and sends what is open to those who lack it. more says that
// another call may find something. Of a hub with one above, that one opens the rings.
func (s *Software) Publish(ctx context.Context, by Carrier) (more bool, err error) {
	err = s.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		more = false
		releases, err := rows(tx)
		if err != nil || len(releases) == 0 {
			return err
		}
		list, err := peers(tx)
		if err != nil {
			return err
		}
		for i := range releases {
			opened, err := s.advance(tx, &releases[i], list)
			if err != nil {
				return err
			}
			more = more || opened
		}
		groups := map[group][]peer{}
		for _, p := range list {
			g, due, err := s.due(tx, by, p, releases)
			if err != nil {
				return err
			}
			if due {
				groups[g] = append(groups[g], p)
			}
		}
		for g, to := range groups {
			if len(to) > together {
				to, more = to[:together], true
			}
			if err := s.send(tx, by, g, to, releases); err != nil {
				return fmt.Errorf("send release to %d offices: %w", len(to), err)
			}
		}
		return nil
	})
	return more, err
}

// advance opens the next ring of a release when that is due.
func (s *Software) advance(tx *sqlite.Tx, r *row, list []peer) (opened bool, err error) {
	if r.ring >= r.aim || r.paused || r.withdrawn || r.origin != s.o.Code {
		return false, nil
	}
	if r.ring >= 0 && r.hold(list, tx.Now()) != Go {
		return false, nil
	}
	r.ring++
	r.opened = tx.Now()
	if _, err := tx.Exec(`UPDATE software_releases SET ring = ?, opened = ? WHERE serial = ?`, r.ring, tx.Now(), int64(r.serial)); err != nil {
		return false, err
	}
	return true, note(tx, s.o.Code, "software.ring", r.version, map[string]string{"ring": fmt.Sprint(r.ring)})
}

// hold tells whether the ring after the last that is open may open. It waits for the
// hubs below that have not said yet for how many offices it is, unless they are silent.
func (r row) hold(list []peer, now time.Time) Hold {
	for _, p := range list {
		knows := slices.ContainsFunc(p.told.Below, func(c release.Count) bool { return c.Serial == r.serial })
		if p.hub && !knows && !p.silent(r, now) {
			return Wait
		}
	}
	c := counts(list, r, now)
	nobody := c[release.RingNamed].Offices+c[release.RingShare].Offices+c[release.RingAll].Offices == 0
	if nobody || r.ring == release.RingNamed && len(r.named) > 0 && c[release.RingNamed].Offices == 0 {
		return Wait // they have not said which software they run
	}
	return r.judge(c)
}

// judge is hold by the counts alone: all rings that are open count together.
func (r row) judge(c [release.RingAll + 1]release.Count) Hold {
	var all release.Count
	for _, n := range c[:r.ring+1] {
		n.Ring = 0
		all = sum([]release.Count{{Offices: all.Offices, Done: all.Done, Failed: all.Failed, Silent: all.Silent}, {Offices: n.Offices, Done: n.Done, Failed: n.Failed, Silent: n.Silent}}, 0, 0)
	}
	return Judge(all, r.most)
}

// group are neighbours that one bundle suits.
type group struct {
	serial   uint64
	os, arch string // of offices
	hub      string // key of a hub: it gets one of its own
	plan     string // for it
	programs bool   // it lacks them
	stop     bool   // what is on its way is not wanted any more
}

// due tells what a neighbour is to be sent now, if anything. What is on its way to it
// and not wanted any more is taken back.
func (s *Software) due(tx *sqlite.Tx, by Carrier, p peer, releases []row) (g group, due bool, err error) {
	waits := false
	if p.bundle != (storage.ID{}) {
		if waits, err = by.Waits(tx, p.bundle, p.code); err != nil {
			return g, false, err
		}
	}
	if p.hub {
		g, due, err = forHub(p, releases, waits, tx.Now())
	} else {
		g, due = forOffice(p, releases)
	}
	if err != nil {
		return g, false, err
	}
	again := p.sent == g.serial && p.plan == g.plan && due
	if again && (waits || tx.Now().Sub(p.sentAt) < Repeat) {
		return g, false, nil
	}
	if waits && (due || !p.hub || g.stop) {
		if err := by.Withdraw(tx, p.bundle, p.code); err != nil {
			return g, false, err
		}
		_, err = tx.Exec(`UPDATE software_offices SET bundle = NULL, sent = 0, plan = '' WHERE peer = ?`, p.key)
	}
	return g, due, err
}

// forOffice is the newest release that is open for an office and that it lacks.
func forOffice(p peer, releases []row) (group, bool) {
	for _, r := range releases {
		switch {
		case p.has(r):
			return group{}, false
		case !Member(r.plan(), p.code) || p.failed(r) != nil:
			continue
		}
		if _, ok := r.manifest.File(p.told.OS, p.told.Arch); ok {
			return group{serial: r.serial, os: p.told.OS, arch: p.told.Arch}, true
		}
	}
	return group{}, false
}

// forHub is the newest release that was ever opened, with its plan as it is now.
func forHub(p peer, releases []row, waits bool, now time.Time) (group, bool, error) {
	i := slices.IndexFunc(releases, func(r row) bool { return r.ring >= 0 && !(r.withdrawn && p.sent != r.serial) })
	if i < 0 {
		return group{}, false, nil
	}
	r := releases[i]
	if r.withdrawn && p.told.Serial < r.serial {
		return group{stop: true}, false, nil
	}
	plan, err := r.plan().Encode()
	lacks := p.told.Serial < r.serial && (p.sent != r.serial || waits || now.Sub(p.sentAt) >= Repeat)
	due := lacks || p.sent != r.serial || p.plan != string(plan)
	return group{serial: r.serial, hub: p.key, plan: string(plan), programs: lacks}, due, err
}

func (s *Software) send(tx *sqlite.Tx, by Carrier, g group, to []peer, releases []row) error {
	r := releases[slices.IndexFunc(releases, func(r row) bool { return r.serial == g.serial })]
	key, objects, contents, err := s.parcel(tx, g, r)
	if err != nil {
		return err
	}
	codes := make([]string, len(to))
	for i, p := range to {
		codes[i] = p.code
	}
	id, sent, err := by.Send(tx, codes, key, objects, contents)
	if err != nil {
		return err
	}
	for _, code := range sent {
		if _, err := tx.Exec(`UPDATE software_offices SET bundle = ?, sent = ?, plan = ?, sent_at = ? WHERE peer = ?`, id, int64(g.serial), g.plan, tx.Now(), registry.Key(code)); err != nil {
			return err
		}
	}
	return nil
}

// parcel is what the bundle for a group carries: the proof, the programs that it lacks,
// and for a hub the plan.
func (s *Software) parcel(tx *sqlite.Tx, g group, r row) (key bundle.Key, objects []bundle.Object, contents []blob.Content, err error) {
	if key, err = bundle.ParseKey(r.key); err != nil {
		return key, nil, nil, err
	}
	warrant, err := lastWarrant(tx)
	if err != nil {
		return key, nil, nil, err
	}
	add := func(plain []byte, role bundle.Role) {
		var sent []byte
		var o bundle.Object
		if err == nil {
			sent, o, err = key.EncryptBytes(plain, role)
			objects, contents = append(objects, o), append(contents, blob.Content{SHA256: o.SHA256, Size: o.Size, Inline: sent})
		}
	}
	add(release.Proof{Warrant: warrant, Release: r.signed}.Encode(), bundle.RoleRelease)
	for n, f := range r.manifest.Files {
		if g.hub == "" && (f.OS != g.os || f.Arch != g.arch) || g.hub != "" && !g.programs || err != nil {
			continue
		}
		var o bundle.Object
		var c blob.Content
		if o, c, err = program(tx, r.serial, n); err == nil {
			objects, contents = append(objects, o), append(contents, c)
		}
	}
	if g.hub != "" {
		add([]byte(g.plan), bundle.RolePlan)
	}
	return key, objects, contents, err
}

func program(tx *sqlite.Tx, serial uint64, n int) (o bundle.Object, c blob.Content, err error) {
	o.Role = bundle.RoleProgram
	err = tx.QueryRow(`SELECT sha256, size, encoding, inline FROM software_files WHERE serial = ? AND n = ?`, int64(serial), n).Scan(sqlite.Digest(&o.SHA256), &o.Size, &o.Encoding, &c.Inline)
	c.SHA256, c.Size = o.SHA256, o.Size
	return o, c, err
}

// TellAbove has the hub above told what is here and how far it has come, when that is
// not what it was told last. send queues a report in the place of one before.
func (s *Software) TellAbove(tx *sqlite.Tx, here release.Told, send func(payload []byte, before storage.ID) (storage.ID, error)) error {
	releases, err := rows(tx)
	if err != nil {
		return err
	}
	list, err := peers(tx)
	if err != nil {
		return err
	}
	for i, r := range releases {
		if i == 0 {
			here.Serial = r.serial
		}
		if i == toldReleases {
			break
		}
		for _, c := range counts(list, r, tx.Now()) {
			here.Below = append(here.Below, c)
		}
	}
	raw, err := here.Encode()
	if err != nil {
		return err
	}
	var last []byte
	var before storage.ID
	err = tx.QueryRow(`SELECT bundle, told FROM software_told`).Scan(&before, &last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || string(last) == string(raw) {
		return err
	}
	id, err := send(raw, before)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO software_told (one, bundle, told) VALUES (1, ?, ?)`, id, raw)
	return err
}

// toldReleases is how many releases a hub tells the one above of.
const toldReleases = 5
