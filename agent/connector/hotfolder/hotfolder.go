package hotfolder

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"tram/agent/connector"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// Folders of the tree.
const (
	dropDir   = "gui"        // the other software puts files here
	claimDir  = "dang-gui"   // being handed over, a folder for each
	doneDir   = "da-gui"     // the office has it
	rejectDir = "loi"        // not sent, with the reason
	inDir     = "den"        // arrivals
	statusDir = "trang-thai" // statuses
)

// Settings that are not given, and their bounds.
const (
	// DefaultSettle is how long a file must stay as it is before it is taken.
	DefaultSettle = 5 * time.Second
	maxSettle     = time.Hour
	// DefaultWait is how long a file may stay incomplete, or without the one that
	// belongs to it, before it is set aside.
	DefaultWait = time.Hour
	maxWait     = 7 * 24 * time.Hour
	maxKeep     = 3650 // days
	mostPoll    = 2 * time.Second
	leastPoll   = 250 * time.Millisecond
	// parallel is how many files are handed over at a time: one waits for the
	// disk while another is sealed.
	parallel = 4
)

// What makes files of the tree durable, beside the steps of package fsx.
const (
	pointMove    fsx.Point = "hotfolder.move"    // a file from folder to folder
	pointOutput  fsx.Point = "hotfolder.output"  // the content of an arrival
	pointJournal fsx.Point = "hotfolder.journal" // the entry that says how it will be named
	pointName    fsx.Point = "hotfolder.name"    // it gets that name
)

// Settings of a hot folder.
type settings struct {
	Dir      string `json:"dir"`      // absolute path of the tree, which exists
	Settle   string `json:"settle"`   // duration; "" for DefaultSettle
	Wait     string `json:"wait"`     // duration; "" for DefaultWait
	Evidence bool   `json:"evidence"` // write an ASiC-E container beside each arrival
	Keep     int    `json:"keep"`     // days after which what is handed over and receipted is deleted; 0: never

	settle, wait time.Duration
}

// Kind makes hot folders: "gui" takes files, "dang-gui", "da-gui" and "loi" are
// where they go from there, "den" holds arrivals and "trang-thai" statuses.
func Kind() connector.Kind {
	return connector.Kind{Name: "hotfolder", Open: open, Settings: settings{}}
}

// conn is one hot folder.
type conn struct {
	connector.Base
	env  connector.Env
	set  settings
	log  *journal
	step func(name string) // before and after what a crash may come between; nil
	// clock only runs forward and has nothing to do with the time of day.
	clock func() time.Duration

	mu    sync.Mutex // of known, laid: Deliver runs beside Collect
	known string     // ID of the tree, "" before the first time
	laid  bool       // the folders are there

	seen    sightings
	round   uint64
	tidy    time.Duration // when the clean-up is due
	workers int           // that hand over at a time
	moving  sync.Mutex    // one claim is moved on at a time, and so finds names that stay free
}

func open(env connector.Env) (connector.Connector, error) {
	c, err := newConn(env)
	if err != nil {
		return nil, err // a nil *conn must not become a non-nil Connector
	}
	return c, nil
}

func newConn(env connector.Env) (*conn, error) {
	set, err := readSettings(env)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	c := &conn{
		env: env, set: set, seen: sightings{by: map[string]*sighting{}}, workers: parallel, step: func(string) {},
		clock: func() time.Duration { return time.Since(begin) },
	}
	if c.known, err = readKnown(env.Dir); err != nil {
		return nil, err
	}
	if c.log, err = openJournal(env.Dir); err != nil {
		return nil, err
	}
	return c, nil
}

func readSettings(env connector.Env) (settings, error) {
	var s settings
	if err := connector.Decode(env.Settings, &s); err != nil {
		return settings{}, err
	}
	var faults problem.List
	if !filepath.IsAbs(s.Dir) {
		faults = append(faults, connector.Fault("dir", s.Dir, "/srv/tram-lien-thong, D:\\tram"))
	}
	span := func(name, value string, usual, most time.Duration) time.Duration {
		if value == "" {
			return usual
		}
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 || d > most {
			faults = append(faults, connector.Fault(name, value, "0s … "+most.String()))
		}
		return d
	}
	s.settle = span("settle", s.Settle, DefaultSettle, maxSettle)
	s.wait = span("wait", s.Wait, DefaultWait, maxWait)
	if s.Keep < 0 || s.Keep > maxKeep {
		faults = append(faults, connector.Fault("keep", strconv.Itoa(s.Keep), "0 … "+strconv.Itoa(maxKeep)))
	}
	return s, faults.Err()
}

// Wants implements [connector.Connector].
func (c *conn) Wants(e office.Entry) bool {
	switch e.Type {
	case office.DocumentArrived:
		return e.Box == office.In
	case office.DocumentDelivered, office.DocumentFailed, office.DocumentWithdrawn:
		return e.Box == office.Out
	case office.DocumentAccepted, office.DocumentReturned, office.DocumentRecalled, office.DocumentStatus:
		return true
	}
	return false
}

// Every implements [connector.Connector].
func (c *conn) Every() time.Duration { return min(mostPoll, max(leastPoll, c.set.settle/2)) }

// Collect implements [connector.Connector].
func (c *conn) Collect(ctx context.Context) error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.Close()
	c.round++
	err = c.collect(ctx, f)
	c.seen.keep(c.round)
	if err != nil && ctx.Err() == nil {
		c.leave()
	}
	return f.told(err)
}

// Close implements [connector.Connector].
func (c *conn) Close() error { return c.log.Close() }
