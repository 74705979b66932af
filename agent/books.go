package agent

import (
	"context"

	"tram/agent/books"
	"tram/agent/identity"
	"tram/storage"
)

// openBooks makes the register books over the office's documents.
func (d *desk) openBooks() {
	d.books = books.New(books.Options{
		DB: d.db, Blobs: d.blobs, Source: d.office, Heading: d.heading,
		Followed: d.followed, Logger: d.log.With("part", "books"), Now: d.clock.Now,
	})
}

// followed is what the handling of documents says in the books.
func (d *desk) followed(ctx context.Context, ids []storage.ID) (map[storage.ID]books.Followed, error) {
	known, err := d.handling.Followed(ctx, ids)
	all := make(map[storage.ID]books.Followed, len(known))
	for id, f := range known {
		all[id] = books.Followed(f)
	}
	return all, err
}

// heading is whose books they are.
func (d *desk) heading() books.Heading {
	h := books.Heading{Office: d.id.Name, Place: d.o.Config.Office.Place}
	if own, err := d.registry.Lookup(d.id.Code); err == nil && own.Parent != "" {
		if above, err := d.registry.Lookup(own.Parent); err == nil {
			h.Superior = above.Name
		}
	}
	return h
}

// uses reports whether anything of the office refers to stored content.
func (d *desk) uses(ctx context.Context, sha [32]byte) (bool, error) {
	for _, of := range []func(context.Context, [32]byte) (bool, error){d.office.Uses, d.books.Uses, d.dossiers.Uses} {
		if used, err := of(ctx, sha); used || err != nil {
			return used, err
		}
	}
	return false, nil
}

// registers gives the books of the running desk to the local socket.
func (a *Agent) registers() (*books.Books, error) {
	if d := a.theDesk(); d != nil {
		return d.books, nil
	}
	return nil, identity.None(a.o.Dir)
}
