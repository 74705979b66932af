package usb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"tram/storage"
	"tram/storage/fsx"
)

const (
	// cluster is what a file's end may waste on a stick, in bytes: the largest
	// usual unit of allocation.
	cluster = 64 << 10
	// overhead is left free beside the files of a package, in bytes.
	overhead = 8 * cluster
)

// outlet is the folder on a stick in which a station writes for one neighbour.
type outlet struct {
	stick   *Stick
	station Station
	waiting Waiting
	offers  []offered // what waits, the most urgent first
	dir     string
	files   map[string]int64
	kept    []File // content of the packages that stay
	carried map[storage.ID]bool
	replied map[string]bool // what was answered in them
	said    map[string]bool // what they say about audit logs
	count   int             // packages that stay
	sound   map[File]bool   // read and found right
}

// openOutlet makes the folder and clears it of packages that have had their
// time: all their bundles are answered and their own answers old. So it makes
// room on a stick that goes to and fro.
func openOutlet(ctx context.Context, s *Stick, st Station, to string, now time.Time) (*outlet, error) {
	w, err := st.Outgoing(ctx, to)
	if err != nil {
		return nil, err
	}
	o := &outlet{stick: s, station: st, waiting: w, carried: map[storage.ID]bool{}, replied: map[string]bool{}, said: map[string]bool{}, sound: map[File]bool{}}
	for _, l := range w.Letters {
		b, err := l.open()
		if err != nil {
			return nil, fmt.Errorf("parse own header: %w", err)
		}
		o.offers = append(o.offers, b)
	}
	if o.dir, err = folder(w.From, w.To); err != nil {
		return nil, err
	}
	if err := s.prepare(o.dir); err != nil {
		return nil, err
	}
	return o, o.tidy(ctx, now)
}

func (o *outlet) tidy(ctx context.Context, now time.Time) (err error) {
	if o.files, err = o.stick.files(o.dir); err != nil {
		return err
	}
	list, _, err := o.stick.packages(o.dir, o.files)
	if err != nil {
		return err
	}
	waits := map[storage.ID]bool{}
	keep := []File{}
	for _, b := range o.offers {
		waits[b.id] = true
		for _, f := range b.need { // of an interrupted export
			keep = append(keep, f)
		}
	}
	var gone []string
	for i := len(list) - 1; i >= 0; i-- { // the newest first
		stays := false
		if o.count < MaxPackages-1 {
			if stays, err = o.review(ctx, list[i], waits, now); err != nil {
				return err
			}
		}
		if stays {
			o.count++
			o.said[string(list[i].manifest.Log)] = true
			o.kept = append(append(o.kept, list[i].manifest.Letters), list[i].manifest.Objects...)
			continue
		}
		gone = append(gone, list[i].name)
	}
	if err := o.stick.sweep(o.dir, gone, append(keep, o.kept...)); err != nil {
		return err
	}
	o.files, err = o.stick.files(o.dir)
	return err
}

// review says whether a package stays, and notes what it holds.
func (o *outlet) review(ctx context.Context, p onStick, waits map[storage.ID]bool, now time.Time) (bool, error) {
	c, err := o.station.Check(ctx, p.Package)
	if err != nil || c.Invalid != "" || !c.Own {
		return false, err
	}
	letters, err := DecodeLetters(p.Letters)
	if err != nil {
		return false, nil // its signer was another program: it is written anew
	}
	said := string(p.manifest.Log)
	stays, intact := said != "" && said == string(o.waiting.Log) && !o.said[said], false
	if p.complete(o.files) {
		if intact, err = o.intact(ctx, p.manifest); err != nil {
			return false, err
		}
	}
	if intact {
		for _, l := range letters.Bundles {
			if b, err := l.open(); err == nil && waits[b.id] {
				stays, o.carried[b.id] = true, true
			}
		}
	}
	if now.Sub(p.manifest.Created) < KeepReplies {
		for _, r := range letters.Receipts {
			stays, o.replied[string(r)] = true, true
		}
		for _, r := range letters.Refusals {
			stays, o.replied[r.key()] = true, true
		}
	}
	return stays, nil
}

// intact reads what a package names, and removes what is not what it says, so
// that it is written anew.
func (o *outlet) intact(ctx context.Context, m Manifest) (bool, error) {
	all := true
	for _, f := range m.Objects {
		if o.sound[f] {
			continue
		}
		err := o.stick.check(ctx, o.dir, f)
		if err == nil {
			o.sound[f] = true
			continue
		}
		if !errors.Is(err, ErrDamaged) {
			return false, err
		}
		all = false
		for _, p := range f.parts() {
			if err := o.stick.remove(o.dir, p.name); err != nil {
				return false, err
			}
		}
	}
	return all, nil
}

// greets says whether a package is worth writing that carries nothing.
func (o *outlet) greets() bool {
	return o.count == 0 || len(o.waiting.Log) > 0 && !o.said[string(o.waiting.Log)]
}

func (r Refusal) key() string { return fmt.Sprintf("%s %d", r.ID, r.Code) }

// free is how many bytes may be written, with what file ends waste.
func (o *outlet) free() int64 {
	free, _, err := o.stick.disk.Usage(o.stick.path(o.dir, ""))
	if err != nil {
		return math.MaxInt64 // unknown: a full stick will say so
	}
	return max(free-overhead, 0)
}

// written is what a package cost.
type written struct {
	Manifest Manifest
	Raw      []byte
	Bundles  int
	Bytes    int64 // to the stick
	Left     []offered
}

// write makes one package. On a stick that is full against expectation the
// package ends before the bundle that has no room, which comes back in Left
// with those behind it; [storage.ErrFull] when that is the first one.
func (o *outlet) write(ctx context.Context, bundles []offered, receipts [][]byte, refusals []Refusal, step func(int64)) (written, error) {
	w := written{}
	l := Letters{Receipts: receipts, Refusals: refusals}
	named := map[[32]byte]bool{}
	var objects []File
	for i, b := range bundles {
		n, err := o.objects(ctx, b, step)
		w.Bytes += n
		switch {
		case errors.Is(err, storage.ErrNotFound): // ended meanwhile
			continue
		case errors.Is(err, storage.ErrFull) && len(l.Bundles) > 0:
			w.Left = bundles[i:]
		case err != nil:
			return w, err
		}
		if w.Left != nil {
			break
		}
		for _, index := range b.objects() {
			if f := b.need[index]; !named[f.SHA256] {
				named[f.SHA256] = true
				objects = append(objects, f)
			}
		}
		l.Bundles = append(l.Bundles, b.Letter)
	}
	w.Bundles = len(l.Bundles)
	n, err := o.seal(ctx, l, objects, &w)
	w.Bytes += n
	return w, err
}

// objects puts the objects of a bundle onto the stick.
func (o *outlet) objects(ctx context.Context, b offered, step func(int64)) (n int64, err error) {
	for _, index := range b.objects() {
		written, err := o.stick.put(ctx, o.dir, b.need[index], func(off int64) (io.ReadCloser, error) {
			r, err := o.station.Read(ctx, b.id, index, off)
			if err != nil {
				return nil, err
			}
			return stepReader{r, step}, nil
		})
		n += written
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// seal writes letters and manifest: from here on the package is there.
func (o *outlet) seal(ctx context.Context, l Letters, objects []File, w *written) (int64, error) {
	raw, err := EncodeLetters(l)
	if err != nil {
		return 0, err
	}
	letters := FileOf(raw)
	n, err := o.stick.put(ctx, o.dir, letters, func(off int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw[off:])), nil
	})
	if err != nil {
		return n, err
	}
	if w.Raw, err = o.station.Sign(ctx, o.waiting.To, letters, objects); err != nil {
		return n, err
	}
	if w.Manifest, err = ParseManifest(w.Raw); err != nil {
		return n, err
	}
	err = fsx.WriteFileOn(o.stick.disk, o.stick.path(o.dir, manifestName(w.Manifest.ID)), w.Raw, 0o644)
	if err != nil {
		return n, fault(err)
	}
	o.kept = append(append(o.kept, letters), objects...)
	return n + int64(len(w.Raw)), nil
}

// stepReader reports what is read.
type stepReader struct {
	io.ReadCloser
	step func(int64)
}

func (r stepReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.step != nil {
		r.step(int64(n))
	}
	return n, err
}
