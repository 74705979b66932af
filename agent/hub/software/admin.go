package software

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"strings"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/storage/sqlite"
)

// Standing says how a release stands.
type Standing string

// Standings. Never rename one.
const (
	Added     Standing = "added"     // for nobody yet
	Rolling   Standing = "rolling"   // on its way to the ring that it is to reach
	Held      Standing = "held"      // the next ring stays shut: too many failed or are silent
	Paused    Standing = "paused"    // goes no further for now
	Withdrawn Standing = "withdrawn" // goes to nobody any more
	Complete  Standing = "complete"  // all that it is for have it
)

// Release is a release as an operator sees it.
type Release struct {
	Version  string    `json:"version"`
	Serial   uint64    `json:"serial"`
	Channel  string    `json:"channel"`
	After    string    `json:"after,omitempty"` // least version that it may follow
	RollBack bool      `json:"roll_back"`
	NotesVI  string    `json:"notes_vi"`
	NotesEN  string    `json:"notes_en"`
	Created  time.Time `json:"created"`
	Origin   string    `json:"origin"` // hub that it came from
	Programs []Program `json:"programs"`

	Standing Standing        `json:"state"`
	Aim      int             `json:"aim"`  // ring that it is to reach; -1: none
	Ring     int             `json:"ring"` // highest that is open; -1: none
	Opened   time.Time       `json:"opened,omitzero"`
	Named    []string        `json:"offices"` // of ring 0
	Percent  int             `json:"percent"` // share of ring 1
	Most     int             `json:"limit"`   // percent of a ring that may fail or be silent
	Rings    []release.Count `json:"rings"`
	Done     int             `json:"done_percent"` // of the offices of the rings that it is to reach
}

// Program is a program of a release.
type Program struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Size int64  `json:"size"`
	Sent int64  `json:"sent_size"` // bytes on the way
}

// Office is which version an office right below has.
type Office struct {
	Code    string           `json:"code"`
	Version string           `json:"version"`
	Serial  uint64           `json:"serial"`
	OS      string           `json:"os"`
	Arch    string           `json:"arch"`
	Hub     bool             `json:"hub"`
	Heard   time.Time        `json:"heard"`
	Sent    uint64           `json:"sent"` // serial of the release that it was sent last; 0: none
	SentAt  time.Time        `json:"sent_at,omitzero"`
	Failed  *release.Failure `json:"failed,omitempty"` // the newest
}

// Overview is the answer of `tram-hub software list`.
type Overview struct {
	Releases []Release `json:"releases"`
	Offices  int       `json:"offices"`     // that have said which software they run, those below other hubs not counted
	RolledBy int       `json:"rolled_back"` // of these, that took a release back
}

// List lists the releases, the newest first.
func (s *Software) List(ctx context.Context) (o Overview, err error) {
	o.Releases = []Release{}
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		releases, err := rows(tx)
		if err != nil {
			return err
		}
		list, err := peers(tx)
		if err != nil {
			return err
		}
		for _, r := range releases {
			shown, err := show(tx, r, list)
			if err != nil {
				return err
			}
			o.Releases = append(o.Releases, shown)
		}
		for _, p := range list {
			if p.hub {
				continue
			}
			o.Offices++
			if len(p.told.Failed) > 0 {
				o.RolledBy++
			}
		}
		return nil
	})
	return o, err
}

// Show gives one release; Problem software.none when there is none of the version.
func (s *Software) Show(ctx context.Context, version string) (Release, error) {
	o, err := s.List(ctx)
	for _, r := range o.Releases {
		if r.Version == version {
			return r, err
		}
	}
	if err != nil {
		return Release{}, err
	}
	return Release{}, unknown(version)
}

func unknown(version string) error {
	return problem.New(problem.NotFound, "software.none", "VERSION", i18n.Args{"version": version})
}

// Offices lists which version each neighbour below has.
func (s *Software) Offices(ctx context.Context) (list []Office, err error) {
	list = []Office{}
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		all, err := peers(tx)
		for _, p := range all {
			o := Office{Code: p.code, Version: p.told.Version, Serial: p.told.Serial, OS: p.told.OS, Arch: p.told.Arch, Hub: p.hub, Heard: p.heard, Sent: p.sent}
			if p.sent != 0 {
				o.SentAt = p.sentAt
			}
			if n := len(p.told.Failed); n > 0 {
				o.Failed = &p.told.Failed[n-1]
			}
			if p.told.Stuck != nil {
				o.Failed = p.told.Stuck
			}
			list = append(list, o)
		}
		return err
	})
	return list, err
}

func show(tx *sqlite.Tx, r row, list []peer) (Release, error) {
	m := r.manifest
	out := Release{
		Version: r.version, Serial: r.serial, Channel: string(m.Channel), After: m.After.String(), RollBack: m.RollBack, NotesVI: m.NotesVI, NotesEN: m.NotesEN,
		Created: m.Created, Origin: r.origin, Aim: r.aim, Ring: r.ring, Named: r.named, Percent: r.percent, Most: r.most, Programs: []Program{},
	}
	if r.ring >= 0 {
		out.Opened = r.opened
	}
	for n, f := range m.Files {
		o, _, err := program(tx, r.serial, n)
		if err != nil {
			return out, err
		}
		out.Programs = append(out.Programs, Program{OS: f.OS, Arch: f.Arch, Size: f.Size, Sent: o.Size})
	}
	c := counts(list, r, tx.Now())
	all := release.Count{}
	for ring, n := range c {
		out.Rings = append(out.Rings, n)
		if ring <= r.aim {
			all.Offices, all.Done = all.Offices+n.Offices, all.Done+n.Done
		}
	}
	if all.Offices > 0 {
		out.Done = all.Done * 100 / all.Offices
	}
	out.Standing = r.standing(c, all)
	return out, nil
}

func (r row) standing(c [release.RingAll + 1]release.Count, all release.Count) Standing {
	switch {
	case r.withdrawn:
		return Withdrawn
	case r.paused:
		return Paused
	case r.aim < 0:
		return Added
	case r.ring >= 0 && r.ring < r.aim && r.judge(c) == Failing:
		return Held
	case r.ring == r.aim && all.Offices > 0 && all.Done == all.Offices:
		return Complete
	}
	return Rolling
}

// Stage says how far a release is to go.
type Stage struct {
	Version string   `json:"version"`
	Ring    int      `json:"ring"`
	Offices []string `json:"offices"` // of ring 0; nil: as before
	Percent int      `json:"percent"` // of ring 1; 0: as before, or DefaultPercent
	Most    int      `json:"limit"`   // -1: as before, or DefaultMost
}

// check finds what is wrong with a Stage whatever the release.
func (q Stage) check() error {
	var faults problem.List
	if q.Ring < release.RingNamed || q.Ring > release.RingAll {
		faults.Note(problem.New(problem.Usage, "software.ring", "--ring", i18n.Args{"value": q.Ring}))
	}
	if q.Percent < 0 || q.Percent > 100 || q.Most < -1 || q.Most > 100 {
		faults.Note(problem.New(problem.Usage, "software.percent", "--percent", nil))
	}
	if len(q.Offices) > release.MaxNamed {
		faults.Note(problem.New(problem.Usage, "software.named", "--office", i18n.Args{"limit": release.MaxNamed}))
	}
	return faults.Err()
}

// admits tells why a release may not be staged so, nil when it may.
func (r row) admits(q Stage) error {
	switch {
	case r.withdrawn:
		return problem.New(problem.Conflict, "software.withdrawn", "VERSION", i18n.Args{"version": r.version})
	case r.manifest.Channel == release.Trial && q.Ring > release.RingNamed:
		return problem.New(problem.Conflict, "software.trial", "--ring", i18n.Args{"version": r.version})
	case q.Ring < r.ring:
		return problem.New(problem.Conflict, "software.open-already", "--ring", i18n.Args{"version": r.version, "ring": r.ring})
	}
	return nil
}

// Stage has a release go to a ring, in order: each opens when the one before it is
// well.
func (s *Software) Stage(ctx context.Context, q Stage, by string) (Release, error) {
	if err := q.check(); err != nil {
		return Release{}, err
	}
	return s.change(ctx, q.Version, by, "software.staged", func(tx *sqlite.Tx, r row) error {
		if err := r.admits(q); err != nil {
			return err
		}
		r.fill(&q)
		named, err := encodeNamed(q.Offices)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE software_releases SET aim = ?, named = ?, percent = ?, most = ? WHERE serial = ?`, q.Ring, named, q.Percent, q.Most, int64(r.serial))
		return err
	}, map[string]string{"ring": fmt.Sprint(q.Ring), "offices": strings.Join(q.Offices, " "), "percent": fmt.Sprint(q.Percent), "limit": fmt.Sprint(q.Most)})
}

// Pause has a release go no further; what is on its way is taken back. Resume ends that.
func (s *Software) Pause(ctx context.Context, version, by string, pause bool) (Release, error) {
	action := "software.resumed"
	if pause {
		action = "software.paused"
	}
	return s.change(ctx, version, by, action, func(tx *sqlite.Tx, r row) error {
		if r.withdrawn {
			return problem.New(problem.Conflict, "software.withdrawn", "VERSION", i18n.Args{"version": r.version})
		}
		_, err := tx.Exec(`UPDATE software_releases SET paused = ? WHERE serial = ?`, pause, int64(r.serial))
		return err
	}, nil)
}

// Withdraw ends a release for good: it goes to nobody any more. Where it runs it stays,
// until a newer one or a roll-back comes.
func (s *Software) Withdraw(ctx context.Context, version, by string) (Release, error) {
	return s.change(ctx, version, by, "software.withdrawn", func(tx *sqlite.Tx, r row) error {
		_, err := tx.Exec(`UPDATE software_releases SET withdrawn = 1 WHERE serial = ?`, int64(r.serial))
		return err
	}, nil)
}

func (s *Software) change(ctx context.Context, version, by, action string, do func(*sqlite.Tx, row) error, detail map[string]string) (Release, error) {
	err := s.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		r, err := find(tx, version)
		if err != nil {
			return err
		}
		if r.origin != s.o.Code {
			return problem.New(problem.Conflict, "software.above", "VERSION", i18n.Args{"version": version, "hub": r.origin})
		}
		if err := do(tx, r); err != nil {
			return err
		}
		return note(tx, by, action, version, detail)
	})
	if err != nil {
		return Release{}, saving(err)
	}
	return s.Show(ctx, version)
}

// NextSerial is the serial of the next release of this hub: the time where that is
// higher than the last, so that offices take the releases of a hub that has lost its
// store.
func (s *Software) NextSerial(ctx context.Context) (serial uint64, err error) {
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT max(coalesce(max(serial), 0) + 1, ?) FROM software_releases`, s.o.Now().Unix()).Scan(&serial)
	})
	return serial, err
}

// TrustOwn believes this hub's own software key.
func (s *Software) TrustOwn(ctx context.Context, key *ecdsa.PublicKey) error {
	return s.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := s.Trust(tx, key, 0)
		return err
	})
}

// Forget drops what is known of an office that is not below this hub any more.
func (s *Software) Forget(tx *sqlite.Tx, code string) error {
	_, err := tx.Exec(`DELETE FROM software_offices WHERE peer = ?`, registry.Key(code))
	return err
}
