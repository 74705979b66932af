package search

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Access is a look into the index that the audit log keeps: who looked for what.
type Access struct {
	By     string // sign-in name
	Words  string // at most MaxQuery bytes of them are kept
	Filter string // the address of the page; at most MaxAddress bytes
	Found  int
	More   bool   // there are more than Found
	Files  bool   // the text of files was searched
	Export string // the kind of file that the results were taken away in, "" for none
}

// Bounds of the log.
const (
	// sameAccess is how long the same question of the same person is one look.
	sameAccess = 10 * time.Minute
	// keptAccesses is how many people are remembered for that.
	keptAccesses = 500
)

// accesses remembers the last question of each person.
type accesses struct {
	mu   sync.Mutex
	last map[string]asked
}

type asked struct {
	words, filter string
	at            time.Time
}

// again reports whether a person asked the same just now.
func (a *accesses) again(e Access, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.last[e.By]
	if ok && last.words == e.Words && last.filter == e.Filter && now.Sub(last.at) < sameAccess {
		return true
	}
	if a.last == nil || len(a.last) >= keptAccesses {
		a.last = map[string]asked{}
	}
	a.last[e.By] = asked{e.Words, e.Filter, now}
	return false
}

// Log writes a look into the audit log. The same question again within
// sameAccess is not written, an export always is.
func (x *Index) Log(ctx context.Context, a Access) error {
	if a.Export == "" && x.asked.again(a, time.Now()) {
		return nil
	}
	action := "search.asked"
	detail := map[string]string{"filter": a.Filter[:min(len(a.Filter), MaxAddress)], "found": fmt.Sprint(a.Found), "more": fmt.Sprint(a.More), "files": fmt.Sprint(a.Files)}
	if a.Export != "" {
		action, detail["export"] = "search.exported", a.Export
	}
	err := x.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: a.By, Action: action, Subject: a.Words[:min(len(a.Words), MaxQuery)], Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("log search: %w", err)
	}
	return nil
}
