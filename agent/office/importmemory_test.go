package office

import (
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"tram/storage"
	"tram/storage/storagetest"
)

// repeated is base64 of bytes that do not compress, over and over.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// BenchmarkImport takes a message of about 100 MB over and exports it again,
// and prints the most memory that the process held.
func BenchmarkImport(b *testing.B) {
	const size, aim = 100 << 20, 32 << 20
	w := newWorld(b, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	text := base64.StdEncoding.EncodeToString(noise(48 << 10))
	message := func(id string) io.Reader {
		head, tail, _ := strings.Cut(plainly(foreign("H40.12", organs("H40.15"), id, "lớn.tif", "CONTENT")), "CONTENT")
		return io.MultiReader(strings.NewReader(head), io.LimitReader(&repeated{text: text}, size/4*4), strings.NewReader(tail))
	}
	runtime.GC()
	before := storagetest.Held()
	b.SetBytes(size)
	most, n := uint64(0), 0
	for b.Loop() {
		n++
		var id storage.ID
		most = max(most, storagetest.PeakHeld(func() {
			done, err := a.Import(b.Context(), Handover{Body: message(fmt.Sprint("lớn-", n))})
			if err != nil {
				b.Fatal(err)
			}
			id = done.Document.ID
		}), storagetest.PeakHeld(func() {
			if err := a.ExportEdXML(b.Context(), id, io.Discard); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(float64(most-before)/(1<<20), "peak-MiB")
	if most-before > aim {
		b.Errorf("%d bytes of memory beyond the %d of the offices, more than %d", most-before, before, aim)
	}
}
