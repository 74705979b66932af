package broker

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// RefusalInterval is how often the same refusal is reported at most. Those in
// between are counted in the next one's Repeats.
const RefusalInterval = time.Minute

// maxReasons bounds the refusals that are remembered for merging; beyond it they
// are all forgotten, and so reported again.
const maxReasons = 1024

// reporter merges refusals, so that a client that tries for ever does not fill
// the log.
type reporter struct {
	tell func(Refusal)
	now  func() time.Time

	mu   sync.Mutex
	seen map[reason]*repeats
}

type reason struct {
	office string
	host   string // of refusals without an office
	action Action
	topic  string
}

type repeats struct {
	last  time.Time
	count int
}

func newReporter(tell func(Refusal)) *reporter {
	return &reporter{tell: tell, now: time.Now, seen: map[reason]*repeats{}}
}

func (r *reporter) report(f Refusal) {
	if r.tell == nil {
		return
	}
	if count, due := r.due(f); due {
		f.Repeats = count
		r.tell(f)
	}
}

func (r *reporter) due(f Refusal) (count int, due bool) {
	key := reason{office: f.Office, action: f.Action, topic: f.Topic}
	if f.Office == "" {
		key.host = host(f.Remote)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	before := r.seen[key]
	if before != nil && now.Sub(before.last) < RefusalInterval {
		before.count++
		return 0, false
	}
	if before != nil {
		count = before.count
	}
	if len(r.seen) >= maxReasons {
		clear(r.seen)
	}
	r.seen[key] = &repeats{last: now}
	return count, true
}

// quiet passes mochi's log on at debug level and without packets, whose content
// is nobody's business.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, slog.LevelDebug, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "pk" && a.Key != "packet" && a.Key != "will" {
			clean.AddAttrs(a)
		}
		return true
	})
	return q.Handler.Handle(ctx, clean)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }

func host(remote string) string {
	h, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return h
}
