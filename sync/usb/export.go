package usb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/sync/bundle"
)

// ExportOptions says what goes onto the stick.
type ExportOptions struct {
	To       string                  // neighbour; empty means the only one
	Urgency  uint8                   // the least urgent that goes along
	IDs      []storage.ID            // only these; empty means all
	MaxBytes int64                   // at most so many bytes of objects; zero means what fits
	Progress func(done, total int64) // bytes; may be nil
	Now      func() time.Time        // nil means time.Now
}

// Exported is what Export did.
type Exported struct {
	From     string      `json:"from"`
	To       string      `json:"to"`
	Packages []uuid.UUID `json:"packages"` // ids of those written now
	Bundles  int         `json:"bundles"`  // in them
	Bytes    int64       `json:"bytes"`    // written to the stick
	Already  int         `json:"already"`  // bundles that the stick carried before
	Left     int         `json:"left"`     // bundles that found no room on this stick
	LeftSize int64       `json:"left_bytes"`
}

// Export puts what waits for a neighbour onto the stick: the most urgent first,
// as much as fits, and nothing that is on it already. All of it stays outgoing
// until the neighbour's receipts come. When there is nothing, an empty package
// greets the neighbour, which learns from it what to bring back. [ErrSmall] when
// something waits and not one bundle fits.
func Export(ctx context.Context, s *Stick, st Station, o ExportOptions) (Exported, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	out, err := openOutlet(ctx, s, st, o.To, o.Now())
	if errors.Is(err, storage.ErrFull) {
		err = fmt.Errorf("%w: %w", ErrSmall, err)
	}
	if err != nil {
		return Exported{}, err
	}
	x := Exported{From: out.waiting.From, To: out.waiting.To, Packages: []uuid.UUID{}}
	p := plan{outlet: out, free: out.free(), files: len(out.files)}
	if o.MaxBytes > 0 {
		p.most = o.MaxBytes
	}
	for _, b := range out.offers {
		switch {
		case b.rank < o.Urgency, len(o.IDs) > 0 && !slices.Contains(o.IDs, b.id):
		case out.carried[b.id]:
			x.Already++
		case !p.add(b):
			x.leave(b)
		}
	}
	if len(p.batches) == 0 && x.Left > 0 {
		return x, ErrSmall
	}
	if len(p.batches) == 0 && out.greets() {
		p.batches = [][]offered{nil} // a greeting
	}
	done := int64(0)
	step := func(n int64) {
		if done += n; o.Progress != nil {
			o.Progress(min(done, p.fresh), p.fresh)
		}
	}
	return x, x.write(ctx, out, p.batches, step)
}

func (x *Exported) leave(b offered) {
	x.Left++
	x.LeftSize += b.size
}

// write makes the packages. When the stick is full before its time, what found
// no room is left for another one.
func (x *Exported) write(ctx context.Context, out *outlet, batches [][]offered, step func(int64)) error {
	for i, batch := range batches {
		w, err := out.write(ctx, batch, nil, nil, step)
		x.Bytes += w.Bytes
		full := errors.Is(err, storage.ErrFull)
		if err != nil && !full {
			return err
		}
		if err == nil {
			x.Packages = append(x.Packages, w.Manifest.ID)
			x.Bundles += w.Bundles
		}
		if full {
			w.Left = batch
		}
		if w.Left == nil {
			continue
		}
		for _, rest := range append([][]offered{w.Left}, batches[i+1:]...) {
			for _, b := range rest {
				x.leave(b)
			}
		}
		if err := out.stick.sweep(out.dir, nil, out.kept); err != nil {
			return err
		}
		if x.Bundles == 0 {
			return ErrSmall
		}
		return nil
	}
	return nil
}

// lettersSlack is what letters take beside headers and slips, for each bundle
// and at most, in bytes.
const lettersSlack = 16

// plan shares bundles out among packages, as far as the stick has room.
type plan struct {
	outlet  *outlet
	free    int64 // bytes
	most    int64 // bytes of objects; zero: no bound
	files   int
	fresh   int64 // bytes of objects to be written
	batches [][]offered
	objects map[[32]byte]bool // of the last batch
	letters int64             // bytes of the last batch
	planned map[[32]byte]bool // of all batches
}

// add plans a bundle; false when the stick has no room for it.
func (p *plan) add(b offered) bool {
	if p.planned == nil {
		p.planned = map[[32]byte]bool{}
	}
	var cost, fresh int64
	files := 2 // letters and manifest, if it needs a package of its own
	for _, f := range b.need {
		if p.planned[f.SHA256] {
			continue
		}
		for _, part := range f.parts() {
			if p.outlet.files[part.name] != part.size {
				cost += (part.size + cluster - 1) / cluster * cluster
				fresh += part.size
				files++
			}
		}
	}
	letters := int64(len(b.Header)+len(b.Slip)) + lettersSlack
	if cost+letters+cluster > p.free || p.files+files > MaxFiles || p.most > 0 && p.fresh+fresh > p.most || len(b.need) > MaxObjects {
		return false
	}
	if p.needsNew(b, letters) {
		p.batches = append(p.batches, nil)
		p.objects, p.letters = map[[32]byte]bool{}, 0
		p.files += 2
		p.free -= bundle.MaxHeader // its manifest, at most
	}
	last := len(p.batches) - 1
	p.batches[last] = append(p.batches[last], b)
	for _, f := range b.need {
		p.objects[f.SHA256], p.planned[f.SHA256] = true, true
	}
	p.letters += letters
	p.files += files - 2
	p.free -= cost + letters
	p.fresh += fresh
	return true
}

// needsNew says whether b does not fit into the last package.
func (p *plan) needsNew(b offered, letters int64) bool {
	n := len(p.batches)
	if n == 0 {
		return true
	}
	more := 0
	for _, f := range b.need {
		if !p.objects[f.SHA256] {
			more++
		}
	}
	return len(p.batches[n-1]) >= MaxBundles || len(p.objects)+more > MaxObjects || p.letters+letters > MaxLetters-1<<10
}
