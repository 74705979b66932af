package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// mailbox keeps what it is told in tables of its own, as another part of an office
// does.
type mailbox struct {
	n    *node
	fail func(what string) error // before anything is written; nil: never
}

var mailboxSchema = sqlite.Schema{Name: "mailbox", Files: fstest.MapFS{"0001_mailbox.sql": {Data: []byte(`
CREATE TABLE box_own (id BLOB NOT NULL) STRICT;
CREATE TABLE box_taken (id BLOB NOT NULL, sender TEXT NOT NULL, message TEXT NOT NULL, files TEXT NOT NULL, head BLOB NOT NULL) STRICT;
CREATE TABLE box_files (id BLOB NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, sha256 BLOB NOT NULL, inline BLOB) STRICT;
CREATE TABLE box_refused (id BLOB NOT NULL, sender TEXT NOT NULL, vi TEXT NOT NULL, en TEXT NOT NULL, head INTEGER NOT NULL) STRICT;
CREATE TABLE box_told (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, line TEXT NOT NULL, words TEXT NOT NULL) STRICT;
`)}}}

func (b *mailbox) failing(what string) error {
	if b.fail == nil {
		return nil
	}
	return b.fail(what)
}

func (b *mailbox) Take(tx *sqlite.Tx, d Delivery) error {
	if err := b.failing("take"); err != nil {
		return err
	}
	var files []string
	for _, f := range d.Files {
		files = append(files, f.Name+"|"+f.Entry+"|"+f.Media)
		var inline any
		if f.Content.Inline != nil {
			inline = f.Content.Inline
		}
		_, err := tx.Exec(`INSERT INTO box_files (id, name, size, sha256, inline) VALUES (?, ?, ?, ?, ?)`, d.ID, f.Name, f.Content.Size, f.Content.SHA256, inline)
		if err != nil {
			return err
		}
	}
	_, err := tx.Exec(`INSERT INTO box_taken (id, sender, message, files, head) VALUES (?, ?, ?, ?, ?)`,
		d.ID, d.From.Code, d.Name+" "+string(d.Message), strings.Join(files, "; "), must(b.n.readHead(sealedHead{content: d.Head})))
	return err
}

func (b *mailbox) Refuse(tx *sqlite.Tx, u Undelivered) error {
	if err := b.failing("refuse"); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO box_refused (id, sender, vi, en, head) VALUES (?, ?, ?, ?, ?)`,
		u.ID, u.From.Code, u.Why.Text(i18n.Vietnamese), u.Why.Text(i18n.English), u.Head != nil)
	return err
}

func (b *mailbox) Told(tx *sqlite.Tx, id storage.ID, e MailEvent) error {
	if err := b.failing("told"); err != nil {
		return err
	}
	slices.Sort(e.Offices)
	line := fmt.Sprintf("%s:%s:%s:%s", e.Step, strings.Join(e.Offices, "+"), e.Signer, e.Evidence)
	if (e.Signer != "") != (e.Proof != nil) || e.At.IsZero() || e.Learnt.IsZero() {
		line += " without proof or time"
	}
	_, err := tx.Exec(`INSERT INTO box_told (id, line, words) VALUES (?, ?, ?)`, id, line, e.Words(i18n.Vietnamese)+" / "+e.Words(i18n.English))
	return err
}

// mailWorld is a world in which each office has a mailbox.
func mailWorld(t testing.TB, codes ...string) *world {
	w := newWorld(t, codes...)
	for _, n := range w.offices {
		n.box = &mailbox{n: n}
		n.Deliver(bundle.KindDossier, n.box)
	}
	return w
}

// asked reads one column of a table of the mailbox.
func (n *node) asked(query string, args ...any) (list []string) {
	n.w.t.Helper()
	err := n.db.View(n.w.t.Context(), func(tx *sqlite.Tx) error {
		rows, err := tx.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			list = append(list, s)
		}
		return rows.Err()
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return list
}

func (n *node) told(id storage.ID) []string {
	n.w.t.Helper()
	return n.asked(`SELECT line FROM box_told WHERE id = ? ORDER BY seq`, id)
}

func (n *node) staged(name, content string) MailFile {
	return MailFile{Name: name, Media: "application/pdf", Content: must(n.stage(n.w.t.Context(), []byte(content)))}
}

// mail is a good message with two files.
func (n *node) mail(to ...string) Mail {
	return Mail{
		Kind: bundle.KindDossier, To: to, Urgency: Khan, Name: "dossier.json", Media: "application/json", Message: []byte(`{"hồ sơ":1}`), By: "motcua",
		Files: []MailFile{n.staged("đơn.pdf", "đơn đề nghị"), n.staged("đơn.pdf", "bản khác")},
	}
}

// post sends a message with what else its sender writes, or ends the test.
func (n *node) post(m Mail) SealedMail {
	n.w.t.Helper()
	s, err := n.SealMail(n.w.t.Context(), m)
	if err != nil {
		n.w.t.Fatal(err)
	}
	if err := n.put(s, nil); err != nil {
		n.w.t.Fatal(err)
	}
	return s
}

func (n *node) put(s SealedMail, end error) error {
	return n.db.Update(n.w.t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO box_own (id) VALUES (?)`, s.ID)
		return errors.Join(err, n.PutMail(tx, s), end)
	})
}

// wants compares two lists.
func wants(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestP1_MailIsSavedWithItsSendersTransactionOrNotAtAll.
func TestP1_MailIsSavedWithItsSendersTransactionOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	m := a.mail("B")
	m.Files = append(m.Files, a.staged("lớn.pdf", strings.Repeat("nội dung ", 20_000)))
	s := must(a.SealMail(t.Context(), m))
	if err := a.put(s, errors.New("thought better of it")); err == nil {
		t.Fatal("the transaction did not fail")
	}
	if n := w.relay(); n != 0 || len(a.asked(`SELECT kind FROM mail`)) != 0 {
		t.Fatalf("%d bundles of a message that was not saved", n)
	}
	if err := a.queue.Tidy(t.Context(), w.clock, a.Uses); err != nil { // what is staged is left alone
		t.Fatal(err)
	}
	if err := a.put(s, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.put(s, nil); err != nil { // again does nothing
		t.Fatal(err)
	}
	a.restart()
	if n := len(a.asked(`SELECT hex(id) FROM box_own`)); n != 2 {
		t.Errorf("%d rows of the sender", n)
	}
	w.deliver()
	if n := len(b.asked(`SELECT message FROM box_taken`)); n != 1 || w.taken[s.ID] != 1 {
		t.Errorf("taken %d times, offered %d times", n, w.taken[s.ID])
	}
	if err := a.put(s, nil); err != nil { // neither when it was delivered
		t.Fatal(err)
	}
	if n := w.relay(); n != 0 {
		t.Errorf("%d bundles of what was delivered", n)
	}
	w.audited()
}

// TestP2_P3_MailOfAnotherPartOfTheOffice: a message reaches two of three offices
// whole and once, with its evidence, whatever repeats and crashes; the sender keeps
// it until each has receipted, and hears each step once.
func TestP2_P3_MailOfAnotherPartOfTheOffice(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B", "C", "D")
	a, b, c := w.offices["A"], w.offices["B"], w.offices["C"]
	s := a.post(a.mail("b", "C", "B"))
	if len(s.To) != 2 || s.To[0] != (Party{"B", "UBND xã B"}) || s.Files[1].Entry != "đơn (2).pdf" {
		t.Errorf("sealed for %+v, files %+v", s.To, s.Files)
	}
	a.Observe(s.ID, 10, 100)
	a.Observe(s.ID, 20, 100)
	if p, ok := a.Progress(s.ID); !ok || p.Sent != 20 {
		t.Errorf("progress %+v, %v", p, ok)
	}
	if err := a.recordBegun(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.relay()
	if _, ok := a.Progress(s.ID); ok {
		t.Error("still under way")
	}
	wants(t, "told", a.told(s.ID), "sending:B+C::", "hub:B+C:H40:custody")

	broken := errors.New("disk is slow")
	b.box.fail = func(string) error { return broken }
	if err := b.drain(t.Context()); !errors.Is(err, broken) {
		t.Errorf("drain: %v", err)
	}
	b.restart()
	b.box.fail = nil
	w.epoch = uuid.New() // the hub lost its store: everything is offered again
	w.deliver()
	wants(t, "told", a.told(s.ID)[2:], "delivered:B:B:status", "delivered:C:C:status")
	if w.taken[s.ID] != 2 {
		t.Errorf("the hub was offered it %d times", w.taken[s.ID])
	}
	w.epoch = uuid.New()
	w.deliver()
	for _, n := range []*node{b, c} {
		wants(t, "taken", n.asked(`SELECT message FROM box_taken`), `dossier.json {"hồ sơ":1}`)
		wants(t, "files", n.asked(`SELECT files FROM box_taken`), "đơn.pdf|đơn.pdf|application/pdf; đơn (2).pdf|đơn (2).pdf|application/pdf")
		wants(t, "contents", n.asked(`SELECT CAST(inline AS TEXT) FROM box_files ORDER BY rowid`), "đơn đề nghị", "bản khác")
		head, err := seal.OpenHead([]byte(n.asked(`SELECT head FROM box_taken`)[0]), identity.Pool(*n.issuers.Load()), w.clock)
		if err != nil || head.Verdict.Result != seal.Passed || head.Verdict.Code != "A" || head.Files[0].Size != int64(len("đơn đề nghị")) {
			t.Errorf("evidence: %+v, %v", head.Verdict, err)
		}
	}
	if n := w.offices["D"].asked(`SELECT message FROM box_taken`); n != nil {
		t.Errorf("somebody else got %q", n)
	}
	if stats := must(a.queue.Stats(t.Context())); stats.Bundles != 0 {
		t.Errorf("the sender still keeps %+v", stats)
	}
	if docs := slices.Concat(a.inbox(), b.inbox()); len(docs) != 0 {
		t.Errorf("documents: %+v", docs)
	}
	w.audited()
}

// TestP3_MailStaysUntilTheLastRecipientHasIt.
func TestP3_MailStaysUntilTheLastRecipientHasIt(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B", "C")
	a := w.offices["A"]
	s := a.post(a.mail("B", "C"))
	away := w.offices["C"]
	delete(w.offices, "C")
	w.deliver()
	wants(t, "told", a.told(s.ID), "hub:B+C:H40:custody", "delivered:B:B:status")
	if stats := must(a.queue.Stats(t.Context())); stats.Held != 1 {
		t.Errorf("the sender does not keep it: %+v", stats)
	}
	w.offices["C"], w.epoch = away, uuid.New()
	w.deliver()
	wants(t, "told", a.told(s.ID)[2:], "delivered:C:C:status")
	if n := len(away.asked(`SELECT message FROM box_taken`)); n != 1 {
		t.Errorf("C took it %d times", n)
	}
	if stats := must(a.queue.Stats(t.Context())); stats.Bundles != 0 {
		t.Errorf("the sender still keeps %+v", stats)
	}
}

// TestLargeFilesOfMailAreStreamed: what goes in comes out, and the content belongs
// to who sends and takes it.
func TestLargeFilesOfMailAreStreamed(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	big := bytes.Repeat(noise(48<<10), 100)
	m := a.mail("B")
	m.Files = []MailFile{{Name: "bản vẽ.tif", Media: "image/tiff", Content: must(a.stage(t.Context(), big))}}
	a.post(m)
	w.deliver()
	var c blob.Content
	err := b.db.View(context.Background(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT size, sha256 FROM box_files`).Scan(&c.Size, sqlite.Digest(&c.SHA256))
	})
	if err != nil || c.SHA256 != m.Files[0].Content.SHA256 {
		t.Fatalf("arrived: %+v, %v", c, err)
	}
	r := must(b.blobs.Reader(c))
	defer r.Close()
	if got := must(io.ReadAll(r)); !bytes.Equal(got, big) {
		t.Errorf("%d bytes arrived, not the %d that were sent", len(got), len(big))
	}
}

// TestP10_TheHubsTimeStampOnMailIsToldOnce, and one on something else never.
func TestP10_TheHubsTimeStampOnMailIsToldOnce(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B")
	a := w.offices["A"]
	s := a.post(a.mail("B"))
	w.deliver()
	authority := w.stamper(w.ca, tsa.ReservePolicy)
	stamp := func(sum [32]byte) []stamped {
		return []stamped{{s.ID, must(authority.Stamp(tsa.Request{Imprint: tsa.SHA256(sum), Certificates: true}))}}
	}
	header := must(bundle.Parse(s.Header)).Header
	if sum := must(seal.StampOn(must(a.readHead(sealedHead{content: s.Head})), seal.StampName(hubCode))); header.Stamp != sum {
		t.Fatal("the header asks for a time stamp on something else")
	}
	w.testify(a, w.hubSeal(), hubCode, Document{ID: s.ID}, stamp([32]byte{1}))
	wants(t, "told", a.told(s.ID)[2:])
	for range 2 {
		w.testify(a, w.hubSeal(), hubCode, Document{ID: s.ID}, stamp(header.Stamp))
	}
	wants(t, "told", a.told(s.ID)[2:], "saved::H40:stamp")
	if words := a.asked(`SELECT words FROM box_told ORDER BY seq DESC`)[0]; !strings.Contains(words, "Time stamp of last resort") {
		t.Errorf("words: %q", words)
	}
	w.audited()
}
