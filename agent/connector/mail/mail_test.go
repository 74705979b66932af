package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/connector/mail/mailtest"
	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

const (
	from  = "tram@an-binh.example.vn"
	clerk = "vanthu@an-binh.example.vn"
	chief = "chutich@an-binh.example.vn"
)

func settings(t testing.TB, s Settings) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// to are usual settings for a server.
func to(s *mailtest.Server) Settings {
	return Settings{Server: s.Addr, From: from, To: connector.Words{clerk}, CA: s.CA, Wait: "0s"}
}

// bench opens a connector over a desk.
func bench(t testing.TB, desk connector.Desk, s Settings, secret string) *mailer {
	t.Helper()
	env := connector.Env{
		Name: "thu", Office: office.Party{Code: connectortest.Office, Name: "UBND xã An Bình"}, Settings: settings(t, s), Desk: desk,
		Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	if secret != "" {
		env.Secret = []byte(secret)
	}
	c, err := Kind().Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*mailer)
}

func arrived(doc office.Document) connector.Delivery {
	return connector.Delivery{Entry: office.Entry{
		Cursor: "0a1b2c3d4e5f-" + doc.ID.String(), Type: office.DocumentArrived, Document: doc.ID, EdXMLID: doc.EdXMLID, Box: office.In,
		State: office.Delivered, Code: "01", Office: connectortest.Office, At: time.Now(), Learnt: time.Now(),
	}}
}

// mailbox shows a server as the suite wants it.
type mailbox struct {
	*mailtest.Server
	t *testing.T
}

func (m mailbox) Received() (ids []string) {
	for _, got := range m.Messages() {
		msg, err := mail.ReadMessage(bytes.NewReader(got.Data))
		if err != nil {
			m.t.Fatal(err)
		}
		id, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("X-Tram-DocumentId"))
		if err != nil {
			m.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}
func (mailbox) Offer([]byte)      {}
func (mailbox) Left() int         { return 0 }
func (mailbox) Refused() []string { return nil }

// bad are settings with a fault, by the setting that is named. Each stands
// beside good ones.
var bad = []struct{ setting, value string }{
	{"server", `""`}, {"server", `"a/b"`}, {"server", `"host:no-port"`}, {"server", `"user@host"`},
	{"security", `"none"`}, {"security", `"ssl"`},
	{"from", `""`}, {"from", `"Trạm <a@b>"`}, {"from", `"trạm@b.vn"`}, {"from", `"a@b\r\nBcc: c@d"`},
	{"to", `""`}, {"to", `[]`}, {"to", `"a@b, no address"`}, {"to", `["<a@b>"]`}, {"to", `"a@` + strings.Repeat("x", maxAddress) + `"`},
	{"user", `"a\u0000b"`},
	{"ca", `"relative.pem"`}, {"ca", `"/no/such/file"`},
	{"max_size", `"20"`}, {"max_size", `"1B"`}, {"max_size", `"10GB"`},
	{"page", `"tram.lan"`}, {"page", `"ftp://tram.lan"`}, {"page", `"https://a:b@tram.lan"`}, {"page", `"javascript:alert(1)"`},
	{"give_up", `"1s"`}, {"wait", `"1h"`}, {"wait", `"-1s"`},
}

func badSettings(t *testing.T, setting, value string) json.RawMessage {
	all := map[string]json.RawMessage{"server": json.RawMessage(`"localhost"`), "from": json.RawMessage(`"` + from + `"`), "to": json.RawMessage(`"` + clerk + `"`)}
	all[setting] = json.RawMessage(value)
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
		s := mailtest.New(t, mailtest.Options{})
		f := connectortest.Fixture{Kind: Kind(), Settings: settings(t, to(s)), System: mailbox{s, t}, Delivers: true}
		for _, b := range bad {
			f.Bad = append(f.Bad, badSettings(t, b.setting, b.value))
		}
		return f
	})
}

func TestEachBadSettingIsNamedInBothLanguages(t *testing.T) {
	for _, b := range bad {
		_, err := Kind().Open(connector.Env{Settings: badSettings(t, b.setting, b.value), Secret: []byte("x")})
		found := slices.ContainsFunc(problem.All(err), func(p *problem.Problem) bool {
			return p.Field == b.setting && p.Message(i18n.Vietnamese) != p.Message(i18n.English) && p.Next(i18n.Vietnamese) != ""
		})
		if !found {
			t.Errorf("%s = %s: %v", b.setting, b.value, err)
		}
	}
	_, err := Kind().Open(connector.Env{Settings: badSettings(t, "user", `"a"`)})
	if problem.From(err).Code != "connector.no-secret" {
		t.Errorf("a user without a password: %v", err)
	}
	if _, err := Kind().Open(connector.Env{Settings: badSettings(t, "wait", `"1s"`), Secret: []byte("x")}); problem.From(err).Field != "user" {
		t.Errorf("a password without a user: %v", err)
	}
}

// desk is an office with documents of any kind.
type desk struct {
	*connectortest.Desk
	docs  map[storage.ID]office.Document
	open  func(f office.Attachment) io.ReadSeekCloser
	looks int
	// checked is at which look verdicts are there.
	checked int
}

func newDesk() *desk { return &desk{docs: map[storage.ID]office.Document{}} }

type content struct{ io.ReadSeeker }

func (content) Close() error { return nil }

// file adds a document with attachments.
func (d *desk) file(doc office.Document, names []string, data ...[]byte) office.Document {
	doc.ID, doc.Box = uuid.New(), office.In
	doc.EdXMLID = "H40.02,2026/11/23,15/UBND-" + doc.ID.String()[:8]
	for i, name := range names {
		doc.Attachments = append(doc.Attachments, office.Attachment{Index: i, Name: name, Size: int64(len(data[i])), Type: "application/pdf", SHA256: strings.Repeat("ab", 32)})
	}
	d.open = func(f office.Attachment) io.ReadSeekCloser { return content{bytes.NewReader(data[f.Index])} }
	d.docs[doc.ID] = doc
	return doc
}

func (d *desk) Get(_ context.Context, id storage.ID) (office.Document, error) {
	d.looks++
	doc, ok := d.docs[id]
	if !ok {
		return doc, problem.New(problem.NotFound, "document.not-found", "id", i18n.Args{"id": id.String()})
	}
	if d.checked > 0 && d.looks >= d.checked {
		for _, a := range doc.Attachments {
			var r docsign.Report
			r.Outcome.Indication = docsign.Passed
			doc.Checks = append(doc.Checks, office.Check{Attachment: a.Index, Report: r})
		}
	}
	return doc, nil
}

func (d *desk) Open(_ context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error) {
	f := d.docs[id].Attachments[index]
	return f, d.open(f), nil
}

// sample is a document with everything.
func sample() office.Document {
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	return office.Document{
		From: office.Party{Code: "H40.02", Name: "UBND phường Tân Lập"}, Subject: "Về việc phòng, chống lụt bão trên địa bàn xã – tăng cường trực 24/24 giờ tại các xóm ven sông",
		Number: "15", Notation: "UBND-VP", TypeName: "Công văn", Date: "2026-11-23", Urgency: office.HoaToc, Created: at,
		Seal: &office.Seal{Verdict: "passed", Signer: "H40.02", Name: "UBND phường Tân Lập", SignedAt: at},
	}
}

// parsed is a mail as Go reads it.
type parsed struct {
	header mail.Header
	text   string
	files  []file
}

type file struct {
	name string
	data []byte
}

func read(t testing.TB, data []byte) parsed {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("%q, %v", kind, err)
	}
	p := parsed{header: msg.Header}
	for parts := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := parts.NextPart() // undoes quoted-printable
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = part
		if part.Header.Get("Content-Transfer-Encoding") == "base64" {
			body = base64.NewDecoder(base64.StdEncoding, part)
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		_, disposition, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if name, ok := disposition["filename"]; ok {
			p.files = append(p.files, file{name, raw})
		} else {
			p.text = strings.ReplaceAll(string(raw), "\r\n", "\n")
		}
	}
}

func (p parsed) get(t testing.TB, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(p.header.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// names are of files that mail programs get wrong.
var names = []string{
	"Công văn số 15.pdf", "plain.pdf", `quote"semi;colon\back.pdf`, "tệp (1) 100%.pdf", strings.Repeat("Đề án phát triển ", 12) + ".pdf",
	"Tho\u0302ng ba\u0301o.pdf" /* decomposed */, "=?utf-8?Q?x?=.pdf", "…", "a'b''c.pdf",
}

func contents() (list [][]byte) {
	for i := range names {
		data := bytes.Repeat([]byte{byte(i), '\n', '.', '\r', '\n', '.', '\r', '\n', 0, 0xff}, 1000+i)
		list = append(list, data[:len(data)-i])
	}
	return list
}

func TestADocumentArrivesByteForByte(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	d := newDesk()
	d.checked = 2 // at the second look
	doc := d.file(sample(), names, contents()...)
	set := to(s)
	set.To, set.Page, set.Wait = connector.Words{clerk, chief, clerk}, "https://tram.lan:8443/", "30s"
	if err := bench(t, d, set, "").Deliver(t.Context(), arrived(doc)); err != nil {
		t.Fatal(err)
	}
	got := s.Messages()
	if len(got) != 1 || !got[0].TLS || got[0].From != from || !slices.Equal(got[0].To, []string{clerk, chief}) {
		t.Fatalf("%+v", got)
	}
	p := read(t, got[0].Data)
	for name, want := range map[string]string{
		"Subject": "[HỎA TỐC] 15/UBND-VP: " + doc.Subject, "X-Tram-Document": doc.ID.String(), "X-Tram-DocumentId": doc.EdXMLID,
		"Auto-Submitted": "auto-generated", "X-Priority": "1 (Highest)", "Importance": "high", "Reply-To": "", "MIME-Version": "1.0",
	} {
		if got := p.get(t, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a, err := p.header.AddressList("From"); err != nil || a[0].Name != "UBND xã An Bình" || a[0].Address != from {
		t.Errorf("From %v, %v", a, err)
	}
	if a, err := p.header.AddressList("To"); err != nil || len(a) != 2 {
		t.Errorf("To %v, %v", a, err)
	}
	if at, err := p.header.Date(); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("Date %v, %v", at, err)
	}
	for i, data := range contents() {
		if p.files[i].name != names[i] || !bytes.Equal(p.files[i].data, data) {
			t.Errorf("file %d is %q with %d bytes, want %q with %d", i, p.files[i].name, len(p.files[i].data), names[i], len(data))
		}
	}
	for _, want := range []string{
		"Một văn bản điện tử đã đến UBND xã An Bình (H40.01) qua Trạm.", "An electronic document has come to", "Trích yếu: " + doc.Subject,
		"Con dấu số của nơi gửi: Hợp lệ – UBND phường Tân Lập (H40.02), lúc 10:00 23/11/2026", "Seal of the sending office: Valid",
		"1. Công văn số 15.pdf (10.000 byte): Hợp lệ", "SHA-256 " + strings.Repeat("ab", 32), "Độ khẩn: Hỏa tốc",
		"https://tram.lan:8443/van-ban-den/" + doc.ID.String(), "Trả lời thư này không tới Trạm", "Replies do not reach Trạm",
	} {
		if !strings.Contains(p.text, want) {
			t.Errorf("the text lacks %q:\n%s", want, p.text)
		}
	}
	if strings.Contains(p.text, "mail.") {
		t.Errorf("a key stands in the text:\n%s", p.text)
	}
}

func TestVerdictsAreWaitedForOnlySoLong(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	d := newDesk()
	doc := d.file(sample(), names[:1], []byte("x"))
	set := to(s)
	set.Wait = "1s"
	if err := bench(t, d, set, "").Deliver(t.Context(), arrived(doc)); err != nil {
		t.Fatal(err)
	}
	if p := read(t, s.Messages()[0].Data); !strings.Contains(p.text, "chưa kiểm tra") || d.looks < 2 {
		t.Errorf("after %d looks:\n%s", d.looks, p.text)
	}
}

func TestTheMessageIDIsStable(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	d := newDesk()
	doc, second := d.file(sample(), nil), d.file(sample(), nil)
	m := bench(t, d, to(s), "")
	ids := map[string]int{}
	for _, entry := range []connector.Delivery{arrived(doc), arrived(doc), arrived(second)} {
		if err := m.Deliver(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		// As if the machine had crashed before it kept who has the mail.
		if err := os.RemoveAll(m.env.Dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(m.env.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, got := range s.Messages() {
		ids[read(t, got.Data).header.Get("Message-ID")]++
	}
	if len(ids) != 2 || slices.Max(slices.Collect(values(ids))) != 2 {
		t.Errorf("Message-IDs %v", ids)
	}
	for id := range ids {
		if !strings.HasSuffix(id, "@an-binh.example.vn>") || len(id) != len("<@an-binh.example.vn>")+32 {
			t.Errorf("Message-ID %q", id)
		}
	}
}

func values(m map[string]int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestATestMailGoes(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	m := bench(t, newDesk(), to(s), "")
	for range 2 {
		if err := connector.Tester(m).Test(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Messages(); len(got) != 2 || !strings.Contains(read(t, got[0].Data).text, "Kết nối thư “thu”") {
		t.Errorf("%d mails", len(got))
	}
}

// FuzzHeaders holds that what a foreign document is called comes out of the mail
// as it went in, and ends no header.
func FuzzHeaders(f *testing.F) {
	for _, name := range names {
		f.Add("Trích yếu", name)
		f.Add(name, "a.pdf")
	}
	f.Add("x\r\nBcc: a@b", "x\r\n\r\nbody")
	f.Add(strings.Repeat("đ", 500), strings.Repeat("ạ", 300))
	f.Add(strings.Repeat("~", 999), "a.pdf") // no blank to fold at
	f.Add(`"a" <b@c>, d`, "a.pdf")
	f.Add("\u202egnp.exe", "\xff\xfe")
	f.Fuzz(func(t *testing.T, subject, name string) {
		if len(subject)+len(name) > 4000 {
			return
		}
		d := newDesk()
		doc := d.file(office.Document{Subject: subject}, []string{name}, []byte("content"))
		m := &mailer{env: connector.Env{Desk: d, Now: time.Now, Office: office.Party{Name: subject}}, from: from, to: []string{clerk}, maxSize: 1 << 20}
		var b bytes.Buffer
		if err := m.write(t.Context(), &b, m.letter(arrived(doc).Entry, doc), true); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), nil), []byte("\n")) {
			t.Errorf("a line ends without CR")
		}
		for line := range bytes.SplitSeq(b.Bytes(), []byte("\r\n")) {
			if len(line) > 998 {
				t.Errorf("line of %d bytes", len(line))
			}
		}
		p := read(t, b.Bytes())
		if got, want := p.get(t, "Subject"), strings.TrimSpace(oneLine(subject)); got != want {
			t.Errorf("subject %q, want %q", got, want)
		}
		if a, err := p.header.AddressList("From"); err != nil || len(a) != 1 || a[0].Address != from || a[0].Name != strings.TrimSpace(oneLine(subject)) {
			t.Errorf("From %v, %v, want %q", a, err, oneLine(subject))
		}
		if p.header.Get("Bcc") != "" || len(p.files) != 1 || p.files[0].name != oneLine(name) || string(p.files[0].data) != "content" {
			t.Errorf("%d files, %q, want %q", len(p.files), fmt.Sprint(p.files), oneLine(name))
		}
		if n := m.letter(arrived(doc).Entry, doc).size(); int64(b.Len()) > n {
			t.Errorf("%d bytes, more than the bound %d", b.Len(), n)
		}
	})
}
