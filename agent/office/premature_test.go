package office

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestAMessageThatWaitsForAnotherIsNoFaultForAnHour: it is offered again each time,
// without an error; after the hour somebody is told, once; and it is taken when what
// it follows on has come.
func TestAMessageThatWaitsForAnotherIsNoFaultForAnHour(t *testing.T) {
	w := mailWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	var log bytes.Buffer
	b.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	offered := 0
	b.box.fail = func(what string) error {
		if offered++; what == "take" {
			return ErrPremature
		}
		return nil
	}
	a.post(a.mail("B"))
	w.relay()
	for _, step := range []struct {
		after               time.Duration
		debug, warn, errors int
	}{
		{0, 1, 0, 0}, {prematurePatience - time.Second, 2, 0, 0}, {2 * time.Second, 2, 1, 0}, {time.Hour, 3, 1, 0}, {24 * time.Hour, 4, 1, 0},
	} {
		w.clock = w.clock.Add(step.after)
		b.round(t.Context())
		for level, want := range map[string]int{"DEBUG": step.debug, "WARN": step.warn, "ERROR": step.errors} {
			if got := strings.Count(log.String(), "level="+level); got != want {
				t.Errorf("%v later: %d lines of level %s, want %d:\n%s", step.after, got, level, want, log.String())
			}
		}
	}
	if taken := b.asked(`SELECT message FROM box_taken`); taken != nil || offered < 5 {
		t.Errorf("taken %q, offered %d times", taken, offered)
	}
	b.box.fail = nil
	b.round(t.Context())
	if taken := b.asked(`SELECT message FROM box_taken`); len(taken) != 1 || len(b.premature) != 0 {
		t.Errorf("taken %q, still remembered %v", taken, b.premature)
	}
}
