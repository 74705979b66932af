package support

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// LogLines is how many of the last lines of the log are kept for the archive.
const LogLines = 1000

// Log passes records on and keeps the last ones in the form in which they may
// leave the house. It is a slog.Handler.
type Log struct {
	next  slog.Handler
	kept  *lines
	attrs string // of With, in their harmless form
}

// lines is a ring.
type lines struct {
	mu   sync.Mutex
	list []string
	next int
}

// NewLog keeps what goes to next.
func NewLog(next slog.Handler) *Log { return &Log{next: next, kept: &lines{}} }

// Lines are the kept lines, oldest first. A nil Log has none.
func (l *Log) Lines() []string {
	if l == nil {
		return nil
	}
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	return slices.Concat(l.kept.list[l.kept.next:], l.kept.list[:l.kept.next])
}

// Enabled implements slog.Handler.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool { return l.next.Enabled(ctx, level) }

// Handle implements slog.Handler.
func (l *Log) Handle(ctx context.Context, r slog.Record) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s %s%s", r.Time.UTC().Format(time.RFC3339), r.Level, oneLine(r.Message), l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		line.WriteString(harmless(a))
		return true
	})
	l.kept.add(line.String())
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *l
	more.next = l.next.WithAttrs(attrs)
	for _, a := range attrs {
		more.attrs += harmless(a)
	}
	return &more
}

// WithGroup implements slog.Handler.
func (l *Log) WithGroup(name string) slog.Handler {
	more := *l
	more.next = l.next.WithGroup(name)
	return &more
}

func (k *lines) add(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.list) < LogLines {
		k.list = append(k.list, line)
		return
	}
	k.list[k.next] = line
	k.next = (k.next + 1) % LogLines
}

// words are the keys whose text is chosen by the program and by nobody else.
var words = []string{"part", "schema", "state", "code", "level", "method", "action", "kind", "interface"}

// harmless is an attribute without what people or other programs wrote.
func harmless(a slog.Attr) string {
	v := a.Value.Resolve()
	text := "…"
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration:
		text = v.String()
	case slog.KindTime:
		text = v.Time().UTC().Format(time.RFC3339)
	case slog.KindString:
		if slices.Contains(words, a.Key) {
			text = oneLine(v.String())
		}
	case slog.KindAny:
		switch x := v.Any().(type) {
		case uuid.UUID:
			text = x.String()
		case error:
			text = kindsOf(x)
		}
	}
	return " " + a.Key + "=" + text
}

func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }
