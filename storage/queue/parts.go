package queue

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"tram/storage"
	"tram/storage/blob"
)

// maxOpenParts is how many partial files are kept open between writes. More
// are opened while they are in use.
const maxOpenParts = 64

// partKey names an object whose bytes are coming in.
type partKey struct {
	id    storage.ID
	index int
}

// name is the part's name in the blob store.
func (k partKey) name() string { return hex.EncodeToString(k.id[:]) + "-" + strconv.Itoa(k.index) }

// parsePart is the inverse of partKey.name.
func parsePart(name string) (partKey, bool) {
	var k partKey
	id, index, ok := strings.Cut(name, "-")
	b, err := hex.DecodeString(id)
	if !ok || err != nil || len(b) != len(k.id) {
		return k, false
	}
	k.id = storage.ID(b)
	k.index, err = strconv.Atoi(index)
	return k, err == nil && k.name() == name
}

// parts keeps partial files open between writes. All use of the parts of one
// bundle happens under the bundle's lock.
type parts struct {
	blobs *blob.Store
	log   *slog.Logger

	mu   sync.Mutex
	open map[partKey]*openPart
}

type openPart struct {
	*blob.Part
	size   int64 // declared
	used   int   // by how many callers right now
	lately time.Time
}

// use returns the part if it is open; put must follow.
func (p *parts) use(k partKey) (*openPart, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.open[k]
	if ok {
		o.used++
	}
	return o, ok
}

// get returns the part, opened if need be; put must follow.
func (p *parts) get(k partKey, size int64) (*openPart, error) {
	if o, ok := p.use(k); ok {
		return o, nil
	}
	part, err := p.blobs.Part(k.name())
	if err != nil {
		return nil, err
	}
	o := &openPart{Part: part, size: size, used: 1}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.evict()
	p.open[k] = o
	return o, nil
}

// put ends the use of a part.
func (p *parts) put(o *openPart) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o.used--
	o.lately = time.Now()
}

// evict closes the part that was idle longest when there are too many. It is
// synced first: reopened, its whole length would count as durable.
func (p *parts) evict() {
	if len(p.open) < maxOpenParts {
		return
	}
	var oldest partKey
	var found *openPart
	for k, o := range p.open {
		if o.used == 0 && (found == nil || o.lately.Before(found.lately)) {
			oldest, found = k, o
		}
	}
	if found == nil {
		return
	}
	delete(p.open, oldest)
	if err := errors.Join(found.Sync(), found.Close()); err != nil {
		p.log.Warn("partial file not closed", "bundle", oldest.id, "object", oldest.index, "error", err)
	}
}

// forget closes a part that is no longer needed open. Its file stays.
func (p *parts) forget(k partKey) {
	p.mu.Lock()
	o, ok := p.open[k]
	delete(p.open, k)
	p.mu.Unlock()
	if ok {
		_ = o.Close() // the caller removes the file or opens it again
	}
}

// remove drops all partial bytes of a bundle.
func (p *parts) remove(id storage.ID, objects int) error {
	var errs []error
	for i := range objects {
		k := partKey{id, i}
		p.forget(k)
		if err := p.blobs.RemovePart(k.name()); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *parts) closeAll() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for k, o := range p.open {
		errs = append(errs, o.Sync(), o.Close())
		delete(p.open, k)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close queue: %w", err)
	}
	return nil
}

// bundleLocks serialise the work on one incoming bundle.
type bundleLocks struct {
	mu   sync.Mutex
	held map[storage.ID]*bundleLock
}

type bundleLock struct {
	sync.Mutex
	users int
}

// lock waits for the bundle and returns how to let it go.
func (l *bundleLocks) lock(id storage.ID) (unlock func()) {
	l.mu.Lock()
	b := l.held[id]
	if b == nil {
		b = &bundleLock{}
		l.held[id] = b
	}
	b.users++
	l.mu.Unlock()
	b.Lock()
	return func() {
		b.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if b.users--; b.users == 0 {
			delete(l.held, id)
		}
	}
}
