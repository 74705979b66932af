package office

import (
	"context"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("office", migrations)

// Limits of documents. Zero fields take the defaults.
type Limits struct {
	File     int64         // bytes of one attachment; DefaultFile
	Files    int           // attachments of one document; DefaultFiles, at most MaxFiles
	Total    int64         // bytes of all attachments of one document; DefaultTotal
	Lifetime time.Duration // how long an outgoing document is offered; DefaultLifetime
}

// Defaults of [Limits]. A document beyond them is refused before it is saved.
const (
	DefaultFile     = 200 << 20
	DefaultFiles    = 50
	DefaultTotal    = 1 << 30
	DefaultLifetime = 30 * 24 * time.Hour
	// MaxFiles is what the formats leave room for: a bundle has a head and
	// slips besides, a seal covers the message as well.
	MaxFiles = 254
	// StatusLifetime is how long a status is kept and offered again after the
	// hub took it.
	StatusLifetime = 30 * 24 * time.Hour
)

// Letterhead is what the office puts on each document it writes when the draft
// says nothing else.
type Letterhead struct {
	Abbreviation string // of the office, in notations; "" for UBND
	Signer       string // full name; "" for the office's name
	Position     string
	Place        string // of issue; "" for the office's name without its rank
}

// Options of an [Office]. DB, Queue, Blobs, Registry and Identity are needed.
type Options struct {
	DB         *sqlite.DB // opened with Schema, EvidenceSchema, queue.Schema, audit.Schema, registry.Schema
	Queue      *queue.Queue
	Blobs      *blob.Store
	Registry   *registry.Registry
	Identity   *identity.Identity
	Limits     Limits
	Letterhead Letterhead
	Numbering  Numbering
	// Seals gives the sealer for an action of [SealDocument] and the others; ok
	// is false where the enrolment's seal is the one. nil: it always is.
	Seals func(ctx context.Context, action string) (s seal.Sealer, ok bool, err error)
	Trust Trust // for signatures in attachments; nil trusts nobody
	// Stamper is an external time stamp authority, StampRoots whom to believe it
	// by; nil: there are only the hub's time stamps.
	Stamper    Stamper
	StampRoots *x509.CertPool
	// Renewed keeps new certificates that the hub has sent, see
	// invite.Answer. nil: such a notice is dropped.
	Renewed func(ctx context.Context, answer []byte) error
	Logger  *slog.Logger     // nil discards
	Now     func() time.Time // the office's best knowledge of the time; nil: time.Now
	// Ends is the time by which lifetimes end, which a clock that is ahead for a while does
	// not move; nil: Now.
	Ends func() time.Time
}

// Office is one office. Its methods may be called from several goroutines.
type Office struct {
	db        *sqlite.DB
	queue     *queue.Queue
	blobs     *blob.Store
	registry  *registry.Registry
	me        *identity.Identity
	seals     func(ctx context.Context, action string) (seal.Sealer, bool, error)
	sealer    atomic.Pointer[seal.Sealer]
	latest    atomic.Pointer[identity.Identity] // as of Use
	routes    atomic.Pointer[Routes]            // as of Reach
	renewed   func(ctx context.Context, answer []byte) error
	issuers   atomic.Pointer[[]*x509.Certificate] // CAs of our hub
	limits    Limits
	letter    Letterhead
	boxes     sync.Map // of Mailbox by bundle.Kind, as of Deliver
	trust     Trust
	herald    Herald    // as of Hear
	commander Commander // as of Obey
	depot     Depot     // as of Keep
	stamper   Stamper
	log       *slog.Logger
	now       func() time.Time
	ends      func() time.Time

	stampRoots *x509.CertPool

	numbers   *numbers
	counts    counts
	summed    atomic.Pointer[summed]
	numbering Numbering
	transfers transfers
	revision  atomic.Uint64
	regressed atomic.Bool // see HubRegressed

	answering sync.Mutex // one answer of a clerk at a time
	asking    sync.Mutex // each status 13 is made once
	checking  sync.Mutex // one check of signatures at a time: each may read large files

	arrived chan struct{} // for checkLoop: there is something to check

	wake      chan struct{} // for Run: there is something in began
	premature premature
	mu        sync.Mutex
	began     map[storage.ID]time.Time // transfers whose first byte left, not yet in the track
	next      chan struct{}            // closed at the next change
}

// New makes an Office over opened stores. [Office.Run] must run for documents
// to come in.
func New(o Options) (*Office, error) {
	if o.DB == nil || o.Queue == nil || o.Blobs == nil || o.Registry == nil || o.Identity == nil {
		return nil, errors.New("open office: a store or the identity is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ends == nil {
		o.Ends = o.Now
	}
	id := o.Identity
	f := &Office{
		db: o.DB, queue: o.Queue, blobs: o.Blobs, registry: o.Registry, me: id,
		seals:   o.Seals,
		renewed: o.Renewed, trust: o.Trust,
		limits: o.Limits.withDefaults(), letter: o.Letterhead.withDefaults(id.Name),
		log: o.Logger, now: o.Now, ends: o.Ends, numbers: newNumbers(o.DB, o.Numbering.ByType), numbering: o.Numbering,
		wake: make(chan struct{}, 1), premature: premature{}, arrived: make(chan struct{}, 1), began: map[storage.ID]time.Time{}, next: make(chan struct{}),
	}
	f.stamper, f.stampRoots = o.Stamper, o.StampRoots
	f.Use(id)
	f.transfers = transfers{now: o.Now, by: map[storage.ID]*transfer{}}
	return f, nil
}

// Use has the office seal with the certificate of id from now on, and believe
// its CAs, after a renewal. Its keys are those that the office has.
func (o *Office) Use(id *identity.Identity) {
	issuers := id.Trust.Issuers()
	o.issuers.Store(&issuers)
	o.latest.Store(id)
	o.sealer.Store(&seal.Sealer{Key: id.Seal, Cert: id.SealCert, Now: o.now})
}

func (l Limits) withDefaults() Limits {
	if l.File <= 0 {
		l.File = DefaultFile
	}
	if l.Files <= 0 {
		l.Files = DefaultFiles
	}
	l.Files = min(l.Files, MaxFiles)
	if l.Total <= 0 {
		l.Total = DefaultTotal
	}
	l.File = min(l.File, l.Total)
	if l.Lifetime <= 0 {
		l.Lifetime = DefaultLifetime
	}
	return l
}

// Revision counts committed changes of documents. A page that shows one state
// is up to date as long as it stays the same.
func (o *Office) Revision() uint64 { return o.revision.Load() }

// changed bumps the revision once tx is durable.
func (o *Office) changed(tx *sqlite.Tx) { tx.OnCommit(o.announce) }

// Observe takes in the progress of an outgoing transfer: bytes that the
// neighbour has acknowledged, of all that travel. It does not block.
func (o *Office) Observe(id storage.ID, sent, total int64) {
	if !o.transfers.observe(id, sent, total) {
		return
	}
	o.mu.Lock()
	o.began[id] = o.now()
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// LinkDown freezes the progress of all transfers until bytes flow again.
func (o *Office) LinkDown() { o.transfers.linkDown() }

// Progress returns the live state of an outgoing transfer; false when none is
// under way.
func (o *Office) Progress(id storage.ID) (Progress, bool) { return o.transfers.progress(id) }

// Uses reports whether a document refers to stored content, for blob.Sweep. The
// queue's content is asked for separately.
func (o *Office) Uses(ctx context.Context, sha [32]byte) (bool, error) {
	var used bool
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM attachments WHERE sha256 = ?1 AND gone = 0)
			OR EXISTS (SELECT 1 FROM heads WHERE sha256 = ?1) OR EXISTS (SELECT 1 FROM checks_evidence WHERE sha256 = ?1)
			OR EXISTS (SELECT 1 FROM originals WHERE sha256 = ?1) OR EXISTS (SELECT 1 FROM quarantine WHERE sha256 = ?1)`, sha).Scan(&used)
	})
	if err != nil {
		return false, fmt.Errorf("ask for content in use: %w", err)
	}
	return used, nil
}

// isMe reports whether code names this office.
func (o *Office) isMe(code string) bool { return registry.Key(code) == registry.Key(o.me.Code) }

// isCodeOf reports whether code names an office today: by its own code, an
// earlier one, or that of an office that was merged into it.
func (o *Office) isCodeOf(code, office string) bool {
	if registry.Key(code) == registry.Key(office) {
		return true
	}
	card, _, err := o.registry.Resolve(code)
	return err == nil && registry.Key(card.Code) == registry.Key(office)
}

// isHub reports whether code names the hub.
func (o *Office) isHub(code string) bool { return registry.Key(code) == registry.Key(o.me.Trust.Hub) }

// name returns the name of an office, its code when the registry has none.
func (o *Office) name(code string) string {
	if c, err := o.registry.Lookup(code); err == nil {
		return c.Name
	}
	return code
}

// organ is this office as its messages name it.
func (o *Office) organ() edxml.Organ {
	return edxml.Organ{ID: o.me.Code, InCharge: o.me.Name, Name: o.me.Name}
}
