package alert

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tram/agent/connector"
	"tram/agent/connector/mail"
	"tram/agent/connector/mail/mailtest"
	"tram/agent/connector/webhook"
	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var writer = Writer{Hub: Party{"H40", "UBND tỉnh Minh Sơn"}, Store: "s", Names: func(code string) string { return "xã " + code }}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample() Message {
	at := time.Date(2026, 11, 26, 9, 14, 0, 0, time.UTC)
	return writer.Write(7, incident.Notice{Kind: incident.Alert, At: at, Severity: incident.Page, Incidents: []incident.Summary{{
		ID: 3, Rule: incident.GroupSilent, Severity: incident.Page, Count: 21, Peak: 21, Total: 21, Opened: at,
		Group: &incident.Group{Kind: incident.GroupCluster, Name: "KS"}, Offices: []string{"H40.1"},
	}}})
}

func TestP12_WebhooksVerifyByTheReferenceLibrary(t *testing.T) {
	got := make(chan Message, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = w.Verify(body, r.Header)
		}
		var m struct {
			Type string  `json:"type"`
			Data Message `json:"data"`
		}
		if err := errors.Join(err, json.Unmarshal(body, &m)); err != nil || m.Type != "incident.alert" || r.Header.Get("webhook-id") != "alert-s-7" {
			t.Errorf("%v: %s", err, body)
		}
		got <- m.Data
	}))
	defer s.Close()
	p, err := webhook.NewPoster(webhook.Settings{URL: s.URL}, []byte(secret))
	must(t, err)
	defer p.Close()
	must(t, NewWebhook(p).Send(t.Context(), sample()))
	if m := <-got; m.Incidents[0].Count != 21 || !strings.Contains(m.Text.Vi, "xã KS: 21/21 đơn vị mất liên lạc") || !strings.HasPrefix(m.Subject.En, "[PAGE] ") {
		t.Errorf("%+v", m)
	}
}

func TestMailIsSentOnce(t *testing.T) {
	server := mailtest.New(t, mailtest.Options{User: "tram", Password: "mật khẩu", Ways: []string{"PLAIN"}})
	s, err := mail.NewSender(mail.Settings{Server: server.Addr, From: "hub@example.vn", To: connector.Words{"truc@example.vn"}, CA: server.CA, User: "tram"},
		[]byte("mật khẩu"), "UBND tỉnh", t.TempDir(), nil)
	must(t, err)
	c := NewMail(Mail, s)
	must(t, c.Send(t.Context(), sample()))
	must(t, c.Send(t.Context(), sample()))
	all := server.Messages()
	if len(all) != 1 {
		t.Fatalf("%d mails", len(all))
	}
	plain, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(all[0].Data))))
	if text := string(plain); !strings.Contains(text, "xã KS: 21/21 đơn vị mất liên lạc") || !strings.Contains(text, "21/21 offices out of contact") || !strings.Contains(text, "X-Priority: 1") {
		t.Errorf("%s", text)
	}
}

func script(t *testing.T, text string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("alerts by command: no shell scripts here")
	}
	path := filepath.Join(t.TempDir(), "alert.sh")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700))
	return path
}

func TestACommandGetsTheMessageAndNothingElse(t *testing.T) {
	t.Setenv("TRAM_SECRET", "x")
	out := filepath.Join(t.TempDir(), "out")
	c, err := NewCommand([]string{script(t, `{ cat; env; echo "$1"; } > "$2"`), "a b; $(c)", out})
	must(t, err)
	must(t, c.Send(t.Context(), sample()))
	data, err := os.ReadFile(out)
	must(t, err)
	var m Message
	must(t, json.NewDecoder(strings.NewReader(string(data))).Decode(&m))
	if text := string(data); m.ID != "alert-s-7" || m.Version != Version || !strings.Contains(text, "a b; $(c)") || !strings.Contains(text, "TRAM_ALERT_ID=alert-s-7") || strings.Contains(text, "TRAM_SECRET") {
		t.Errorf("%s", text)
	}
	bad, err := NewCommand([]string{script(t, "echo 'không có sóng' >&2; exit 3")})
	must(t, err)
	if err := bad.Send(t.Context(), sample()); err == nil || !strings.Contains(err.Error(), "không có sóng") || connector.IsPermanent(err) {
		t.Errorf("%v", err)
	}
	for _, argv := range [][]string{nil, {"sh"}, {"/nonexistent/program"}, {filepath.Dir(out)}} {
		if _, err := NewCommand(argv); problem.From(err).Code != "alerts.command" {
			t.Errorf("%q: %v", argv, err)
		}
	}
}

func TestACommandThatHangsIsEnded(t *testing.T) {
	c, err := NewCommand([]string{script(t, "exec sleep 60")})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := c.Send(ctx, sample()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// flaky is a channel that fails, or hangs, before it takes messages.
type flaky struct {
	name  string
	hangs bool
	fails atomic.Int32
	got   chan Message
}

func (f *flaky) Name() string { return f.name }

func (f *flaky) Send(ctx context.Context, m Message) error {
	if f.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.fails.Add(-1) >= 0 {
		return errors.New("no signal")
	}
	f.got <- m
	return nil
}

func TestAChannelThatHangsHoldsUpNoOther(t *testing.T) {
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, duty.Schema}})
	must(t, err)
	defer db.Close()
	cal, err := workdays.Vietnam()
	must(t, err)
	room := duty.New(db, duty.Options{Settings: incident.DefaultSettings(cal), Channels: []string{"a", "b"}})
	a, b := &flaky{name: "a", hangs: true}, &flaky{name: "b", got: make(chan Message, 9)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, c := range []Channel{a, b} {
		go func() { done <- Run(ctx, room, c, writer, slog.New(slog.DiscardHandler)) }()
	}
	number, err := room.Test(ctx, "cli")
	must(t, err)
	if m := <-b.got; m.ID != writer.Write(number, m.Notice).ID || m.Kind != incident.Test {
		t.Errorf("%+v", m)
	}
	for { // until it is on record
		channels, err := room.Channels(ctx)
		must(t, err)
		if !channels[1].Last.IsZero() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if list, _, err := room.Due(t.Context(), "a", time.Now()); err != nil || len(list) != 1 {
		t.Errorf("what was under way is lost: %+v, %v", list, err)
	}
}

// ledger is an outbox in memory.
type ledger struct {
	waiting []duty.Outgoing
	taken   []int64
	ready   chan struct{}
}

func (l *ledger) Due(context.Context, string, time.Time) (list []duty.Outgoing, next time.Time, err error) {
	return l.waiting, next, nil
}

func (l *ledger) Delivered(_ context.Context, o duty.Outgoing, _ time.Time, failure error, _ time.Duration, permanent bool) error {
	if failure == nil || permanent {
		l.taken = append(l.taken, o.Number)
		l.waiting = l.waiting[1:]
	}
	return nil
}

func (l *ledger) Ready(string) <-chan struct{} { return l.ready }

// moody answers each message with the next of its moods.
type moody struct {
	moods []error
	tries []time.Duration // since the beginning
	begin time.Time
}

func (*moody) Name() string { return "moody" }

func (m *moody) Send(context.Context, Message) error {
	mood := m.moods[0]
	m.moods, m.tries = m.moods[1:], append(m.tries, time.Since(m.begin))
	return mood
}

func TestAChannelRestsAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{ready: make(chan struct{}, 1), waiting: []duty.Outgoing{{Number: 1}, {Number: 2}, {Number: 3}}}
		begin := time.Now()
		m := &moody{begin: begin, moods: []error{
			errors.New("no signal"), nil, connector.After(begin.Add(time.Hour), errors.New("not so often")), connector.Permanent(errors.New("never")), nil,
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Run(ctx, l, m, writer, slog.New(slog.DiscardHandler)) }()
		time.Sleep(10 * time.Minute)
		l.ready <- struct{}{} // something new changes nothing for who wants to be left alone
		time.Sleep(2 * time.Hour)
		cancel()
		<-done
		want := []time.Duration{0, restAfter, restAfter, time.Hour, time.Hour}
		if !slices.Equal(m.tries, want) || !slices.Equal(l.taken, []int64{1, 2, 3}) {
			t.Errorf("tried at %v, taken %v", m.tries, l.taken)
		}
	})
}

func TestThePulseStopsWhenTheHubIsNotWell(t *testing.T) {
	var pings atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pings.Add(1) }))
	defer s.Close()
	pinger, err := webhook.NewPinger(webhook.Settings{URL: s.URL + "/ping/uuid"})
	must(t, err)
	var ill atomic.Bool
	p := &Pulse{Pinger: pinger, Every: time.Millisecond, Logger: slog.New(slog.DiscardHandler), Alive: func(context.Context) error {
		if ill.Load() {
			return errors.New("database does not answer")
		}
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	wait := func(ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it does not happen")
			}
		}
	}
	wait(func() bool { return pings.Load() > 3 })
	ill.Store(true)
	wait(func() bool { return !p.Failing().IsZero() })
	n := pings.Load()
	time.Sleep(10 * time.Millisecond)
	if pings.Load() != n {
		t.Error("a hub that is not well says that it lives")
	}
	ill.Store(false)
	wait(func() bool { return p.Failing().IsZero() })
	cancel()
	<-done
}
