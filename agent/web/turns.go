package web

import (
	"context"
	"sync"

	"tram/storage"
)

// turnsKept bounds the remembered forms. An older form pressed again would be
// a new document, which its clerk sees at once.
const turnsKept = 512

// turns makes a form that is submitted twice send once: the second press waits
// for the first and gets its document.
type turns struct {
	mu    sync.Mutex
	byKey map[string]*turn
	order []string
}

type turn struct {
	done chan struct{}
	once sync.Once
	id   storage.ID
	sent bool
}

// begin returns the turn of key and whether it is new. Whoever gets a new one
// ends it.
func (t *turns) begin(key string) (_ *turn, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.byKey[key]; ok {
		select {
		case <-old.done:
			if old.sent {
				return old, false
			}
		default:
			return old, false
		}
	}
	if t.byKey == nil {
		t.byKey = map[string]*turn{}
	}
	fresh := &turn{done: make(chan struct{})}
	t.byKey[key] = fresh
	t.order = append(t.order, key)
	if len(t.order) > turnsKept {
		delete(t.byKey, t.order[0])
		t.order = t.order[1:]
	}
	return fresh, true
}

func (t *turn) end(id storage.ID, sent bool) {
	t.once.Do(func() {
		t.id, t.sent = id, sent
		close(t.done)
	})
}

// wait returns the document of an earlier press, false when that press failed.
func (t *turn) wait(ctx context.Context) (storage.ID, bool) {
	select {
	case <-t.done:
		return t.id, t.sent
	case <-ctx.Done():
		return storage.ID{}, false
	}
}
