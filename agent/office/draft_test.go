package office

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/unicode/norm"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/blob"
	"tram/storage/queue"
)

func TestBadDraftsNameEveryFieldAndSaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	w.card(registry.Card{Code: "NEW", Name: "UBND xã Mới"}) // no keys yet
	a := w.offices["A"]
	a.o.Limits = Limits{File: 1000, Files: 3, Total: 1500}
	a.restart()
	broken := Upload{Name: "hỏng.pdf", Body: iotest.ErrReader(errors.New("disk on fire"))}
	cases := []struct {
		name  string
		spoil func(*Draft)
		want  []string
	}{
		{"no recipient", func(d *Draft) { d.To = []string{" "} }, []string{"to send.no-recipient"}},
		{"unknown recipient", func(d *Draft) { d.To = []string{"H99"} }, []string{"to send.unknown-recipient"}},
		{"recipient without keys", func(d *Draft) { d.To = []string{"NEW"} }, []string{"to send.recipient-not-enrolled"}},
		{"oneself", func(d *Draft) { d.To = []string{"a"} }, []string{"to send.to-self"}},
		{"the hub", func(d *Draft) { d.To = []string{"h40"} }, []string{"to send.to-hub"}},
		{"no subject", func(d *Draft) { d.Subject = " \n" }, []string{"subject send.no-subject"}},
		{"long subject", func(d *Draft) { d.Subject = strings.Repeat("ế", MaxSubject+1) }, []string{"subject send.too-long"}},
		{"control characters", func(d *Draft) { d.Subject = "a\x00b" }, []string{"subject send.characters"}},
		{"not UTF-8", func(d *Draft) { d.Signer = "\xff" }, []string{"signer send.characters"}},
		{"urgency", func(d *Draft) { d.Urgency = 4 }, []string{"urgency send.urgency"}},
		{"type", func(d *Draft) { d.Type = "XYZ" }, []string{"type send.type"}},
		{"long number", func(d *Draft) { d.Number = strings.Repeat("1", MaxNumber+1) }, []string{"number send.too-long"}},
		{"number with a slash", func(d *Draft) { d.Number, d.Notation = "1/2", "UBND" }, []string{"number send.number"}},
		{"long notation", func(d *Draft) { d.Notation = strings.Repeat("Q", MaxNotation+1) }, []string{"notation send.too-long"}},
		{"date", func(d *Draft) { d.Date = "2026-02-30" }, []string{"date send.date"}},
		{"classified Mật", func(d *Draft) { d.Classification = "Mật" }, []string{"classification send.classified"}},
		{"classified Tối mật", func(d *Draft) { d.Classification = "Tối mật" }, []string{"classification send.classified"}},
		{"classified Tuyệt mật, declared otherwise", func(d *Draft) { d.Classification, d.Cleared = "Tuyệt mật", true }, []string{"classification send.classified"}},
		{"secret mark", func(d *Draft) { d.Subject = "Báo cáo tối mật" }, []string{"subject send.secret-mark"}},
		{"secret file", func(d *Draft) { d.Files[0].Name = "MẬT.pdf" }, []string{"files send.secret-file"}},
		{"no file", func(d *Draft) { d.Files = nil }, []string{"files send.no-file"}},
		{"too many files", func(d *Draft) { d.Files = slices.Repeat(d.Files, 4) }, []string{"files send.too-many-files"}},
		{"empty file", func(d *Draft) { d.Files[0].Body = strings.NewReader("") }, []string{"files send.file-empty"}},
		{"no body", func(d *Draft) { d.Files[0].Body = nil }, []string{"files send.unreadable"}},
		{"unreadable file", func(d *Draft) { d.Files[0] = broken }, []string{"files send.unreadable"}},
		{"large file", func(d *Draft) { d.Files[0].Body = bytes.NewReader(noise(1001)) }, []string{"files send.file-too-large"}},
		{"large together", func(d *Draft) {
			d.Files = []Upload{{"a", bytes.NewReader(noise(1000))}, {"b", bytes.NewReader(noise(501))}}
		}, []string{"files send.total-too-large"}},
		{"two bytes over", func(d *Draft) {
			d.Files = []Upload{{"a", bytes.NewReader(noise(1000))}, {"b", bytes.NewReader(noise(500))}, text("c", "xy")}
		}, []string{"files send.total-too-large"}},
		{"every file too large", func(d *Draft) {
			d.Files = []Upload{{"a", bytes.NewReader(noise(1001))}, {"b", bytes.NewReader(noise(1001))}, text("c", "")}
		}, []string{"files send.file-empty", "files send.file-too-large", "files send.file-too-large"}},
		{"path", func(d *Draft) { d.Files[0].Name = "../../etc/passwd" }, []string{"files send.file-name-path"}},
		{"Windows path", func(d *Draft) { d.Files[0].Name = `C:\a.pdf` }, []string{"files send.file-name-path"}},
		{"drive", func(d *Draft) { d.Files[0].Name = `C:a.pdf` }, []string{"files send.file-name-path"}},
		{"dots", func(d *Draft) { d.Files[0].Name = ".." }, []string{"files send.file-name-path"}},
		{"name with a line end", func(d *Draft) { d.Files[0].Name = "a\nb.pdf" }, []string{"files send.file-name-characters"}},
		{"name that reads backwards", func(d *Draft) { d.Files[0].Name = "a\u202efdp.exe" }, []string{"files send.file-name-characters"}},
		{"no name", func(d *Draft) { d.Files[0].Name = " " }, []string{"files send.file-name-empty"}},
		{"long name", func(d *Draft) { d.Files[0].Name = strings.Repeat("ế", 90) + ".pdf" }, []string{"files send.file-name-long"}},
		{"everything at once", func(d *Draft) {
			d.To, d.Subject, d.Type, d.Date = []string{"H99", "A"}, "", "?", "?"
			d.Files = []Upload{{"a/b", strings.NewReader("")}, broken}
		}, []string{
			"date send.date", "files send.file-empty", "files send.file-name-path", "files send.unreadable",
			"subject send.no-subject", "to send.to-self", "to send.unknown-recipient", "type send.type",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := draft("B")
			c.spoil(&d)
			_, err := a.Send(t.Context(), d)
			if got := problemCodes(err); !slices.Equal(got, c.want) {
				t.Fatalf("problems %q (%v), want %q", got, err, c.want)
			}
			var list problem.List
			errors.As(err, &list)
			for _, p := range list {
				for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
					if text := p.Message(lang) + p.Next(lang); strings.ContainsAny(text, "{}") || p.Next(lang) == "" {
						t.Errorf("%s: %q", p.Code, text)
					}
				}
			}
		})
	}
	if docs, total, err := a.List(t.Context(), Query{Box: Out}); err != nil || total != 0 {
		t.Errorf("saved %v, %v", docs, err)
	}
	if doc := a.send(draft("B")); doc.Number != "01" {
		t.Errorf("refused drafts used up numbers: the first document is %s", doc.Number)
	}
}

func TestDraftIsCompletedNotChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	d := draft("B", "b", " B ")
	d.Subject = norm.NFD.String("  Tình   hình\n")
	d.Number, d.Date, d.Type = "7/QĐ-UBND", "5/1/26", "qd"
	d.Files[0] = text(norm.NFD.String("Giấy mời (1).pdf"), "x")
	got := a.send(d)
	if got.Subject != "Tình hình" || got.Number != "07" || got.Notation != "QĐ-UBND" || got.Date != "2026-01-05" || len(got.To) != 1 ||
		got.EdXMLID != "A,2026/01/05,07/QĐ-UBND" || got.Attachments[0].Name != "Giấy mời (1).pdf" || got.Attachments[0].Type != "application/pdf" {
		t.Errorf("%+v", got)
	}
}

func TestSecretMarks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Báo cáo MẬT": "MẬT", "MẬT": "MẬT", "(MẬT) kế hoạch": "MẬT", "a_MẬT_b.pdf": "MẬT",
		"Công văn Tối Mật": "Tối Mật", "toi mat": "toi mat", "TUYỆT MẬT": "TUYỆT MẬT", "tuyet-mat": "tuyet mat",
		"Luật Bảo vệ bí mật nhà nước": "bí mật nhà nước", "bi mat nha nuoc": "bi mat nha nuoc", "MA\u0323\u0302T": "MẬT",
		"Mặt trận Tổ quốc": "", "MAT": "", "mat tran": "", "tới mặt bằng": "", "tôi mất giấy tờ": "", "tối mắt": "",
		"bảo mật thông tin": "", "BẢO MẬT THÔNG TIN": "", "MẬT ĐỘ DÂN SỐ": "", "MẬT KHẨU": "", "mật ong": "", "Mật": "", "MẬTX": "", "bí mật kinh doanh": "", "": "",
	} {
		if got := secretMark(text); got != want {
			t.Errorf("secretMark(%q) = %q, want %q", text, got, want)
		}
	}
	w := newWorld(t, "A", "B")
	d := draft("B")
	d.Subject, d.Cleared = "Tuyên truyền Luật Bảo vệ bí mật nhà nước", true
	w.offices["A"].send(d) // a person has decided
}

// A full disk refuses the document as a whole and is no fault of the draft.
func TestFullDiskSavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	kept := a.send(draft("B"))
	full := must(blob.Open(filepath.Join(a.dir, "blobs"), blob.Options{MinFree: 1 << 60}))
	o := a.o
	o.Blobs, o.Queue = full, queue.New(o.DB, full, queue.Options{})
	b := must(New(o))
	_, err := b.Send(t.Context(), draft("B"))
	if !hasCode(err, "office.full", problem.Full) {
		t.Fatalf("%v", err)
	}
	if docs, _, err := a.List(t.Context(), Query{Box: Out}); err != nil || len(docs) != 1 || docs[0].ID != kept.ID {
		t.Errorf("%v, %v", docs, err)
	}
	if doc := a.send(draft("B")); doc.Number != "02" {
		t.Errorf("number %s", doc.Number)
	}
}

func TestCanceledSendSavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	ctx, cancel := context.WithCancel(t.Context())
	d := draft("B")
	d.Files[0].Body = io.MultiReader(bytes.NewReader(noise(100<<10)), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, errors.New("connection lost")
	}))
	if _, err := a.Send(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, total, err := a.List(t.Context(), Query{Box: Out}); err != nil || total != 0 {
		t.Errorf("%d documents, %v", total, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A document of small files costs one commit and no file of its own.
func TestSmallSendIsOneCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	a.send(draft("B")) // warm: the number series is loaded
	wal := filepath.Join(a.dir, "tram.db-wal")
	before := commits(t, wal)
	d := draft("B")
	for range 5 {
		d.Files = append(d.Files, Upload{Name: "x.bin", Body: bytes.NewReader(noise(blob.InlineMax / 2))})
	}
	a.send(d)
	if n := commits(t, wal) - before; n != 1 {
		t.Errorf("%d commits", n)
	}
	err := filepath.WalkDir(filepath.Join(a.dir, "blobs"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("a file was made: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// commits counts the commit frames of a write-ahead log: frames whose header
// gives the size of the database after the commit.
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	const header, frame, page = 32, 24, 4096
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	salt := data[16:24]
	for at := header; at+frame+page <= len(data); at += frame + page {
		f := data[at:]
		if bytes.Equal(f[8:16], salt) && !bytes.Equal(f[4:8], []byte{0, 0, 0, 0}) {
			n++
		}
	}
	return n
}

// Every code that the package may answer with has words.
func TestEveryCodeHasWords(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile(`"((?:send|return|accept|document|office)\.[a-z][a-z-]*)"`)
	rejected := regexp.MustCompile(`(?:reject\(|reason: +)"([a-z-]+)"`)
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	found := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || name == "actions.go" || name == "feed.go" { // words for programs
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllSubmatch(src, -1) {
			code := string(m[1])
			found++
			if !i18n.Has("problem."+code) && !i18n.Has(code) {
				t.Errorf("%s: %q has no message", name, code)
			}
			if i18n.Has("problem."+code) && !i18n.Has("problem."+code+".next") {
				t.Errorf("%q says no next step", code)
			}
		}
		if name != "receive.go" && name != "inbox.go" {
			continue // rejections of documents are told to people; others are logged
		}
		for _, m := range rejected.FindAllSubmatch(src, -1) {
			found++
			if !i18n.Has("office.reject." + string(m[1])) {
				t.Errorf("%s: rejection %q has no message", name, m[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d codes found", found)
	}
}
