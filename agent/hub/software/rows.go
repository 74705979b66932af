package software

import (
	"encoding/json"
	"time"

	"database/sql"

	"tram/agent/release"
	"tram/storage"
	"tram/storage/sqlite"
)

// row is a release as it stands.
type row struct {
	serial    uint64
	version   string
	signed    []byte
	key       string
	origin    string
	at        time.Time
	aim, ring int
	opened    time.Time
	named     []string
	percent   int
	most      int
	paused    bool
	withdrawn bool
	manifest  release.Manifest
}

// rows are the releases, the newest first.
func rows(tx *sqlite.Tx) ([]row, error) {
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, r *row) error {
		var named string
		err := rows.Scan(&r.serial, &r.version, &r.signed, &r.key, &r.origin, sqlite.Timestamp(&r.at), &r.aim, &r.ring, sqlite.Timestamp(&r.opened), &named, &r.percent, &r.most, &r.paused, &r.withdrawn)
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(named), &r.named)
	}, `SELECT serial, version, release, key, origin, at, aim, ring, opened, named, percent, most, paused, withdrawn FROM software_releases ORDER BY serial DESC LIMIT ?`, MaxList)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].manifest, err = release.Peek(list[i].signed); err != nil { // it was judged when it came
			return nil, err
		}
	}
	return list, nil
}

func (r row) plan() release.Plan {
	return release.Plan{Serial: r.serial, Ring: max(r.ring, 0), Named: r.named, Percent: r.percent, Stopped: r.paused || r.withdrawn || r.ring < 0}
}

// peer is a neighbour below.
type peer struct {
	key, code string
	hub       bool
	told      release.Told
	version   release.Version // that it runs; zero: a build of its own
	heard     time.Time
	bundle    storage.ID
	sent      uint64
	plan      string
	sentAt    time.Time
}

func peers(tx *sqlite.Tx) ([]peer, error) {
	return sqlite.Collect(tx, func(rows *sql.Rows, p *peer) error {
		var told string
		err := rows.Scan(&p.key, &p.code, &p.hub, &told, sqlite.Timestamp(&p.heard), &p.bundle, &p.sent, &p.plan, sqlite.Timestamp(&p.sentAt))
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(told), &p.told); err != nil {
			return err
		}
		p.version, _ = release.ParseVersion(p.told.Version)
		return nil
	}, `SELECT peer, code, hub, told, heard, coalesce(bundle, zeroblob(16)), sent, plan, sent_at FROM software_offices ORDER BY peer`)
}

// has tells whether an office runs a release, or what is newer.
func (p peer) has(r row) bool {
	m := r.manifest
	return p.told.Serial >= r.serial || p.version == m.Version || !m.RollBack && p.version.Compare(m.Version) > 0
}

// failed tells why an office does not run a release, or is not well with it; nil for
// no reason.
func (p peer) failed(r row) *release.Failure {
	for i, f := range p.told.Failed {
		if f.Serial == r.serial {
			return &p.told.Failed[i]
		}
	}
	for _, f := range []*release.Failure{p.told.Stuck, p.told.Refused} {
		if f != nil && f.Serial == r.serial {
			return f
		}
	}
	return nil
}

func (p peer) silent(r row, now time.Time) bool {
	return p.sent == r.serial && now.Sub(p.sentAt) > Silence
}

// counts tells how far a release has come in its rings among those right below.
func counts(list []peer, r row, now time.Time) [release.RingAll + 1]release.Count {
	var c [release.RingAll + 1]release.Count
	for ring := range c {
		c[ring] = release.Count{Serial: r.serial, Ring: ring}
	}
	for _, p := range list {
		if p.hub {
			for ring := range c {
				below := sum(p.told.Below, r.serial, ring)
				c[ring] = sum([]release.Count{c[ring], below}, r.serial, ring)
			}
			continue
		}
		n := &c[Ring(r.plan(), p.code)]
		n.Offices++
		switch p.progress(r, now) {
		case Failed:
			n.Failed++
		case Done:
			n.Done++
		case Silent:
			n.Silent++
		}
	}
	return c
}

func encodeNamed(named []string) (string, error) {
	if named == nil {
		named = []string{}
	}
	raw, err := json.Marshal(named)
	return string(raw), err
}
