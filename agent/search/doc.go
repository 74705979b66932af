// Package search finds an office's documents by their words: number and notation,
// subject, sender, recipients, summary, type, identifiers, names of files, and the
// text of PDF and office files.
//
// The index follows the office's feed. It promises that a document that the feed
// tells of is in it at some time, whatever ends the program meanwhile: the place in
// the feed moves in the transaction that writes what was learnt. Telling twice
// changes nothing. Files are read later, in the background and in a process of their
// own; [Index.State] says what is missing meanwhile.
//
// Words match without regard to case, diacritics, Unicode form and the place of the
// tone mark. What matches as it was typed comes first, see README.md.
package search

import (
	"context"
	"embed"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/search/extract"
	"tram/storage"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("search", migrations)

// Source is the office; *office.Office implements it.
type Source interface {
	Feed(ctx context.Context, after string, limit int) (entries []office.Entry, next string, err error)
	Changed() <-chan struct{}
	Get(ctx context.Context, id storage.ID) (office.Document, error)
	// Message is the sealed message; [storage.ErrNotFound] when there is none.
	Message(ctx context.Context, id storage.ID) (*edxml.Document, error)
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
	List(ctx context.Context, q office.Query) ([]office.Document, int, error)
}

// Reader reads the text of a file of a kind; extract.Process implements it. Its
// errors are those of extract.Process.Read.
type Reader interface {
	Read(ctx context.Context, kind string, body io.Reader) (extract.Text, error)
}

// Options of an [Index]. DB and Source are needed.
type Options struct {
	DB     *sqlite.DB // opened with Schema, and audit.Schema for Save, Forget and Log
	Source Source
	Reader Reader       // nil: files are not read
	Logger *slog.Logger // nil discards
}

// Index is the index of one office. Its methods may be called from several
// goroutines.
type Index struct {
	db     *sqlite.DB
	source Source
	reader Reader
	log    *slog.Logger
	files  chan struct{} // there may be files to read
	// settled says that all files are read that can be: segments may be due to be
	// joined.
	settled chan struct{}
	asked   accesses

	mu     sync.Mutex
	state  State // as it was at looked
	looked time.Time
}

// Bounds of the work in the background.
const (
	// batch is how many entries of the feed are taken in one transaction, which
	// other writers wait for.
	batch = 50
	// gather is how long further entries are waited for after one was taken over: a
	// document that is sent has four in short order, and each commit writes to a disk
	// that wears out.
	gather = 2 * time.Second
	// retry is how long a file, or the feed, waits after a fault of this machine.
	retry = time.Minute
	// maxField is how much of one field is indexed, in bytes: the recipients of a
	// circular to thousands can be more.
	maxField = 128 << 10
	// MaxDocumentText is how much text of the files of one document is indexed, in bytes.
	MaxDocumentText = 4 << 20
)

// New makes an index over opened stores. [Index.Run] must run for it to follow.
func New(o Options) *Index {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Index{db: o.DB, source: o.Source, reader: o.Reader, log: o.Logger, files: make(chan struct{}, 1), settled: make(chan struct{}, 1)}
}

// Run follows the office until ctx ends.
func (x *Index) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.readFiles(ctx)
	}()
	x.follow(ctx)
	<-done
	return ctx.Err()
}

// State is what the index holds and what is missing.
type State struct {
	Documents int `json:"documents"` // in the index
	Waiting   int `json:"waiting"`   // documents that are not yet
	Files     int `json:"files"`     // files whose text is not yet
	Unread    int `json:"unread"`    // files that could not be read, each content once
}

// State says what the index holds and what is missing.
func (x *Index) State(ctx context.Context) (State, error) {
	var s State
	err := x.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT (SELECT count(*) FROM search_documents),
			(SELECT coalesce(sum(waiting), 0) FROM search_documents WHERE waiting > 0),
			(SELECT count(*) FROM search_texts WHERE state = 'unreadable')`).
			Scan(&s.Documents, &s.Files, &s.Unread)
	})
	if err != nil {
		return State{}, err
	}
	for _, box := range []office.Box{office.In, office.Out} {
		_, n, err := x.source.List(ctx, office.Query{Box: box, Limit: 1})
		if err != nil {
			return State{}, err
		}
		s.Waiting += n
	}
	s.Waiting = max(0, s.Waiting-s.Documents)
	return s, nil
}

// stateAge is how old the state may be that a search tells.
const stateAge = 2 * time.Second

// recent is State, not older than stateAge.
func (x *Index) recent(ctx context.Context) (State, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.looked.IsZero() && time.Since(x.looked) < stateAge {
		return x.state, nil
	}
	s, err := x.State(ctx)
	if err == nil {
		x.state, x.looked = s, time.Now()
	}
	return s, err
}

// rest waits for a while or the end of ctx, and says whether to go on.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

var errGone = errors.New("document is not in the index")
