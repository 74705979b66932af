package dongbo

import (
	"context"
	"time"

	"tram/storage"
)

// Change says that a dossier has a new revision.
type Change struct {
	ID       storage.ID
	Code     string // mã hồ sơ
	Revision int64  // from 1, grows with each change of what is synchronised
	At       time.Time
}

// Item is a dossier as it stands.
type Item struct {
	Change
	HoSo HoSo
	// TienDo are all its steps, the first one first. Later revisions add to the
	// end alone.
	TienDo []TienDo
}

// Receipt says that the other side has acknowledged a revision.
type Receipt struct {
	ID       storage.ID
	Revision int64
	Via      string    // who has brought it there, such as the name of a connector
	At       time.Time // of the acknowledgement
}

// Source is where dossiers come from. Its methods may be called from several
// goroutines.
type Source interface {
	// Changed lists changes behind a place, in the order in which they were made;
	// "" is the beginning. A dossier may stand for each of its changes or for the
	// last one alone. next is where to go on, after itself when there is nothing new.
	Changed(ctx context.Context, after string, limit int) (changes []Change, next string, err error)
	// End is the place behind all changes so far.
	End(ctx context.Context) (string, error)
	// News returns a channel that is closed at the next change. A reader takes it
	// before it reads.
	News() <-chan struct{}
	// Dossier is a dossier at its newest revision. A dossier that is gone is a
	// problem of class NotFound.
	Dossier(ctx context.Context, id storage.ID) (Item, error)
	// Synced tells of a receipt. Telling again changes nothing.
	Synced(ctx context.Context, r Receipt) error
}
