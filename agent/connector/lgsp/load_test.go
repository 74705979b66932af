package lgsp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/connector/connectortest"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/storagetest"
)

// aim is the most memory that a document of any size may cost, bytes.
const aim = 32 << 20

// flow is a desk whose documents are large and made on the way.
type flow struct {
	*connectortest.Desk
	size  int64
	taken int64
}

func (f *flow) ExportFor(_ context.Context, _ storage.ID, _ string, w io.Writer) error {
	return large(w, connectortest.Office, connectortest.Foreign, f.size)
}

func (f *flow) TakeIn(_ context.Context, m office.Foreign) (office.Taken, error) {
	n, err := io.Copy(io.Discard, m.Body)
	f.taken = n
	return office.Taken{Kind: office.KindDocument, New: true}, err
}

func (f *flow) Handed(context.Context, storage.ID, string, string) error { return nil }
func (f *flow) Unreached(context.Context, storage.ID, string, []string, *i18n.Said) error {
	return errors.New("not reached")
}

// large writes a message with one attachment of about so many bytes.
func large(w io.Writer, from, to string, size int64) error {
	raw := string(connectortest.EdXML(from, to, "D-lớn", "Bản vẽ"))
	i := strings.Index(raw, "ContentTransferEncoded")
	i += strings.Index(raw[i:], ">") + 1
	j := i + strings.Index(raw[i:], "<")
	noise := make([]byte, 48<<10)
	for k := range noise {
		noise[k] = byte(rand.Uint32())
	}
	text := base64.StdEncoding.EncodeToString(noise)
	if _, err := io.WriteString(w, raw[:i]); err != nil {
		return err
	}
	for n := int64(0); n < size; n += int64(len(noise)) {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, raw[j:])
	return err
}

// TestALargeDocumentCostsLittleMemory sends and fetches 200 MB in each form.
func TestALargeDocumentCostsLittleMemory(t *testing.T) {
	const size = largeDocument
	r := newRig(t)
	f := &flow{Desk: r.desk, size: size}
	r.with(r.env("", f))
	d := r.leave("Bản vẽ")
	if err := r.c.Collect(t.Context()); err != nil { // lists and pools are warm
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "large.edxml")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(large(out, connectortest.Foreign, connectortest.Office, size), out.Close()); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	before := storagetest.Held()
	most := storagetest.PeakHeld(func() {
		if err := r.c.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("sent: %.1f MiB", float64(int64(most)-int64(before))/(1<<20))
	if most > before+aim {
		t.Errorf("sending %d MB held %d bytes more", size>>20, most-before)
	}
	for _, form := range []string{lgsptest.FormJSON, lgsptest.FormBase64, lgsptest.FormPart, lgsptest.FormRaw} {
		r.axis.SetForm(form)
		// A collector that gets no time on a busy machine is no need of memory.
		for try := 0; try == 0 || try < 3 && most > before+aim; try++ {
			r.axis.PutFile(connectortest.Foreign, connectortest.Office, kindDocument, file)
			most = storagetest.PeakHeld(func() {
				if err := r.c.Collect(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		}
		t.Logf("fetched as %s: %.1f MiB", form, float64(int64(most)-int64(before))/(1<<20))
		if info, err := os.Stat(file); err != nil || f.taken != info.Size() || r.axis.Left() != 0 {
			t.Errorf("%s: %d bytes taken, %v", form, f.taken, err)
		}
		if most > before+aim {
			t.Errorf("fetching %d MB as %s held %d bytes more", size>>20, form, most-before)
		}
	}
}

func TestAHugeListIsReadToItsEnd(t *testing.T) {
	r := newRig(t).open("")
	ref := r.offer("D-1")
	r.axis.Fail(lgsptest.Received, 1, lgsptest.List(200_000, ref))
	runtime.GC()
	before := storagetest.Held()
	most := storagetest.PeakHeld(func() {
		if err := r.c.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if len(r.desk.Saved()) != 1 || most > before+aim {
		t.Errorf("taken %q, %d bytes more held", r.desk.Saved(), most-before)
	}
	for name, body := range map[string]string{
		"one endless entry": `{"data":[{"docId":"` + strings.Repeat("x", 1<<20) + `"}]}`, "an endless name": `{"` + strings.Repeat("x", 1<<20) + `":1}`,
		"no end": `{"success":true,"data":[{"docId":"a"}`, "not a list": `7`, "empty": ``,
	} {
		r.axis.Fail(lgsptest.Received, 1, lgsptest.Garbage(body))
		if err := r.c.Collect(t.Context()); err == nil {
			t.Errorf("%s is taken for a list", name)
		}
	}
}

// national is a list as large as the national one.
func national(n int) func(yield func(lgsptest.Agency) bool) {
	return func(yield func(lgsptest.Agency) bool) {
		for i := range n {
			a := lgsptest.Agency{Code: fmt.Sprintf("G%02d.%d.%d", i%90, i/90%300, i), Name: fmt.Sprintf("Cơ quan trung ương số %d", i)}
			switch i {
			case 7:
				a = lgsptest.Agency{Code: "G09", Old: "000.00.00.G09", Name: "Bộ Tài chính"}
			case 8:
				a.Code = "W00.1"
			case 9:
				a = lgsptest.Agency{Code: "no code at all", Name: "x"}
			}
			if !yield(a) {
				return
			}
		}
	}
}

func TestTheListOfOfficesIsLargeAndSearchedByFoldedNames(t *testing.T) {
	const n = 123_265
	r := newRig(t).open("")
	r.axis.SetAgencies(national(n))
	runtime.GC()
	before := storagetest.Held()
	most := storagetest.PeakHeld(func() {
		if err := r.c.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d offices: %.1f MiB", n, float64(int64(most)-int64(before))/(1<<20))
	if most > before+aim {
		t.Errorf("the list held %d bytes more", most-before)
	}
	for _, code := range []string{"G09", "g09", "000.00.00.g09"} {
		if p, ok, err := r.c.Reaches(code); err != nil || !ok || p.Code != "G09" || p.Name != "Bộ Tài chính" {
			t.Errorf("%s: %+v %t %v", code, p, ok, err)
		}
	}
	for _, code := range []string{"W00.1", "no code at all", "G99", ""} {
		if _, ok, err := r.c.Reaches(code); ok || err != nil {
			t.Errorf("%s is reached", code)
		}
	}
	began := time.Now()
	for _, text := range []string{"bo tai chinh", "Bộ TÀI", "G09", "tài 000.00.00"} {
		if list, err := r.c.Search(t.Context(), text, 5); err != nil || len(list) == 0 || list[0].Code != "G09" {
			t.Errorf("%q finds %+v %v", text, list, err)
		}
	}
	t.Logf("a search: %s", time.Since(began)/4)
	if list, err := r.c.Search(t.Context(), "co quan", 20); err != nil || len(list) != 20 {
		t.Errorf("%d found, %v", len(list), err)
	}
	r.axis.SetAgencies(national(100))
	calls := r.calls(lgsptest.Agencies)
	if err := r.c.Collect(t.Context()); err != nil || r.calls(lgsptest.Agencies) != calls {
		t.Errorf("read again at once: %v", err)
	}
	r.now = r.now.Add(25 * time.Hour)
	r.axis.Fail(lgsptest.Agencies, 1, lgsptest.Cut(2000))
	if err := r.c.Collect(t.Context()); err == nil {
		t.Error("half a list is a list")
	}
	if _, ok, _ := r.c.Reaches("G10.1.100"); !ok {
		t.Error("half a list has taken the place of the whole one")
	}
	r.now = r.now.Add(2 * time.Hour)
	if err := r.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := r.c.Reaches("G10.1.100"); ok {
		t.Error("the old list is still there")
	}
}

func TestPatternsBoundTheListOfOffices(t *testing.T) {
	r := newRig(t).open(`,"reaches":["G0*"]`)
	r.axis.SetAgencies(national(2000))
	if err := r.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{"G09": "Bộ Tài chính", "G05.X": "G05.X", "G10.0.10": ""} {
		if p, ok, err := r.c.Reaches(code); err != nil || ok != (want != "") || p.Name != want {
			t.Errorf("%s: %+v %t %v", code, p, ok, err)
		}
	}
	if list, err := r.c.Search(t.Context(), "co quan", 500); err != nil || len(list) == 0 {
		t.Errorf("%d %v", len(list), err)
	} else {
		for _, p := range list {
			if !strings.HasPrefix(p.Code, "G0") {
				t.Errorf("%s is offered and not reached", p.Code)
			}
		}
	}
}

// BenchmarkSearch searches the names of a list as large as the national one.
func BenchmarkSearch(b *testing.B) {
	a := lgsptest.New(b.TempDir(), map[string]string{connectortest.Office: asciiSecret})
	a.SetAgencies(national(123_265))
	server := httptest.NewServer(a)
	defer server.Close()
	r := &rig{t: &testing.T{}, desk: connectortest.NewDesk(), url: server.URL, dir: b.TempDir(), now: time.Now()}
	c, err := open(r.env("", r.desk))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Collect(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.(*axis).Search(b.Context(), "bo tai chinh "+uuid.NewString()[:1], 20); err != nil {
			b.Fatal(err)
		}
	}
}
