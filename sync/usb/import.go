package usb

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/fsx"
	"tram/sync/bundle"
)

// How often and after how long a bundle is offered again that the station
// wanted later: the card of its sender may be in the same package.
const (
	laterTries = 3
	laterWait  = 2 * time.Second
	// changes is how often the link may change a bundle under an import before
	// the bundle is left to the link.
	changes = 5
	// takeSize is after how many bytes of an object they are made durable.
	takeSize = 8 << 20
)

// State is what a package on a stick is for the station that looks at it.
type State string

// States of a package. They are part of the stable JSON of the commands.
const (
	New        State = "new"        // it can be imported
	Imported   State = "imported"   // it was, before
	Other      State = "other"      // it is for somebody else
	Invalid    State = "invalid"    // it is not what it says
	Incomplete State = "incomplete" // files of it are missing
)

// Found is a package on a stick that the station has not made itself.
type Found struct {
	ID       uuid.UUID `json:"id"`
	From     Party     `json:"from"`
	To       Party     `json:"to"`
	Self     Party     `json:"-"` // the station that looks
	Created  time.Time `json:"created"`
	Sequence uint64    `json:"sequence"`
	Bundles  int       `json:"bundles"`
	Bytes    int64     `json:"bytes"`   // of their objects
	Replies  int       `json:"replies"` // receipts and refusals
	State    State     `json:"state"`
	Imported time.Time `json:"imported_at,omitzero"`
	Why      error     `json:"-"` // it is invalid

	on      onStick
	peer    string
	letters Letters
}

// Look reads what packages a stick holds for the station, oldest first, and
// verifies them. It writes nothing, neither here nor there.
func Look(ctx context.Context, s *Stick, st Station) ([]Found, error) {
	dirs, err := s.folders()
	if err != nil {
		return nil, err
	}
	list := []Found{}
	for _, dir := range dirs {
		files, err := s.files(dir)
		if err != nil {
			return nil, err
		}
		packages, broken, err := s.packages(dir, files)
		if err != nil {
			return nil, err
		}
		for range broken {
			list = append(list, Found{State: Invalid, Why: invalid("it is not a manifest in its place")})
		}
		for _, p := range packages {
			f, err := look(ctx, st, p, files)
			if err != nil {
				return nil, err
			}
			if f.State != "" {
				list = append(list, f)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Found) int { return a.Created.Compare(b.Created) })
	return list, nil
}

func look(ctx context.Context, st Station, p onStick, files map[string]int64) (Found, error) {
	m := p.manifest
	f := Found{
		ID: m.ID, From: Party{Code: m.From}, To: Party{Code: m.To}, Created: m.Created, Sequence: m.Sequence, on: p,
	}
	for _, object := range m.Objects {
		f.Bytes += object.Size
	}
	c, err := st.Check(ctx, p.Package)
	if err != nil {
		return f, err
	}
	if c.Self.Code != "" {
		f.From, f.To, f.Self = c.From, c.To, c.Self
	}
	switch {
	case c.Own:
		return f, nil
	case len(p.Letters) == 0 && c.Damaged:
		f.State = Incomplete
		return f, nil
	case c.Invalid != "":
		f.State, f.Why = Invalid, invalid(c.Invalid)
		return f, nil
	case c.Other:
		f.State = Other
		return f, nil
	}
	f.peer = c.Peer
	if f.letters, err = DecodeLetters(p.Letters); err != nil {
		f.State, f.Why = Invalid, err
		return f, nil
	}
	f.Bundles, f.Replies = len(f.letters.Bundles), len(f.letters.Receipts)+len(f.letters.Refusals)
	f.State, f.Imported = New, c.Imported
	switch {
	case !c.Imported.IsZero():
		f.State = Imported
	case !p.complete(files):
		f.State = Incomplete
	}
	return f, nil
}

// Result is what became of a package.
type Result struct {
	Found
	Taken    int    `json:"taken"`   // bundles that the station has signed for, now or before
	Refused  int    `json:"refused"` // bundles that it will never take
	Later    int    `json:"later"`   // bundles that it could not take now; they stay with their sender
	Reason   string `json:"reason,omitempty"`
	Full     bool   `json:"full,omitempty"` // for want of room
	NoReturn bool   `json:"no_return"`      // the stick takes no writes or is full: the receipts are not on it
}

// ImportOptions says how a package is taken in.
type ImportOptions struct {
	Progress func(done, total int64) // bytes; may be nil
	Now      func() time.Time        // nil means time.Now
}

// Take imports one package that Look has found New or Incomplete: its bundles
// are taken over, its receipts settle what they are for, and the receipts for
// it are left on the stick. Taken again after an interruption it continues.
func Take(ctx context.Context, s *Stick, st Station, f Found, o ImportOptions) (Result, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := Result{Found: f}
	if f.State != New && f.State != Incomplete || f.peer == "" {
		return r, f.Why
	}
	t := taker{stick: s, station: st, found: f, result: &r, progress: o.Progress}
	if err := t.bundles(ctx); err != nil {
		return r, err
	}
	if err := t.reply(ctx, o.Now()); err != nil {
		return r, err
	}
	// The same package may bring another time what was left now.
	return r, st.Finish(ctx, f.on.Package, r.Later == 0)
}

type taker struct {
	stick    *Stick
	station  Station
	found    Found
	result   *Result
	progress func(done, total int64)
	done     int64
	receipts [][]byte
	refusals []Refusal
}

// bundles takes over the bundles of the package, those with registry cards
// first, because they tell who the others are from.
func (t *taker) bundles(ctx context.Context) error {
	var open []offered
	for _, l := range t.found.letters.Bundles {
		b, err := l.open()
		if err != nil {
			t.later(Answer{Later: err.Error()})
			continue
		}
		open = append(open, b)
	}
	slices.SortStableFunc(open, func(a, b offered) int { return order(a) - order(b) })
	for try := 1; ; try++ {
		var again []offered
		for _, b := range open {
			a, stuck, err := t.take(ctx, b)
			if err != nil {
				return err
			}
			switch {
			case a.Receipt != nil:
				t.receipts = append(t.receipts, a.Receipt)
				t.result.Taken++
			case a.Refusal != nil:
				t.refusals = append(t.refusals, *a.Refusal)
				t.result.Refused++
			case a.Full || stuck || try == laterTries:
				t.later(a)
			default:
				again = append(again, b)
			}
		}
		if open = again; len(open) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(laterWait):
		}
	}
}

func order(b offered) int {
	if b.kind == bundle.KindRegistry {
		return 0
	}
	return 1
}

func (t *taker) later(a Answer) {
	t.result.Later++
	t.result.Full = t.result.Full || a.Full
	t.result.Reason = a.Later
}

// take brings one bundle to its answer. It is stuck when asking the station
// again cannot help.
func (t *taker) take(ctx context.Context, b offered) (a Answer, stuck bool, err error) {
	for range changes {
		a, err = t.station.Offer(ctx, t.found.peer, b.Letter)
		if err != nil || a.Need == nil {
			return a, false, err
		}
		damaged := false
		for _, index := range b.objects() {
			err = t.object(ctx, b, index, a.Need[index])
			if errors.Is(err, ErrDamaged) { // the link may bring it
				damaged, err = true, nil
			}
			if err != nil {
				break
			}
		}
		switch {
		case err == nil && damaged:
			return Answer{Later: ErrDamaged.Error()}, true, nil
		case errors.Is(err, storage.ErrFull):
			return Answer{Later: err.Error(), Full: true}, true, nil
		case errors.Is(err, storage.ErrOffset), errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrDigest):
			continue // the link was here meanwhile
		case err != nil:
			return a, false, err
		}
	}
	return Answer{Later: "the bundle is changing under the import"}, false, nil
}

// object writes the rest of one object, after all of it was found intact.
func (t *taker) object(ctx context.Context, b offered, index int, durable int64) error {
	f := b.need[index]
	if durable >= f.Size {
		t.step(f.Size)
		return nil
	}
	if !slices.Contains(t.found.on.manifest.Objects, f) {
		return ErrDamaged
	}
	files, err := t.stick.files(t.found.on.dir)
	if err != nil {
		return err
	}
	if !has(files, f) {
		return ErrDamaged
	}
	if err := t.stick.check(ctx, t.found.on.dir, f); err != nil {
		return err
	}
	c := t.stick.content(t.found.on.dir, f, durable)
	defer c.Close()
	t.step(durable)
	for off := durable; off < f.Size; off += takeSize {
		_, err := t.station.Write(ctx, b.id, index, off, io.LimitReader(stepReader{c, t.step}, takeSize))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *taker) step(n int64) {
	if t.done += n; t.progress != nil {
		t.progress(min(t.done, t.found.Bytes), t.found.Bytes)
	}
}

// reply leaves the answers on the stick, unless they are there already.
func (t *taker) reply(ctx context.Context, now time.Time) error {
	if len(t.receipts)+len(t.refusals) == 0 {
		return nil
	}
	err := t.writeReply(ctx, now)
	if fsx.IsReadOnly(err) || errors.Is(err, storage.ErrFull) {
		t.result.NoReturn = true
		return nil
	}
	return err
}

func (t *taker) writeReply(ctx context.Context, now time.Time) error {
	out, err := openOutlet(ctx, t.stick, t.station, t.found.peer, now)
	if err != nil {
		return err
	}
	t.receipts = slices.DeleteFunc(t.receipts, func(r []byte) bool { return out.replied[string(r)] })
	t.refusals = slices.DeleteFunc(t.refusals, func(r Refusal) bool { return out.replied[r.key()] })
	if len(t.receipts)+len(t.refusals) == 0 {
		return nil
	}
	_, err = out.write(ctx, nil, t.receipts, t.refusals, nil)
	return err
}
