package office

import (
	"io"
	"runtime"
	"testing"

	"tram/storage/storagetest"
)

// BenchmarkMail sends a message with a file of 100 MB and takes it, and prints the
// most memory that the process held. The hub of the world holds the file in memory,
// so that its part is not measured.
func BenchmarkMail(b *testing.B) {
	const size, aim = 100 << 20, 32 << 20
	w := mailWorld(b, "A", "B")
	from, to := w.offices["A"], w.offices["B"]
	m := from.mail("B")
	m.Files = []MailFile{{Name: "bản vẽ.tif", Media: "image/tiff"}}
	var err error
	if m.Files[0].Content, err = from.blobs.Stage(b.Context(), io.LimitReader(&repeated{text: string(noise(48 << 10))}, size), 0); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	var most uint64
	held := func(do func()) {
		runtime.GC()
		before := storagetest.Held()
		if peak := storagetest.PeakHeld(do); peak > before {
			most = max(most, peak-before)
		}
	}
	for b.Loop() {
		held(func() { from.post(m) })
		w.relay()
		held(func() {
			if err := to.drain(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
	if n := len(to.asked(`SELECT name FROM box_files WHERE size = ? AND inline IS NULL`, size)); n == 0 {
		b.Error("nothing arrived")
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
	if most > aim {
		b.Errorf("%d bytes of memory, more than %d", most, aim)
	}
}
