package hotfolder

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"tram/agent/connector/connectortest"
	"tram/agent/edxml"
)

// message is an edXML document of the office, larger than what is read of its
// ends.
func message(id string) []byte {
	return connectortest.EdXML(connectortest.Office, connectortest.Other, id, "Báo cáo "+id+" "+strings.Repeat("về tình hình mưa lũ ", 20))
}

// said is a sidecar.
func said(subject string, files ...map[string]any) []byte {
	m := map[string]any{"to": []string{connectortest.Other}, "subject": subject}
	if len(files) > 0 {
		m["files"] = files
	}
	return must(json.Marshal(m))
}

func file(name string) map[string]any { return map[string]any{"name": name} }

// writer is a way in which a program writes files, as the system calls that it
// makes, with looks of the connector between them.
type writer struct {
	name  string
	write func(w *scene)
	sent  []string // beginnings of the subjects that the office has at the end
	done  []string // names of what was handed over
	loi   []string // names of what was set aside, without reasons
	why   string   // code in the reason
	left  []string // names that stay in the first folder
	late  bool     // ends only after "wait"
}

// scene is a writer at work.
type scene struct {
	*station
}

func (w *scene) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *scene) create(path string) *os.File {
	w.t.Helper()
	return must(os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644))
}

func (w *scene) put(path string, data []byte) {
	w.t.Helper()
	w.ok(os.WriteFile(path, data, 0o644))
}

// at writes a piece at an offset and lets the connector look.
func (w *scene) at(f *os.File, data []byte, from, to int) {
	w.t.Helper()
	if _, err := f.WriteAt(data[from:to], int64(from)); err != nil {
		w.t.Fatal(err)
	}
	w.ok(w.look(2 * time.Second))
}

func (w *scene) pieces(f *os.File, data []byte) {
	w.t.Helper()
	for n := range 4 {
		w.at(f, data, n*len(data)/4, (n+1)*len(data)/4)
	}
	w.ok(f.Close())
}

const longest = "công văn về việc tăng cường phòng chống thiên tai và tìm kiếm cứu nạn trên địa bàn các xã miền núi năm hai nghìn không trăm hai mươi sáu kèm theo danh sách các thôn có nguy cơ sạt lở cao cần di dời"

var longName = cutBytes(strings.ReplaceAll(longest, " ", "_"), maxName-len(messageExt)) + messageExt

var writers = []writer{
	{name: "copy in pieces", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.pieces(w.create(w.drop("a.edxml")), message("A"))
	}},
	{name: "save as, with rename", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.pieces(w.create(w.drop("~WRD0001.tmp")), message("A"))
		w.looks()
		w.ok(os.Rename(w.drop("~WRD0001.tmp"), w.drop("a.edxml")))
	}},
	{name: "save over, by rename", sent: []string{"Báo cáo B"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		w.ok(w.look(3 * time.Second))
		w.ok(w.look(3 * time.Second))
		w.put(w.drop("a.edxml.part"), message("B"))
		w.ok(os.Rename(w.drop("a.edxml.part"), w.drop("a.edxml")))
	}},
	{name: "robocopy, restartable", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data := message("A")
		f := w.create(w.drop("a.edxml"))
		w.ok(f.Truncate(int64(len(data))))
		w.ok(os.Chtimes(w.drop("a.edxml"), time.Time{}, time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)))
		w.at(f, data, 0, len(data)/2)
		w.ok(f.Close()) // the line breaks
		w.looks()
		f = w.create(w.drop("a.edxml"))
		w.at(f, data, len(data)/2, len(data))
		w.ok(f.Close())
		w.ok(os.Chtimes(w.drop("a.edxml"), time.Time{}, time.Date(2019, 5, 1, 8, 0, 0, 0, time.UTC)))
	}},
	{name: "SMB, space first, pieces out of order, one time", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data, at := message("A"), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		f := w.create(w.drop("a.edxml"))
		w.ok(f.Truncate(int64(len(data))))
		for _, n := range []int{3, 0, 2, 1} { // the end comes first
			if _, err := f.WriteAt(data[n*len(data)/4:(n+1)*len(data)/4], int64(n*len(data)/4)); err != nil {
				w.t.Fatal(err)
			}
			w.ok(os.Chtimes(w.drop("a.edxml"), time.Time{}, at)) // the server tells it at the end only
			w.ok(w.look(4 * time.Second))
		}
		w.ok(f.Close())
	}},
	{name: "rsync", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.pieces(w.create(w.drop(".a.edxml.Qx71Ab")), message("A"))
		w.looks()
		w.ok(os.Chmod(w.drop(".a.edxml.Qx71Ab"), 0o600))
		w.ok(os.Chtimes(w.drop(".a.edxml.Qx71Ab"), time.Time{}, time.Unix(1e9, 0)))
		w.ok(os.Rename(w.drop(".a.edxml.Qx71Ab"), w.drop("a.edxml")))
	}},
	{name: "rsync in place over an older one", sent: []string{"Báo cáo B"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		w.ok(w.look(3 * time.Second))
		w.pieces(w.create(w.drop("a.edxml")), message("B"))
	}},
	{name: "half a copy, begun again", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data := message("A")
		w.put(w.drop("a.edxml"), data[:len(data)/2])
		w.looks()
		w.put(w.drop("a.edxml"), nil)
		w.ok(w.look(10 * time.Second))
		w.put(w.drop("a.edxml"), data)
	}},
	{name: "half a copy, never finished", loi: []string{"a.edxml"}, why: "hotfolder.incomplete", late: true, write: func(w *scene) {
		data := message("A")
		w.put(w.drop("a.edxml"), data[:len(data)-20])
	}},
	{name: "a placeholder of no bytes", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), nil)
		w.looks()
		w.put(w.drop("a.edxml"), message("A"))
	}},
	{name: "appended later", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data := message("A")
		w.put(w.drop("a.edxml"), data[:len(data)-9])
		w.ok(w.look(40 * time.Minute))
		f := must(os.OpenFile(w.drop("a.edxml"), os.O_WRONLY|os.O_APPEND, 0))
		must(f.Write(data[len(data)-9:]))
		w.ok(f.Close())
	}},
	{name: "sparse, its middle filled without a trace", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data, at := message("A"), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		hole := slices.Clone(data)
		clear(hole[2000:2100])
		w.put(w.drop("a.edxml"), hole)
		w.ok(os.Chtimes(w.drop("a.edxml"), time.Time{}, at))
		w.ok(w.look(3 * time.Second))
		w.ok(w.look(3 * time.Second)) // its content was seen
		f := w.create(w.drop("a.edxml"))
		must(f.WriteAt(data[2000:2100], 2000))
		w.ok(f.Close())
		w.ok(os.Chtimes(w.drop("a.edxml"), time.Time{}, at))
	}},
	{name: "overwritten in place while it is read", sent: []string{"Báo cáo B"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		f := w.create(w.drop("a.edxml")) // and stays open
		w.onStep = func(step string) {
			if step == "before-office" && f != nil {
				must(f.WriteAt(message("B"), 0))
				w.ok(f.Close())
				f = nil
			}
		}
	}},
	{name: "the share goes away in the middle of a copy", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data := message("A")
		w.put(w.drop("a.edxml"), data[:len(data)/2])
		w.ok(w.look(2 * time.Second))
		w.away(func() {
			for range 3 {
				if err := w.look(10 * time.Second); err == nil {
					w.t.Error("an empty folder where the share was is taken for it")
				}
			}
		})
		w.put(w.drop("a.edxml"), data)
	}},
	{name: "the same name twice", sent: []string{"Báo cáo A", "Báo cáo B"}, done: []string{"a (2).edxml", "a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		w.looks()
		w.put(w.drop("a.edxml"), message("B"))
	}},
	{name: "the same document twice", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, loi: []string{"b.edxml"}, why: "import.already", write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		w.looks()
		w.put(w.drop("b.edxml"), message("A"))
	}},
	{name: "the longest name", sent: []string{"Báo cáo A"}, done: []string{longName}, write: func(w *scene) {
		w.put(w.drop(longName), message("A"))
	}},
	{name: "the longest name, not to be sent", loi: []string{longName}, why: "import.not-ours", write: func(w *scene) {
		w.put(w.drop(longName), connectortest.EdXML(connectortest.Other, connectortest.Office, "A", "Báo cáo A"))
	}},
	{name: "a name in form D, named in form C", sent: []string{"Kế hoạch"}, done: []string{norm.NFD.String("kế hoạch.pdf"), "kh.tram.json"}, write: func(w *scene) {
		w.put(w.drop(norm.NFD.String("kế hoạch.pdf")), []byte("%PDF-1.7 nội dung\n%%EOF\n"))
		w.put(w.drop("kh.tram.json"), said("Kế hoạch", file(norm.NFC.String("kế hoạch.pdf"))))
	}},
	{name: "names in both forms", sent: []string{"Kế hoạch"}, done: []string{norm.NFC.String("kế.txt"), "kh.tram.json"}, late: true,
		loi: []string{norm.NFD.String("kế.txt")}, why: "hotfolder.alone", write: func(w *scene) {
			w.put(w.drop(norm.NFD.String("kế.txt")), []byte("một"))
			w.put(w.drop(norm.NFC.String("kế.txt")), []byte("hai"))
			w.put(w.drop("kh.tram.json"), said("Kế hoạch", file(norm.NFC.String("kế.txt"))))
		}},
	{name: "the writer's clock is wrong, and so is ours", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		data := message("A")
		f := w.create(w.drop("a.edxml"))
		for i, year := range []int{2099, 1970, 2031, 1980} {
			w.skew = time.Duration(i-2) * 20_000 * time.Hour
			must(f.WriteAt(data[i*len(data)/4:(i+1)*len(data)/4], int64(i*len(data)/4)))
			w.ok(os.Chtimes(w.drop("a.edxml"), time.Time{}, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)))
			w.ok(w.look(time.Second))
		}
		w.ok(f.Close())
	}},
	{name: "a hard link", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		elsewhere := filepath.Join(w.tree, "spool")
		w.put(elsewhere, message("A"))
		w.ok(os.Link(elsewhere, w.drop("a.edxml")))
		w.ok(w.look(2 * time.Second))
		w.ok(os.Remove(elsewhere))
	}},
	{name: "links, folders", loi: []string{"a.edxml", "thư mục", "trỏ.pdf"}, why: "hotfolder.irregular", late: true, write: func(w *scene) {
		secret := filepath.Join(w.data, "secret")
		w.put(secret, message("A"))
		w.ok(os.Symlink(secret, w.drop("a.edxml")))
		w.ok(os.Symlink("../../secret", w.drop("trỏ.pdf")))
		w.ok(os.MkdirAll(filepath.Join(w.drop("thư mục"), "x"), 0o755))
	}},
	{name: "names of programs that are not done", left: []string{".a.edxml.Ab12cD", "Thumbs.db", "a.edxml.crdownload", "a.edxml.filepart", "a.edxml.part", "a.edxml.tmp", "~$a.docx"},
		late: true, write: func(w *scene) {
			for _, n := range []string{".a.edxml.Ab12cD", "Thumbs.db", "a.edxml.crdownload", "a.edxml.filepart", "a.edxml.part", "a.edxml.tmp", "~$a.docx"} {
				w.put(w.drop(n), message("A"))
			}
		}},
	{name: "sidecar first, files after", sent: []string{"Công văn"}, done: []string{"a.pdf", "b.docx", "x.tram.json"}, write: func(w *scene) {
		w.put(w.drop("x.tram.json"), said("Công văn", file("a.pdf"), file("B.DOCX")))
		w.looks()
		w.put(w.drop("a.pdf"), []byte("%PDF-1.7 a\n%%EOF"))
		w.looks()
		docx := append([]byte("PK\x03\x04 nội dung"), append([]byte("PK\x05\x06"), make([]byte, 18)...)...)
		w.put(w.drop("b.docx"), docx[:12])
		w.looks()
		w.put(w.drop("b.docx"), docx)
	}},
	{name: "a sidecar named after its file", sent: []string{"Giấy mời"}, done: []string{"a.pdf", "a.pdf.tram.json"}, write: func(w *scene) {
		w.put(w.drop("a.pdf.tram.json"), append([]byte("\xef\xbb\xbf"), said("Giấy mời")...))
		w.put(w.drop("a.pdf"), []byte("%PDF-1.7 a\n%%EOF"))
	}},
	{name: "the same sidecar and file twice", sent: []string{"Giấy mời", "Giấy mời"}, done: []string{"a (2).pdf", "a.pdf", "x (2).tram.json", "x.tram.json"}, write: func(w *scene) {
		for range 2 {
			w.put(w.drop("a.pdf"), []byte("%PDF-1.7 a\n%%EOF"))
			w.put(w.drop("x.tram.json"), said("Giấy mời", file("a.pdf")))
			w.looks()
			w.looks()
		}
	}},
	{name: "half a file, by its declared content", loi: []string{"a.txt", "x.tram.json"}, why: "hotfolder.differs", late: true, write: func(w *scene) {
		sum := sha256.Sum256([]byte("cả tệp"))
		w.put(w.drop("a.txt"), []byte("cả"))
		w.put(w.drop("x.tram.json"), said("Công văn", map[string]any{"name": "a.txt", "sha256": hex.EncodeToString(sum[:])}))
	}},
	{name: "a file that nobody names, a sidecar without its file", loi: []string{"a.pdf", "x.tram.json"}, why: "hotfolder.", late: true, write: func(w *scene) {
		w.put(w.drop("a.pdf"), []byte("%PDF-1.7 a\n%%EOF"))
		w.put(w.drop("x.tram.json"), said("Công văn", file("b.pdf")))
	}},
	{name: "a sidecar that is none", loi: []string{"x.tram.json"}, why: "hotfolder.sidecar]", write: func(w *scene) {
		w.put(w.drop("x.tram.json"), []byte(`{"to": ["H40.02"], "tieu-de": "x"}`))
	}},
}

// away lets the share go away, with an empty folder in its place.
func (w *scene) away(do func()) {
	w.t.Helper()
	w.ok(os.Rename(w.tree, w.tree+"-away"))
	w.ok(os.Mkdir(w.tree, 0o755))
	do()
	w.ok(os.Remove(w.tree))
	w.ok(os.Rename(w.tree+"-away", w.tree))
}

// play lets a writer write and the connector take, and checks where everything is.
func (k writer) play(t *testing.T, dieAt int) *station {
	t.Helper()
	s := newStation(t, dieAt)
	for range 2 { // the power may go while it makes the folders
		if err := s.look(0); err != nil {
			t.Fatal(err)
		}
	}
	k.write(&scene{s})
	s.looks()
	s.looks()
	if k.late {
		for range 3 {
			if err := s.look(70 * time.Minute); err != nil {
				t.Fatal(err)
			}
			s.looks()
		}
	}
	k.check(s)
	return s
}

func (k writer) check(s *station) {
	s.t.Helper()
	got := s.sent()
	ok := len(got) == len(k.sent)
	for i := range k.sent {
		ok = ok && strings.HasPrefix(got[i], k.sent[i])
	}
	if !ok {
		s.t.Errorf("the office has %q, want %q", got, k.sent)
	}
	same := func(dir string, want []string) {
		s.t.Helper()
		got := s.names(dir)
		got = slices.DeleteFunc(got, func(n string) bool { return dir == rejectDir && strings.HasSuffix(n, reasonExt) })
		want = slices.Clone(want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			s.t.Errorf("%s holds %q, want %q", dir, got, want)
		}
	}
	same(dropDir, k.left)
	same(claimDir, nil)
	same(doneDir, k.done)
	same(rejectDir, k.loi)
	reasons := 0
	for _, name := range s.names(rejectDir) {
		if !strings.HasSuffix(name, reasonExt) {
			continue
		}
		reasons++
		text, err := os.ReadFile(s.path(rejectDir, name))
		if err != nil {
			s.t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("không gửi được")) || !bytes.Contains(text, []byte("could not be sent")) || !bytes.Contains(text, []byte("["+k.why)) && !bytes.Contains(text, []byte(k.why)) {
			s.t.Errorf("%s does not say why, %q, in both languages:\n%s", name, k.why, text)
		}
	}
	if (reasons > 0) != (len(k.loi) > 0) {
		s.t.Errorf("%d reasons for %q", reasons, k.loi)
	}
}

// However a program writes its files, each is taken once and whole, or set aside
// with the reason; also when the power goes at any step.
func TestP1_P2_WritersCrossedWithAKillAtEachStep(t *testing.T) {
	for n, k := range append(writers, unixWriters...) {
		t.Run(k.name, func(t *testing.T) {
			steps := k.play(t, -1).trace
			for i, step := range steps {
				if (i+n)%stepsBetween != 0 {
					continue
				}
				t.Run("killed at "+step, func(t *testing.T) {
					t.Parallel()
					// What the disk says of times may make it one step more or less.
					if s := k.play(t, i); s.crashs != 1 && len(s.trace) > i {
						t.Errorf("the power went %d times", s.crashs)
					}
				})
			}
		})
	}
}

// large is a document with a large attachment.
func large(id string, content []byte) []byte {
	var b bytes.Buffer
	err := edxml.EncodeFull(&b, connectortest.Message(connectortest.Office, connectortest.Other, id, "Báo cáo "+id), []func() (io.ReadCloser, error){
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}, edxml.Assurance{Known: func(string) bool { return true }, NotSecret: true})
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// BenchmarkTakeOver is what one message of 1 MB costs from the first folder into
// the office.
func BenchmarkTakeOver(b *testing.B) {
	pdf := make([]byte, 750<<10)
	must(rand.Read(pdf))
	s := newStation(b, -1)
	s.set["settle"] = "0s"
	s.workers = 0
	s.down()
	s.boot()
	if err := s.look(0); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(pdf)))
	for n := range b.N {
		write(b, s.drop(strconv.Itoa(n)+messageExt), large(strconv.Itoa(n), pdf))
	}
	b.ResetTimer()
	for len(s.names(dropDir))+len(s.names(claimDir)) > 0 {
		if err := s.look(time.Second); err != nil {
			b.Fatal(err)
		}
	}
	if got := len(s.sent()); got != min(b.N, 500) {
		b.Errorf("%d of %d were taken", got, b.N)
	}
}
