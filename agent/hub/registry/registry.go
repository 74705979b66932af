package registry

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"tram/agent/fold"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the table of cards.
var Schema = sqlite.Embedded("registry", migrations)

// CacheSize is how many looked-up cards are kept in memory when Options say
// nothing else; when there are more, arbitrary ones are dropped and read again
// when needed. A card takes about 1 kB.
const CacheSize = 1024

// Options of a registry.
type Options struct {
	Logger *slog.Logger // nil discards
	Cache  int          // cards; 0 means CacheSize
}

// Registry is the stored set of cards. Its methods may be called from several
// goroutines.
type Registry struct {
	db        *sqlite.DB
	authority crypto.PublicKey
	log       *slog.Logger
	highest   atomic.Uint64 // serial of all stored cards
	complete  atomic.Uint64 // serial up to which none is missing
	origin    atomic.Bool
	made      atomic.Int64 // unix milliseconds; of the newest page taken in
	rejected  atomic.Uint64

	mu         sync.Mutex
	cache      map[string]Card
	cacheSize  int
	pageCards  int // of a page that is made here; more when the last ones share a serial
	index      searchIndex
	generation uint64 // counts commits, so that no older read enters the cache
}

// New opens the registry in db, which must have been opened with Schema.
// Only cards signed by authority are let in.
func New(db *sqlite.DB, authority crypto.PublicKey, o Options) (*Registry, error) {
	r := &Registry{db: db, authority: authority, log: o.Logger, cache: map[string]Card{}, cacheSize: o.Cache, pageCards: MaxPageCards / 2}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.cacheSize == 0 {
		r.cacheSize = CacheSize
	}
	err := db.View(context.Background(), func(tx *sqlite.Tx) error {
		serial, err := highest(tx)
		if err != nil {
			return err
		}
		r.highest.Store(serial)
		s, err := readState(tx)
		r.complete.Store(s.complete)
		r.made.Store(s.made)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	return r, nil
}

// Originate says that this is the hub's own registry, in which nothing can be
// missing: Serial is then the highest serial stored.
func (r *Registry) Originate() { r.origin.Store(true) }

func highest(tx *sqlite.Tx) (uint64, error) {
	var serial int64
	err := tx.QueryRow(`SELECT coalesce(max(serial), 0) FROM cards`).Scan(&serial)
	return uint64(serial), err
}

// Serial is the serial up to which no card is missing here, 0 when that is
// unknown. Asking the hub for what is newer than it gives a whole registry. A
// card that came on its own, with a greeting or an enrolment, does not raise
// it: such a card may be newer than others that have not come yet.
func (r *Registry) Serial() uint64 {
	if r.origin.Load() {
		return r.highest.Load()
	}
	return r.complete.Load()
}

// Newest is the highest serial of all stored cards.
func (r *Registry) Newest() uint64 { return r.highest.Load() }

// Has says whether a card as new as raw is stored. The signature of raw is not
// looked at: Merge does that with what is not here.
func (r *Registry) Has(raw []byte) bool {
	payload, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return false
	}
	c, err := parsePayload(payload)
	if err != nil {
		return false
	}
	stored, err := r.Lookup(c.Code)
	return err == nil && stored.Serial >= c.Serial
}

// Rejected counts the cards that Merge has ignored since New because they
// were malformed or not signed by the authority.
func (r *Registry) Rejected() uint64 { return r.rejected.Load() }

// Authority is the key that signs this registry's cards.
func (r *Registry) Authority() crypto.PublicKey { return r.authority }

// Lookup returns the card of an office. ErrNotFound when there is none. Calls
// inside a transaction see the state before it; use [Registry.LookupTx] there.
func (r *Registry) Lookup(code string) (Card, error) {
	key := Key(code)
	r.mu.Lock()
	c, ok := r.cache[key]
	generation := r.generation
	r.mu.Unlock()
	if ok {
		return c, nil
	}
	err := r.db.View(context.Background(), func(tx *sqlite.Tx) (err error) {
		c, err = r.LookupTx(tx, code)
		return err
	})
	if err != nil {
		return Card{}, err
	}
	r.remember(generation, c)
	return c, nil
}

// remember takes cards into the cache that were read when it was of this
// generation.
func (r *Registry) remember(generation uint64, cards ...Card) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if generation != r.generation {
		return
	}
	for _, c := range cards {
		if len(r.cache) >= r.cacheSize {
			for old := range r.cache {
				delete(r.cache, old)
				break
			}
		}
		r.cache[Key(c.Code)] = c
	}
}

// Warm reads as many cards into memory as are kept there, so that a hub whose
// offices all come at once need not look up one after the other.
func (r *Registry) Warm(ctx context.Context) error {
	r.mu.Lock()
	generation := r.generation
	r.mu.Unlock()
	cards, err := r.EnrolledHere(ctx, r.cacheSize)
	if err != nil {
		return fmt.Errorf("warm registry: %w", err)
	}
	r.remember(generation, cards...)
	return nil
}

// LookupTx is Lookup within tx.
func (r *Registry) LookupTx(tx *sqlite.Tx, code string) (Card, error) {
	raw, err := r.Raw(tx, code)
	if err != nil {
		return Card{}, err
	}
	return r.stored(raw)
}

// Raw returns the signed bytes of an office's card, as a hub holds them; of a
// card that came in a page only what it says. ErrNotFound when there is none.
func (r *Registry) Raw(tx *sqlite.Tx, code string) ([]byte, error) {
	var raw []byte
	err := tx.QueryRow(`SELECT raw FROM cards WHERE code_key = ?`, Key(code)).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("look up office %q: %w", code, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("look up office %q: %w", code, err)
	}
	return raw, nil
}

// ByDevice returns the office that a device key belongs to. ErrNotFound when
// no card holds it.
func (r *Registry) ByDevice(tx *sqlite.Tx, device crypto.PublicKey) (Card, error) {
	spki, err := x509.MarshalPKIXPublicKey(device)
	if err != nil {
		return Card{}, fmt.Errorf("look up device key: %w", err)
	}
	var raw []byte
	err = tx.QueryRow(`SELECT raw FROM cards WHERE device = ? ORDER BY serial DESC LIMIT 1`, spki).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return Card{}, fmt.Errorf("look up device key: %w", ErrNotFound)
	}
	if err != nil {
		return Card{}, fmt.Errorf("look up device key: %w", err)
	}
	return r.stored(raw)
}

// stored reads a card that Merge has verified.
func (r *Registry) stored(raw []byte) (Card, error) {
	if len(raw) > 0 && raw[0] != coseTag {
		return parsePayload(raw) // came in a page
	}
	payload, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return Card{}, fmt.Errorf("read stored card: %w", err)
	}
	return parsePayload(payload)
}

// coseTag begins a signed card. A card without a signature of its own, from a
// signed page, begins with the head of a CBOR map instead.
const coseTag = 0xd2

// Merge takes in cards of any origin and returns how many of them replaced an
// older card or were new. Cards that do not verify are ignored, counted in
// Rejected and logged; they are no error. Merging the same cards again changes
// nothing.
func (r *Registry) Merge(tx *sqlite.Tx, cards [][]byte) (changed int, err error) {
	var keys []string
	for _, raw := range cards { // each with a signature of its own
		fresh, err := r.fresh(tx, raw)
		if err != nil {
			return changed, err
		}
		if !fresh {
			continue
		}
		c, err := ParseCard(raw, r.authority)
		if err != nil {
			r.reject(err)
			continue
		}
		if err := put(tx, c, raw); err != nil {
			return changed, err
		}
		changed++
		keys = append(keys, Key(c.Code))
	}
	if changed > 0 {
		serial, err := highest(tx)
		if err != nil {
			return changed, fmt.Errorf("merge cards: %w", err)
		}
		tx.OnCommit(func() { r.committed(serial, keys) })
	}
	return changed, nil
}

// fresh says whether raw, if it verifies, would be newer than what is stored.
// It spares the signature check for cards that are already here.
func (r *Registry) fresh(tx *sqlite.Tx, raw []byte) (bool, error) {
	payload, err := bundle.PayloadCOSE(raw)
	if err != nil {
		r.reject(err)
		return false, nil
	}
	c, err := parsePayload(payload)
	if err != nil {
		r.reject(err)
		return false, nil
	}
	return newer(tx, c)
}

// newer says whether c is newer than what is stored.
func newer(tx *sqlite.Tx, c Card) (bool, error) {
	var serial int64
	err := tx.QueryRow(`SELECT serial FROM cards WHERE code_key = ?`, Key(c.Code)).Scan(&serial)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("merge cards: %w", err)
	}
	return c.Serial > uint64(serial), nil
}

func (r *Registry) reject(err error) {
	r.rejected.Add(1)
	r.log.Warn("registry card ignored", "err", err)
}

func put(tx *sqlite.Tx, c Card, raw []byte) error {
	var spki []byte
	if c.Device != nil {
		der, err := x509.MarshalPKIXPublicKey(c.Device)
		if err != nil {
			return fmt.Errorf("store card: %w", err)
		}
		spki = der
	}
	_, err := tx.Exec(`INSERT OR REPLACE INTO cards
		(code_key, code, name, name_fold, parent_key, kind, serial, device, recipient, raw, into_key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		Key(c.Code), c.Code, c.Name, fold.String(c.Name), Key(c.Parent), c.Kind, int64(c.Serial), spki, c.Recipient, raw, Key(c.Into))
	if err != nil {
		return fmt.Errorf("store card: %w", err)
	}
	return putOld(tx, c)
}

func (r *Registry) committed(serial uint64, changed []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range changed {
		delete(r.cache, key)
	}
	r.generation++
	r.index.changed(changed)
	r.highest.Store(max(serial, r.highest.Load()))
}

// Issue signs c with a serial above all stored ones and stores it. Only the
// hub, which has the authority key, can do so. What is nil in the card's
// Succession stays as it was, and a device key that is replaced joins the
// former ones.
func (r *Registry) Issue(tx *sqlite.Tx, c Card, authority crypto.Signer) ([]byte, error) {
	old, err := r.LookupTx(tx, c.Code)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("issue card: %w", err)
	}
	last, err := highest(tx)
	if err != nil {
		return nil, fmt.Errorf("issue card: %w", err)
	}
	c.Succession = c.after(old, c.Device, tx.Now())
	c.Serial = max(uint64(max(tx.Now().UnixMilli(), 0)), last+1)
	c.Issued = tx.Now()
	raw, err := SignCard(c, authority)
	if err != nil {
		return nil, fmt.Errorf("issue card: %w", err)
	}
	if own, ok := r.authority.(*ecdsa.PublicKey); !ok || !own.Equal(authority.Public()) {
		return nil, fmt.Errorf("issue card: %w: the authority key does not fit this registry", ErrCard)
	}
	if err := put(tx, c, raw); err != nil {
		return nil, fmt.Errorf("issue card: %w", err)
	}
	tx.OnCommit(func() { r.committed(c.Serial, []string{Key(c.Code)}) })
	return raw, nil
}
