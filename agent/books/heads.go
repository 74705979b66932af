package books

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tram/agent/office"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/sqlite"
)

// head is what of a document stands in its message alone. It never changes, so
// each is read once and kept.
type head struct{ signer, copies string }

// headBatch is how many heads are kept in one transaction, which other writers
// wait for.
const headBatch = 200

func (b *Books) heads(ctx context.Context, docs []office.Booking) (map[storage.ID]head, error) {
	known := make(map[storage.ID]head, len(docs))
	err := b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		for from := 0; from < len(docs); from += office.MaxPage {
			part := docs[from:min(from+office.MaxPage, len(docs))]
			args := make([]any, len(part))
			for i, d := range part {
				args[i] = d.ID
			}
			query := `SELECT document, signer, copies FROM books_heads WHERE document IN (?` + strings.Repeat(`, ?`, len(part)-1) + `)`
			err := each(tx, query, args, func(scan scanner) error {
				var id storage.ID
				var h head
				err := scan(&id, &h.signer, &h.copies)
				known[id] = h
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	fresh := map[storage.ID]head{}
	for _, d := range docs {
		if _, ok := known[d.ID]; ok {
			continue
		}
		h, ok := b.readHead(ctx, d.ID)
		if known[d.ID] = h; !ok {
			continue
		}
		if fresh[d.ID] = h; len(fresh) == headBatch {
			if err := b.keepHeads(ctx, fresh); err != nil {
				return nil, err
			}
			clear(fresh)
		}
	}
	return known, b.keepHeads(ctx, fresh)
}

// readHead reads a message; one that cannot be read is tried again the next time.
func (b *Books) readHead(ctx context.Context, id storage.ID) (head, bool) {
	m, err := b.o.Source.Message(ctx, id)
	if err != nil {
		if !errors.Is(err, storage.ErrNotFound) {
			b.o.Logger.Warn("message not read for the register", "document", id, "error", err)
		}
		return head{}, errors.Is(err, storage.ErrNotFound)
	}
	copies := strings.TrimSpace(m.Other.Amount)
	if copies == "0" {
		copies = ""
	}
	return head{signer: register.Clean(m.Signer.FullName), copies: copies}, true
}

func (b *Books) keepHeads(ctx context.Context, heads map[storage.ID]head) error {
	if len(heads) == 0 {
		return nil
	}
	err := b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		for id, h := range heads {
			if _, err := tx.Exec(`INSERT OR IGNORE INTO books_heads (document, signer, copies) VALUES (?, ?, ?)`, id, h.signer, h.copies); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep heads: %w", err)
	}
	return nil
}
