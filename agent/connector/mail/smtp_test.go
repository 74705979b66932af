package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/mail/mailtest"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/storagetest"
)

// script answers some commands of a server, each once, then takes all.
type script struct {
	mu    sync.Mutex
	lines map[string][]string // by verb and the beginning of the argument
}

func (s *script) answer(verb, arg string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, list := range s.lines {
		if strings.HasPrefix(verb+" "+arg, key) && len(list) > 0 {
			s.lines[key] = list[1:]
			return list[0]
		}
	}
	return ""
}

func TestAnswersOfTheServerMeanWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		name      string
		lines     map[string][]string
		code      string
		permanent bool
		rest      bool
		first     []string // who has it after the first try
		then      []string // who gets it at the second one; nil for nobody
	}{
		{name: "taken", first: []string{clerk, chief}},
		{name: "grey list", lines: map[string][]string{"RCPT": {"451 4.7.1 Greylisted, try again", "451 4.7.1 Greylisted, try again"}}, code: "mail.later", then: []string{clerk, chief}},
		{name: "grey list for one", lines: map[string][]string{"RCPT TO:<" + chief: {"450 4.2.0 Greylisted"}}, code: "mail.later", first: []string{clerk}, then: []string{chief}},
		{name: "one is unknown", lines: map[string][]string{"RCPT TO:<" + chief: {"550 5.1.1 User unknown"}}, code: "mail.recipients", permanent: true, first: []string{clerk}, then: []string{chief}},
		{name: "one is unknown, one later", lines: map[string][]string{"RCPT TO:<" + chief: {"550 5.1.1 User unknown"}, "RCPT TO:<" + clerk: {"452 4.2.2 Mailbox full"}}, code: "mail.later", then: []string{clerk, chief}},
		{name: "sender refused", lines: map[string][]string{"MAIL": {"550 5.7.1 Sender rejected"}}, code: "mail.refused", permanent: true, then: []string{clerk, chief}},
		{name: "too busy", lines: map[string][]string{"MAIL": {"421 4.3.2 Too busy"}}, code: "mail.later", then: []string{clerk, chief}},
		{name: "no room", lines: map[string][]string{"DATA": {"452 4.3.1 Insufficient storage"}}, code: "mail.later", then: []string{clerk, chief}},
		{name: "content refused", lines: map[string][]string{".": {"554 5.6.0 Looks like spam"}}, code: "mail.refused", permanent: true, then: []string{clerk, chief}},
		{name: "content later", lines: map[string][]string{".": {"451 4.3.0 Scanner is down"}}, code: "mail.later", then: []string{clerk, chief}},
		{name: "sign-in asked for", lines: map[string][]string{"MAIL": {"530 5.7.0 Authentication required"}}, code: "mail.sign-in", rest: true, then: []string{clerk, chief}},
		{name: "no greeting", lines: map[string][]string{"EHLO": {"550 no"}, "HELO": {"550 no"}}, code: "mail.unreachable", then: []string{clerk, chief}},
		{name: "STARTTLS fails", lines: map[string][]string{"STARTTLS": {"454 4.7.0 TLS not available"}}, code: "mail.tls", then: []string{clerk, chief}},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := &script{lines: c.lines}
			s := mailtest.New(t, mailtest.Options{Answer: script.answer})
			d := newDesk()
			doc := d.file(sample(), names[:1], []byte("content"))
			set := to(s)
			set.To = connector.Words{clerk, chief}
			m := bench(t, d, set, "")
			err := m.Deliver(t.Context(), arrived(doc))
			if c.code == "" != (err == nil) || err != nil && problem.From(err).Code != c.code {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if connector.IsPermanent(err) != c.permanent || !connector.NotBefore(err).IsZero() != c.rest {
				t.Errorf("%v: permanent %v, not before %v", err, connector.IsPermanent(err), connector.NotBefore(err))
			}
			has := func(nth int) []string {
				got := s.Messages()
				if len(got) <= nth {
					return nil
				}
				return got[nth].To
			}
			n := 0
			if c.first != nil {
				n = 1
			}
			if !slices.Equal(has(0), c.first) {
				t.Errorf("at first %q has it", has(0))
			}
			if err := m.Deliver(t.Context(), arrived(doc)); err != nil { // replayed
				t.Fatal(err)
			}
			if !slices.Equal(has(n), c.then) {
				t.Errorf("the second time it goes to %q, want %q", has(n), c.then)
			}
			if err := m.Deliver(t.Context(), arrived(doc)); err != nil || len(s.Messages()) > 2 {
				t.Errorf("P2: %d mails, %v", len(s.Messages()), err)
			}
		})
	}
}

func TestP6_NothingGoesInTheClear(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      mailtest.Options
		change func(*Settings)
		code   string
	}{
		{"STARTTLS", mailtest.Options{}, func(*Settings) {}, ""},
		{"implicit", mailtest.Options{Implicit: true}, func(s *Settings) { s.Security = "tls" }, ""},
		{"no TLS", mailtest.Options{NoTLS: true}, func(*Settings) {}, "mail.no-tls"},
		{"implicit TLS where there is none", mailtest.Options{NoTLS: true}, func(s *Settings) { s.Security = "tls" }, "mail.tls"},
		{"authority unknown", mailtest.Options{}, func(s *Settings) { s.CA = "" }, "mail.tls"},
		{"authority unknown, implicit", mailtest.Options{Implicit: true}, func(s *Settings) { s.CA, s.Security = "", "tls" }, "mail.tls"},
		{"another name", mailtest.Options{}, func(s *Settings) { s.Server = strings.Replace(s.Server, "127.0.0.1", "localhost", 1) }, "mail.tls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.User, c.o.Password, c.o.Ways = "tram", "mật khẩu", []string{"PLAIN"}
			s := mailtest.New(t, c.o)
			set := to(s)
			set.User = "tram"
			c.change(&set)
			d := newDesk()
			doc := d.file(sample(), names[:1], []byte("content"))
			err := bench(t, d, set, "mật khẩu").Deliver(t.Context(), arrived(doc))
			if c.code == "" != (err == nil) || err != nil && problem.From(err).Code != c.code || connector.IsPermanent(err) {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if c.code != "" && (s.SignIns() > 0 || len(s.Messages()) > 0) {
				t.Errorf("%d sign-ins, %d mails", s.SignIns(), len(s.Messages()))
			}
			for _, m := range s.Messages() {
				if !m.TLS || m.User != "tram" {
					t.Errorf("TLS %v, user %q", m.TLS, m.User)
				}
			}
		})
	}
}

func TestSigningIn(t *testing.T) {
	for _, c := range []struct {
		name     string
		ways     []string
		password string
		answer   string
		code     string
		rest     bool
	}{
		{"PLAIN", []string{"LOGIN", "PLAIN"}, "right", "", "", false},
		{"LOGIN", []string{"LOGIN"}, "right", "", "", false},
		{"wrong", []string{"PLAIN"}, "wrong", "", "mail.sign-in", true},
		{"wrong by LOGIN", []string{"LOGIN"}, "wrong", "", "mail.sign-in", true},
		{"later", []string{"PLAIN"}, "right", "454 4.7.0 Temporary authentication failure", "mail.later", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers := &script{lines: map[string][]string{}}
			if c.answer != "" {
				answers.lines["AUTH"] = []string{c.answer}
			}
			s := mailtest.New(t, mailtest.Options{User: "tram", Password: "right", Ways: c.ways, Answer: answers.answer})
			set := to(s)
			set.User = "tram"
			d := newDesk()
			doc := d.file(sample(), nil)
			m := bench(t, d, set, c.password)
			err := m.Deliver(t.Context(), arrived(doc))
			if c.code == "" != (err == nil) || err != nil && problem.From(err).Code != c.code || connector.IsPermanent(err) {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if rest := time.Until(connector.NotBefore(err)); c.rest != (rest > signInRest-time.Minute) {
				t.Errorf("rest of %v", rest)
			}
			if strings.Contains(fmt.Sprint(err), "wrong") {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

func TestWhatIsTooLargeGoesWithoutItsAttachments(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 30_000)
	for _, c := range []struct {
		name string
		size int64 // the server's
		max  string
		want int
	}{
		{"fits", 0, "", 1},
		{"beyond the setting", 0, "300kB", 0},
		{"beyond the server's", 350_000, "", 0},
		{"within both", 500_000, "500kB", 1},
	} {
		s := mailtest.New(t, mailtest.Options{Size: c.size})
		d := newDesk()
		doc := d.file(sample(), names[:1], data)
		set := to(s)
		set.MaxSize, set.Page = c.max, "https://tram.lan"
		if err := bench(t, d, set, "").Deliver(t.Context(), arrived(doc)); err != nil {
			t.Fatal(err)
		}
		p := read(t, s.Messages()[0].Data)
		if len(p.files) != c.want || strings.Contains(p.text, "không kèm theo") != (c.want == 0) || !strings.Contains(p.text, "https://tram.lan/van-ban-den/") {
			t.Errorf("%s: %d files\n%s", c.name, len(p.files), p.text)
		}
	}
}

// stream is an attachment of any size that is in no memory.
type stream struct {
	size, at int64
	err      error // instead of the end
}

func (s *stream) Read(p []byte) (int, error) {
	n := int(min(int64(len(p)), s.size-s.at))
	for i := range p[:n] {
		p[i] = byte(s.at + int64(i))
	}
	s.at += int64(n)
	if n == 0 {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	return n, nil
}

func (s *stream) Seek(off int64, _ int) (int64, error) { s.at = off; return off, nil }
func (*stream) Close() error                           { return nil }

// large sends a mail with attachments, and returns by how much memory grew
// meanwhile, the server's included, in bytes.
func large(t testing.TB, count int, each int64) int64 {
	t.Helper()
	s := mailtest.New(t, mailtest.Options{Discard: true})
	d := newDesk()
	doc := d.file(sample(), names[:count], make([][]byte, count)...)
	for i := range doc.Attachments {
		doc.Attachments[i].Size = each
	}
	d.docs[doc.ID] = doc
	d.open = func(office.Attachment) io.ReadSeekCloser { return &stream{size: each} }
	set := to(s)
	set.MaxSize = "400MB"
	m := bench(t, d, set, "")
	runtime.GC()
	before := storagetest.Held()
	peak := storagetest.PeakHeld(func() {
		if err := m.Deliver(t.Context(), arrived(doc)); err != nil {
			t.Error(err)
		}
	})
	if got := s.Messages(); len(got) != 1 || got[0].Size < int64(count)*each*4/3 {
		t.Fatalf("%+v", got)
	}
	return int64(peak) - int64(before)
}

func TestP9_MemoryDoesNotGrowWithAttachments(t *testing.T) {
	const most = 10 << 20
	if grown := large(t, 1, 16_000_000); grown > most {
		t.Errorf("memory grew by %d bytes", grown)
	}
}

// BenchmarkDeliver sends mails with 200 MB of attachments.
func BenchmarkDeliver(b *testing.B) {
	const each, count = 50_000_000, 4
	b.SetBytes(each * count)
	most := int64(0)
	for b.Loop() {
		most = max(most, large(b, count, each))
	}
	b.ReportMetric(float64(most), "peak-bytes")
}

func TestAMailThatBreaksOffIsNone(t *testing.T) {
	broken := errors.New("disk error")
	for _, c := range []struct {
		name string
		s    stream
	}{{"content fails", stream{size: 500_000, err: broken}}, {"content is short", stream{size: 500_000}}} {
		s := mailtest.New(t, mailtest.Options{})
		d := newDesk()
		doc := d.file(sample(), names[:1], make([]byte, 1_000_000))
		d.open = func(office.Attachment) io.ReadSeekCloser { return &c.s }
		err := bench(t, d, to(s), "").Deliver(t.Context(), arrived(doc))
		if err == nil || connector.IsPermanent(err) || problem.From(err).Code != "internal" {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.s.err != nil && !errors.Is(err, broken) {
			t.Errorf("%s: %v", c.name, err)
		}
		time.Sleep(50 * time.Millisecond)
		if got := s.Messages(); len(got) > 0 {
			t.Errorf("%s: the server has a mail of %d bytes", c.name, got[0].Size)
		}
	}
}

func TestP9_AServerThatNeverEndsItsAnswerIsLeft(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for err == nil {
			_, err = conn.Write(bytes.Repeat([]byte("x"), 64<<10))
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	d := newDesk()
	doc := d.file(sample(), nil)
	err = bench(t, d, Settings{Server: listener.Addr().String(), From: from, To: connector.Words{clerk}}, "").Deliver(t.Context(), arrived(doc))
	if !errors.Is(err, errTooMuch) || problem.From(err).Code != "mail.unreachable" {
		t.Errorf("%v", err)
	}
}

func TestRecordsOfWhoHasAMailAreTidied(t *testing.T) {
	m := bench(t, newDesk(), Settings{Server: "x", From: from, To: connector.Words{clerk, chief}}, "")
	now := time.Now()
	for i := range keepDone + 40 {
		key := fmt.Sprintf("%032x", i)
		done := []string{clerk, chief}
		if i%10 == 0 {
			done = done[:1] // a dead letter
		}
		if err := m.has(key, done); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i-1000) * time.Hour)
		if i == 10 {
			at = now.Add(-keepPart - time.Hour)
		}
		if err := os.Chtimes(m.record(key), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.forget(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(m.env.Dir, "*"+recordEnd))
	if err != nil || len(left) != keepDone+3 { // parts 0, 20, 30 are beyond the newest, and young
		t.Errorf("%d records, %v", len(left), err)
	}
	if done, err := m.had(fmt.Sprintf("%032x", 20)); err != nil || !slices.Equal(done, []string{clerk}) {
		t.Errorf("%q, %v", done, err)
	}
	if done, err := m.had(fmt.Sprintf("%032x", 10)); err != nil || done != nil {
		t.Errorf("an old one: %q, %v", done, err)
	}
	if err := os.WriteFile(m.record("bad"), []byte(`{"version": 9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.had("bad"); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a record of a later version: %v", err)
	}
}
