package account

import (
	"strings"
	"sync"
	"time"
)

// What a guesser may do before waiting. Counts fade as a whole after the
// pause. The account's own limit is wide, so that one machine cannot lock a
// clerk out at another one.
const (
	pairTries    = 5  // of one address at one account
	addressTries = 20 // of one address at all accounts
	accountTries = 40 // of all addresses at one account
	pause        = 10 * time.Minute
	// throttleSize bounds the remembered keys. Beyond it everything is
	// forgotten, which gives a guesser pairTries more, not an account.
	throttleSize = 4096
)

// throttle counts failed sign-ins in memory; a restart forgets them.
type throttle struct {
	now  func() time.Time
	mu   sync.Mutex
	seen map[string]*failures
}

type failures struct {
	count int
	last  time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, seen: map[string]*failures{}}
}

func keys(name, address string) map[string]int {
	return map[string]int{
		"p\x00" + name + "\x00" + address: pairTries,
		"a\x00" + address:                 addressTries,
		"n\x00" + name:                    accountTries,
	}
}

// wait is how long name at address must wait, 0 when it may try.
func (t *throttle) wait(name, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, longest := t.now(), time.Duration(0)
	for k, limit := range keys(name, address) {
		f := t.seen[k]
		if f == nil {
			continue
		}
		left := f.last.Add(pause).Sub(now)
		if left <= 0 {
			delete(t.seen, k)
		} else if f.count >= limit {
			longest = max(longest, left)
		}
	}
	return longest
}

func (t *throttle) failed(name, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= throttleSize {
		t.seen = map[string]*failures{}
	}
	for k := range keys(name, address) {
		if t.seen[k] == nil {
			t.seen[k] = &failures{}
		}
		t.seen[k].count++
		t.seen[k].last = t.now()
	}
}

// passed forgives the pair, not the address and not the account: a guesser
// with one good account must not clear the traces of guessing at others.
func (t *throttle) passed(name, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, "p\x00"+name+"\x00"+address)
}

// forget forgives the account everywhere, but not the addresses: an IT officer
// has looked at it.
func (t *throttle) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.seen {
		if k == "n\x00"+name || strings.HasPrefix(k, "p\x00"+name+"\x00") {
			delete(t.seen, k)
		}
	}
}
