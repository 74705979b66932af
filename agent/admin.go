package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tram/agent/backup"
	"tram/agent/config"
	"tram/agent/sealbook"
	"tram/agent/stick"
	"tram/agent/web"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/fsx"
	"tram/storage/sqlite"
)

const (
	stickDir = "usb" // packages that browsers bring and take, in the data folder
	// largest is how many of the largest documents are shown.
	largest = 10
)

// admin is what the administration pages ask of this office.
func (d *desk) admin() web.Admin {
	return web.Admin{
		Status: d.agent.Status, Since: d.agent.since.of, Seals: sealsBy{d}, Connectors: d.connectors, Aside: d.office, Apps: d.apps, DB: d.db,
		Storage: d.storage, Settings: d.o.Config.Values(), File: filepath.Join(d.o.Dir, config.OfficeFile), Support: d.agent.support,
		Backup: func() backup.State { return backup.ReadState(d.o.Dir) },
	}
}

// sticks is the exchange by stick through the pages.
func (d *desk) sticks() web.Sticks {
	return web.Sticks{
		Station: d.station, Places: func() []stick.Place { return stick.Places(d.o.Config.USB.Folder) },
		Dir: filepath.Join(d.o.Dir, stickDir), Limit: int64(d.o.Config.Limits.Total),
		Record: func(ctx context.Context, by, action, place string, detail map[string]string) error {
			return d.record(ctx, audit.Entry{Actor: by, Action: action, Subject: place, Detail: detail}, nil)
		},
	}
}

// record writes an entry into the audit log after do has done what it records.
// What do does is a change of files: should the entry fail to become durable, it
// is told as an error and can be done again.
func (d *desk) record(ctx context.Context, e audit.Entry, do func() error) error {
	return d.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := audit.Append(tx, e); err != nil || do == nil {
			return err
		}
		return do()
	})
}

// sealsBy changes the seals on behalf of a person.
type sealsBy struct{ d *desk }

func (s sealsBy) List() ([]sealbook.Entry, error) { return s.d.seals.List() }

func (s sealsBy) Use(ctx context.Context, by, name string, actions []sealbook.Action) error {
	var words []string
	for _, a := range actions {
		words = append(words, string(a))
	}
	return s.d.record(ctx, audit.Entry{Actor: by, Action: "seal.use", Subject: name, Detail: map[string]string{"actions": strings.Join(words, " ")}},
		func() error { return s.d.seals.Use(name, actions) })
}

// Unlock talks to a token, which may take seconds, so that it is recorded
// afterwards.
func (s sealsBy) Unlock(ctx context.Context, by, name string, secret []byte, last bool) error {
	if err := s.d.seals.Unlock(ctx, name, secret, last); err != nil {
		return err
	}
	return s.d.record(ctx, audit.Entry{Actor: by, Action: "seal.unlock", Subject: name}, nil)
}

func (s sealsBy) Test(ctx context.Context, name string) (sealbook.Tested, error) {
	return s.d.seals.Test(ctx, name, nil)
}

// storage measures what the office takes on the disk.
func (d *desk) storage(ctx context.Context) (s web.Storage, err error) {
	s.Reserve = int64(d.o.Config.Storage.Reserve)
	if s.Free, s.Total, err = fsx.OS.Usage(d.o.Dir); err != nil {
		return s, fmt.Errorf("measure disk: %w", err)
	}
	for path, into := range map[string]*int64{d.db.Path(): &s.Database, d.db.Path() + "-wal": &s.Journal} {
		if info, err := os.Stat(path); err == nil {
			*into = info.Size()
		}
	}
	if s.Files, s.Count, s.Partial, err = d.blobs.Measure(); err != nil {
		return s, err
	}
	var ids []storage.ID
	err = d.db.View(ctx, func(tx *sqlite.Tx) error {
		var pages, size int64
		if err := tx.QueryRow("PRAGMA freelist_count").Scan(&pages); err != nil {
			return err
		}
		if err := tx.QueryRow("PRAGMA page_size").Scan(&size); err != nil {
			return err
		}
		s.Unused = pages * size
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("measure database: %w", err)
	}
	if ids, s.Documents, err = d.office.Largest(ctx, largest); err != nil {
		return s, err
	}
	for _, id := range ids {
		doc, err := d.office.Get(ctx, id)
		if err != nil {
			return s, err
		}
		s.Largest = append(s.Largest, doc)
	}
	return s, nil
}
