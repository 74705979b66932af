package office

import (
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tram/storage"
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
	before := held()
	b.SetBytes(size)
	most, n := uint64(0), 0
	for b.Loop() {
		n++
		var id storage.ID
		most = max(most, peak(func() {
			done, err := a.Import(b.Context(), Handover{Body: message(fmt.Sprint("lớn-", n))})
			if err != nil {
				b.Fatal(err)
			}
			id = done.Document.ID
		}), peak(func() {
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

func held() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// peak reports the most memory that the runtime held while f ran, in bytes.
func peak(f func()) uint64 {
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.Sys-m.HeapReleased))
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most.Load()
}
