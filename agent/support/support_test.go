package support

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/problem"
)

const canary = "CHIMBÁO"

func TestLogLinesKeepNoWordsOfPeople(t *testing.T) {
	log := NewLog(slog.DiscardHandler)
	l := slog.New(keepAll{log}).With("part", "office", "name", canary)
	id := uuid.New()
	l.Info("document saved", "id", id, "subject", canary, "size", 4096, "took", time.Second,
		"error", fmt.Errorf("read %s: %w", canary, &fs.PathError{Op: "open", Path: canary, Err: syscall.ENOENT}), "any", []string{canary})
	l.WithGroup("g").Warn("refused", "error", errors.Join(problem.New(problem.Usage, "usb.nothing", "", i18n.Args{"x": canary}), errors.New(canary)))
	got := strings.Join(log.Lines(), "\n")
	if strings.Contains(got, canary) {
		t.Errorf("the log tells %s", got)
	}
	for _, want := range []string{"document saved part=office", "id=" + id.String(), "size=4096", "took=1s", "*fs.PathError < no such file or directory", "usb.nothing"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q: %s", want, got)
		}
	}
}

// keepAll lets every level through.
type keepAll struct{ slog.Handler }

func (k keepAll) Enabled(context.Context, slog.Level) bool { return true }
func (k keepAll) WithAttrs(a []slog.Attr) slog.Handler     { return keepAll{k.Handler.WithAttrs(a)} }
func (k keepAll) WithGroup(n string) slog.Handler          { return keepAll{k.Handler.WithGroup(n)} }

func TestP9_TheLogKeepsTheLastLines(t *testing.T) {
	log := NewLog(slog.DiscardHandler)
	l := slog.New(keepAll{log})
	for n := range LogLines + 7 {
		l.Info("line", "n", n)
	}
	lines := log.Lines()
	if len(lines) != LogLines || !strings.HasSuffix(lines[0], "n=7") || !strings.HasSuffix(lines[LogLines-1], fmt.Sprintf("n=%d", LogLines+6)) {
		t.Errorf("%d lines from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
}

func TestSettingsOfPeopleAreNotTold(t *testing.T) {
	cfg := config.DefaultOffice()
	cfg.Office.Signer, cfg.UI.Support, cfg.Line.Up = canary, canary, []string{"/bin/" + canary}
	values := cfg.Values()
	for i := range values {
		values[i].Origin.Source = config.FromFile
		if values[i].Value == "" {
			values[i].Value = canary
		}
	}
	for _, s := range settings(values) {
		if s.Value != nil && strings.Contains(*s.Value, canary) && !plainSettings[s.Key] {
			t.Errorf("%s tells %s", s.Key, *s.Value)
		}
		if s.Key == "limits.files" && (s.Value == nil || *s.Value != "100") {
			t.Errorf("a number is not told: %+v", s)
		}
	}
	known := map[string]bool{}
	for _, v := range values {
		known[v.Key] = true
	}
	for key := range plainSettings {
		if !known[key] {
			t.Errorf("%s is no setting", key)
		}
	}
}

// TestP9_AnArchiveIsBoundedAndRepeats: the same state gives the same bytes, each
// file is cut at its limit, and each says what it is.
func TestP9_AnArchiveIsBoundedAndRepeats(t *testing.T) {
	log := NewLog(slog.DiscardHandler)
	l := slog.New(keepAll{log})
	for range LogLines {
		l.Info(strings.Repeat("x", 4000))
	}
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	s := Sources{Dir: t.TempDir(), Version: "1", Log: log, Now: func() time.Time { return now }, Status: func(context.Context) (api.Status, error) {
		return api.Status{State: "ready", Conditions: []health.Condition{{Code: "disk-low", Args: i18n.Args{"free": 12, "name": canary, "phone": "0912345678"}}}}, nil
	}}
	var archives [2]bytes.Buffer
	files := Collect(t.Context(), s)
	for i := range archives {
		if err := Write(&archives[i], files, now); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
		t.Error("the same state gives other bytes")
	}
	for _, f := range files {
		if len(f.Data) > MaxFile || len(f.Data) == 0 {
			t.Errorf("%s has %d bytes", f.Name, len(f.Data))
		}
		for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
			if strings.HasPrefix(f.About(lang), "support.") {
				t.Errorf("%s does not say what it is", f.Name)
			}
		}
		for _, word := range []string{canary, "0912345678"} {
			if bytes.Contains(f.Data, []byte(word)) {
				t.Errorf("%s tells %s", f.Name, word)
			}
		}
		if f.Name == "status.json" && !bytes.Contains(f.Data, []byte(`"free": "12"`)) {
			t.Errorf("status: %s", f.Data)
		}
	}
}

// TestAStoppedBoxTellsWhatItCan has neither a service nor a database.
func TestAStoppedBoxTellsWhatItCan(t *testing.T) {
	down := problem.New(problem.NotRunning, "service.not-running", "data", i18n.Args{"dir": canary})
	files := Collect(t.Context(), Sources{Dir: t.TempDir(), Version: "1", Down: down, Now: time.Now})
	for _, f := range files {
		if bytes.Contains(f.Data, []byte(canary)) {
			t.Errorf("%s tells the path", f.Name)
		}
		if f.Name == "status.json" && !bytes.Contains(f.Data, []byte("service.not-running")) {
			t.Errorf("status: %s", f.Data)
		}
	}
}
