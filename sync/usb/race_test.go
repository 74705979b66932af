package usb_test

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/usb"
	"tram/sync/wire"
)

// join runs sessions between a and b over a line until the returned function
// is called or the test ends.
func join(t *testing.T, a, b *station, seed uint64, f linktest.Faults) (line *linktest.End, part func()) {
	t.Helper()
	lineA, lineB := linktest.Pipe(seed, f)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = a.node.Run(ctx, b.code, lineA) })
	group.Go(func() { _ = b.node.Run(ctx, a.code, lineB) })
	part = sync.OnceFunc(func() {
		cancel()
		lineA.Close()
		lineB.Close()
		group.Wait()
	})
	t.Cleanup(part)
	return lineA, part
}

// TestP2_LinkAndStickRace lets a bad line and a stick carry the same bundles
// at the same time, in both directions, with the stick now and then pulled.
func TestP2_LinkAndStickRace(t *testing.T) {
	var byWire, byStick int64
	for seed := range uint64(24) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair(t)
				race(t, seed, a, b)
				byWire += a.byWire.bytes.Load() + b.byWire.bytes.Load()
				byStick += a.byStick.bytes.Load() + b.byStick.bytes.Load()
			})
		})
	}
	if byWire < 1<<20 || byStick < 1<<20 {
		t.Errorf("%d bytes went by link and %d by stick: that was no race", byWire, byStick)
	}
	t.Logf("%d bytes by link, %d by stick", byWire, byStick)
}

func race(t *testing.T, seed uint64, a, b *station) {
	t.Helper()
	random := mathrand.New(mathrand.NewPCG(seed, 3))
	line, _ := join(t, a, b, seed, linktest.Faults{
		Drop: 0.03, Duplicate: 0.03, Reorder: 0.05, Cut: 0.02,
		Delay: 40 * time.Millisecond, Jitter: 20 * time.Millisecond, Outage: 20 * time.Second, Rate: 8000,
	})
	disk := storagetest.NewDisk()
	stick := usb.On(disk, "/")
	sent := map[*station][]storage.ID{}
	for range 60 {
		from, to := a, b
		if random.IntN(2) == 0 {
			from, to = b, a
		}
		switch random.IntN(6) {
		case 0, 1:
			if len(sent[from]) < 5 {
				sent[from] = append(sent[from], from.putUrgent(t, to.code, uint8(random.IntN(4)), 500+random.IntN(2000), 1+random.IntN(150_000)))
			}
		case 2:
			line.Cut()
		case 3:
			pulled(t, disk, random, func() error {
				_, err := usb.Export(t.Context(), stick, from, usb.ExportOptions{})
				return err
			})
		default:
			pulled(t, disk, random, func() error {
				_, err := takeAll(t.Context(), from, stick)
				return err
			})
		}
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
	}
	for range 3 { // the rest goes by stick alone
		line.Break()
		export(t, a, stick)
		importAll(t, b, stick)
		export(t, b, stick)
		importAll(t, a, stick)
	}
	for from, to := range map[*station]*station{a: b, b: a} {
		for _, id := range sent[from] {
			if from.waiting(t, to.code, id) {
				t.Errorf("bundle %s still waits", id)
			}
			sameObjects(t, from, to, id, 2)
		}
		if got := len(to.inbox(t)); got != len(sent[from]) {
			t.Errorf("%d bundles in the inbox of %s, want %d", got, to.code, len(sent[from]))
		}
	}
}

var errPulled = errors.New("no such device")

// pulled does something with the stick, which fails at some step in one of
// three cases and has then lost what was not durable.
func pulled(t *testing.T, disk *storagetest.Disk, random *mathrand.Rand, do func() error) {
	t.Helper()
	fail := random.IntN(3) == 0
	left := random.IntN(60)
	if fail {
		disk.Fail(func(storagetest.Op, string) error {
			if left--; left < 0 {
				return errPulled
			}
			return nil
		})
	}
	err := do()
	disk.Fail(nil)
	if fail {
		disk.Cut(random)
	}
	if err != nil && (!fail || !errors.Is(err, usb.ErrStick)) {
		t.Errorf("the stick gives %v", err)
	}
}

// TestP4_HalfByLinkHalfByStick: the stick goes on where the link stopped.
func TestP4_HalfByLinkHalfByStick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		a, b := pair(t)
		_, part := join(t, a, b, 1, linktest.Faults{Rate: 20_000, Delay: 20 * time.Millisecond})
		id := a.put(t, "H40", 900, size)
		time.Sleep(25 * time.Second)
		part()
		wire := b.byWire.bytes.Load()
		if wire < size/4 || wire > size*3/4 {
			t.Fatalf("the link brought %d bytes", wire)
		}
		b.store.Crash() // only what is durable counts
		stick := usb.On(storagetest.NewDisk(), "/")
		export(t, a, stick)
		importAll(t, b, stick)
		sameObjects(t, a, b, id, 2)
		over := wire + b.byStick.bytes.Load() - size
		if over < 0 || over > 64<<10 {
			t.Errorf("link and stick brought %d bytes more than there are", over)
		}
		t.Logf("%d bytes: %d by link, %d by stick", size, wire, b.byStick.bytes.Load())
		importAll(t, a, stick)
		if a.waiting(t, "H40", id) {
			t.Error("the receipt on the stick settles nothing")
		}
	})
}

// TestP4_HalfByStickHalfByLink: the link goes on where a pulled stick stopped.
func TestP4_HalfByStickHalfByLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 12 << 20
		a, b := pair(t)
		id := a.put(t, "H40", 900, size)
		disk := storagetest.NewDisk()
		stick := usb.On(disk, "/")
		export(t, a, stick)
		read := 0
		disk.Fail(func(op storagetest.Op, _ string) error {
			if op == storagetest.OpRead && b.byStick.bytes.Load() > 1000 { // behind the check of the object
				if read++; read > 36 { // of 256 KiB
					return errPulled
				}
			}
			return nil
		})
		if _, err := takeAll(t.Context(), b, stick); !errors.Is(err, usb.ErrStick) {
			t.Fatalf("the pulled stick gives %v", err)
		}
		byStick := b.byStick.bytes.Load()
		b.store.Crash()
		join(t, a, b, 1, linktest.Faults{Delay: 20 * time.Millisecond})
		for a.waiting(t, "H40", id) {
			time.Sleep(time.Second)
		}
		sameObjects(t, a, b, id, 2)
		wire := b.byWire.bytes.Load()
		t.Logf("%d bytes: %d by stick, %d by link", size, byStick, wire)
		if byStick < 8<<20 || byStick+wire-size > 8<<20 {
			t.Errorf("stick and link brought %d and %d of %d bytes", byStick, wire, size)
		}
		// The stick comes back: nothing is left to do for it but to say so.
		disk.Fail(nil)
		if r := importAll(t, b, stick); r[0].Taken != 1 || b.byStick.bytes.Load() != byStick || len(b.inbox(t)) != 1 {
			t.Errorf("the stick brings it again: %+v", r)
		}
	})
}

// TestBundlesOfUnknownSendersAreOfferedAgain: the card of a sender may come in
// the same package.
func TestBundlesOfUnknownSendersAreOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		stick := usb.On(storagetest.NewDisk(), "/")
		a.put(t, "H40", 900)
		export(t, a, stick)
		unknown := &exchange.Denial{Code: wire.CodeUnknownSender, After: 5 * time.Second}
		b.guard.set(unknown)
		if r := importAll(t, b, stick); r[0].Later != 1 || r[0].Taken != 0 {
			t.Errorf("import reports %d left and %d taken", r[0].Later, r[0].Taken)
		}
		go func() {
			time.Sleep(3 * time.Second)
			b.guard.set(nil)
		}()
		if r := importAll(t, b, stick); r[0].State != usb.New || r[0].Later != 0 || r[0].Taken != 1 {
			t.Errorf("import reports %d left and %d taken", r[0].Later, r[0].Taken)
		}
	})
}
