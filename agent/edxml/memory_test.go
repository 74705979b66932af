package edxml

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"tram/storage/storagetest"
)

// allocated returns the bytes allocated while f runs, freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// nowhere is a Stage that keeps nothing.
type nowhere struct{}

func (nowhere) Create(int) (io.WriteCloser, error) { return nowhere{}, nil }
func (nowhere) Write(p []byte) (int, error)        { return len(p), nil }
func (nowhere) Close() error                       { return nil }

// large streams a message of about size bytes in two attachments, so that the
// test itself needs no memory for it.
func large(t testing.TB, size int64) io.Reader {
	t.Helper()
	text := carrying(t, contentStart+"CONTENT"+contentEnd, contentStart+"CONTENT"+contentEnd)
	parts := strings.Split(text, "CONTENT")
	half := size / 2 / 4 * 4
	return io.MultiReader(
		strings.NewReader(parts[0]), io.LimitReader(&cycle{}, half),
		strings.NewReader(parts[1]), io.LimitReader(&cycle{}, half), strings.NewReader(parts[2]))
}

// cycle is base64 of bytes that do not compress, over and over.
type cycle struct{ at int }

var cycled = func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 48<<10)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return []byte(base64.StdEncoding.EncodeToString(data))
}()

func (c *cycle) Read(p []byte) (int, error) {
	n := copy(p, cycled[c.at:])
	c.at = (c.at + n) % len(cycled)
	return n, nil
}

// TestP9_FullMessagesNeedConstantMemory: all that reading and writing allocate
// together, freed or not, is below the limit, and does not grow with the size.
func TestP9_FullMessagesNeedConstantMemory(t *testing.T) {
	read := func(size int64) uint64 {
		return allocated(func() {
			if _, err := Read(large(t, size), ReadOptions{Stage: nowhere{}}); err != nil {
				t.Fatal(err)
			}
		})
	}
	f, err := Read(large(t, 1000), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write := func(size int64) uint64 {
		return allocated(func() {
			content := Content{Plain: true, Open: func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(&cycle{}, size/2)), nil }}
			if err := Rebuild(io.Discard, f.Skeleton, []Content{content, content}); err != nil {
				t.Fatal(err)
			}
		})
	}
	const slack = 4 << 20 // less than what is read
	for name, run := range map[string]func(int64) uint64{"read": read, "write": write} {
		little, much := run(1<<20), run(6<<20)
		t.Logf("%s: %d bytes for 1 MiB, %d for 6 MiB", name, little, much)
		if little > slack || much > little+slack {
			t.Errorf("%s: %d bytes for 1 MiB, %d for 6 MiB", name, little, much)
		}
	}
}

const (
	largeMessage = 200 << 20
	memoryAim    = 32 << 20 // bytes for a message of that size
)

func BenchmarkFull(b *testing.B) {
	f, err := Read(large(b, 1000), ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	content := Content{Plain: true, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(&cycle{}, largeMessage*3/8)), nil
	}}
	works := map[string]func() error{
		"read": func() error {
			_, err := Read(large(b, largeMessage), ReadOptions{Stage: nowhere{}})
			return err
		},
		"rebuild": func() error { return Rebuild(io.Discard, f.Skeleton, []Content{content, content}) },
	}
	for name, work := range works {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(largeMessage)
			b.ReportAllocs()
			most := uint64(0)
			for b.Loop() {
				most = max(most, storagetest.PeakHeld(func() {
					if err := work(); err != nil {
						b.Fatal(err)
					}
				}))
			}
			b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
			if most > memoryAim {
				b.Errorf("%d bytes of memory, more than %d", most, memoryAim)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	data := sample(b, "document.edxml")
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, _, err := Decode(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
