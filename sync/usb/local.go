package usb

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// writeSize is how many bytes go into the queue at once.
const writeSize = 256 << 10

// Neighbour is someone whom a station exchanges with by stick.
type Neighbour struct {
	Code string           // as on its registry card
	Key  crypto.PublicKey // its device key
}

// Journal remembers packages. Its owner keeps it in the database of the queue.
type Journal interface {
	// Imported says when a package was recorded; zero when it was not.
	Imported(ctx context.Context, id uuid.UUID) (time.Time, error)
	// Number counts the packages made for peer, from 1.
	Number(ctx context.Context, peer string) (uint64, error)
	// Last returns the newest package of peer that was recorded; zero when
	// there is none. Only Epoch and Registry of it need be right.
	Last(ctx context.Context, peer string) (Manifest, error)
	// Record remembers m, which peer has sent, as imported.
	Record(ctx context.Context, peer string, m Manifest) error
}

// LocalOptions configures a Local.
type LocalOptions struct {
	Office  string    // own code
	Epoch   uuid.UUID // of the own store
	Queue   storage.Queue
	Guard   exchange.Guard
	Device  crypto.Signer // signs manifests
	Journal Journal
	// Neighbour finds whom a code names; the empty code is the only neighbour.
	// card is the one in a manifest, which a restored hub may not know; it may
	// be nil. [ErrNoNeighbour] when there is none.
	Neighbour func(ctx context.Context, code string, card []byte) (Neighbour, error)
	// Greeted is called with each good manifest of a neighbour that was not
	// imported yet, for its card and what it says about audit logs. It may be
	// called again with the same. Nil: nothing to do.
	Greeted func(ctx context.Context, peer string, m Manifest) error
	// Before is called before what waits for a neighbour is listed, with its
	// last package. Nil: nothing to do.
	Before func(ctx context.Context, peer string, last Manifest) error
	// Name gives the name of an office, for people; empty when it is not known.
	// Nil: nobody's is.
	Name     func(code string) string
	Card     func() []byte // own registry card; nil when there is none
	Registry func() uint64 // serial of the newest card held
	// Log is what a package for peer says about audit logs, and whether that is
	// worth a package of its own. Nil: nothing.
	Log    func(ctx context.Context, peer string) (word []byte, worth bool, err error)
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil means time.Now
}

// Local is the Station over a queue. Its methods may be called from several
// goroutines, and beside sessions over the same queue.
type Local struct {
	o       LocalOptions
	custody exchange.Custodian
}

var _ Station = (*Local)(nil)

// NewLocal makes a Local.
func NewLocal(o LocalOptions) *Local {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Local{o: o, custody: exchange.Custodian{Queue: o.Queue, Guard: o.Guard, Now: o.Now}}
}

// Outgoing implements [Station]. What the neighbour's former store took over is
// offered to its present one (P3).
func (l *Local) Outgoing(ctx context.Context, to string) (Waiting, error) {
	n, err := l.o.Neighbour(ctx, to, nil)
	if err != nil {
		return Waiting{}, err
	}
	last, err := l.o.Journal.Last(ctx, n.Code)
	if err == nil && l.o.Before != nil {
		err = l.o.Before(ctx, n.Code, last)
	}
	if err != nil {
		return Waiting{}, err
	}
	list, err := l.o.Queue.Outgoing(ctx, n.Code, last.Epoch, MaxWaiting)
	w := Waiting{From: l.o.Office, To: n.Code, Letters: []Letter{}}
	for _, out := range list {
		w.Letters = append(w.Letters, Letter{Header: out.Header, Slip: out.Slip})
	}
	if err != nil || l.o.Log == nil {
		return w, err
	}
	word, worth, err := l.o.Log(ctx, n.Code)
	if worth {
		w.Log = word
	}
	return w, err
}

// Read implements [Station].
func (l *Local) Read(ctx context.Context, id storage.ID, object int, off int64) (io.ReadCloser, error) {
	at := readerAt(func(p []byte, off int64) (int, error) { return l.o.Queue.ReadObject(ctx, id, object, p, off) })
	if _, err := at(make([]byte, 1), off); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(at, off, bundle.MaxObject-off)), nil
}

type readerAt func(p []byte, off int64) (int, error)

// ReadAt implements [io.ReaderAt].
func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }

// Sign implements [Station].
func (l *Local) Sign(ctx context.Context, to string, letters File, objects []File) ([]byte, error) {
	n, err := l.o.Neighbour(ctx, to, nil)
	if err != nil {
		return nil, err
	}
	m := Manifest{From: l.o.Office, To: n.Code, Created: l.o.Now(), Epoch: l.o.Epoch, Letters: letters, Objects: objects}
	if m.ID, err = uuid.NewV7(); err != nil {
		return nil, err
	}
	if m.Sequence, err = l.o.Journal.Number(ctx, n.Code); err != nil {
		return nil, err
	}
	if l.o.Card != nil {
		m.Card = l.o.Card()
	}
	if l.o.Registry != nil {
		m.Registry = l.o.Registry()
	}
	if l.o.Log != nil { // last, for the log holds this package too
		if m.Log, _, err = l.o.Log(ctx, n.Code); err != nil {
			return nil, err
		}
	}
	return SignManifest(m, l.o.Device)
}

// Check implements [Station].
func (l *Local) Check(ctx context.Context, p Package) (Checked, error) {
	m, c, err := l.verify(ctx, p)
	if errors.Is(err, ErrInvalid) {
		c.Invalid, c.Damaged = err.Error(), errors.Is(err, ErrDamaged)
		return c, nil
	}
	if err != nil || c.Own || c.Other {
		return c, err
	}
	c.Imported, err = l.o.Journal.Imported(ctx, m.ID)
	if err == nil && c.Imported.IsZero() && l.o.Greeted != nil {
		err = l.o.Greeted(ctx, c.Peer, m)
	}
	return c, err
}

func (l *Local) verify(ctx context.Context, p Package) (Manifest, Checked, error) {
	m, err := ParseManifest(p.Manifest)
	if err != nil {
		return m, Checked{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c := Checked{Self: l.party(l.o.Office), From: l.party(m.From), To: l.party(m.To), Own: strings.EqualFold(m.From, l.o.Office)}
	if !c.Own && !strings.EqualFold(m.To, l.o.Office) {
		c.Other = true
		return m, c, nil
	}
	peer, card := m.From, m.Card
	if c.Own {
		peer, card = m.To, nil
	}
	n, err := l.o.Neighbour(ctx, peer, card)
	if errors.Is(err, ErrNoNeighbour) {
		return m, c, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil {
		return m, c, err
	}
	c.Peer = n.Code
	key := n.Key
	if c.Own {
		key = l.o.Device.Public()
	}
	if _, err := bundle.VerifyCOSE(AAD, p.Manifest, key); err != nil {
		return m, c, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if FileOf(p.Letters) != m.Letters {
		return m, c, fmt.Errorf("%w: %w: letters are not those of the manifest", ErrInvalid, ErrDamaged)
	}
	return m, c, nil
}

func (l *Local) party(code string) Party {
	p := Party{Code: code}
	if l.o.Name != nil {
		p.Name = l.o.Name(code)
	}
	return p
}

// Offer implements [Station]. A bundle whose objects are all durable is taken
// over at once.
func (l *Local) Offer(ctx context.Context, peer string, letter Letter) (Answer, error) {
	signed, err := bundle.Parse(letter.Header)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return l.offer(ctx, peer, signed.Header.ID, letter, true)
}

func (l *Local) offer(ctx context.Context, peer string, id storage.ID, letter Letter, again bool) (Answer, error) {
	in, adm, err := l.custody.Admit(ctx, peer, wire.Offer{ID: id, Header: letter.Header, Slip: letter.Slip})
	var denial *exchange.Denial
	switch {
	case errors.As(err, &denial) && denial.After == 0:
		return Answer{Refusal: &Refusal{ID: id, Code: uint16(denial.Code), Text: cutRefusal(denial.Text)}}, nil
	case errors.As(err, &denial):
		return Answer{Later: denial.Error()}, nil
	case errors.Is(err, storage.ErrFull):
		return Answer{Later: err.Error(), Full: true}, nil
	case err != nil:
		return Answer{}, err
	case adm.Receipt != nil:
		return Answer{Receipt: adm.Receipt}, nil
	}
	for _, i := range in.Need {
		if adm.Durable[i] < in.Objects[i].Size {
			return Answer{Need: adm.Durable}, nil
		}
	}
	receipt, err := l.custody.TakeOver(ctx, peer, id, letter.Header)
	switch {
	case errors.Is(err, storage.ErrDigest) && again: // bytes of the link: they are gone now
		return l.offer(ctx, peer, id, letter, false)
	case errors.Is(err, storage.ErrFull):
		return Answer{Later: err.Error(), Full: true}, nil
	case err != nil:
		return Answer{}, err
	}
	return Answer{Receipt: receipt}, nil
}

// Write implements [Station].
func (l *Local) Write(ctx context.Context, id storage.ID, object int, off int64, r io.Reader) (int64, error) {
	buf := make([]byte, writeSize)
	for {
		n, err := io.ReadFull(r, buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return 0, fmt.Errorf("%w: %w", ErrStick, err)
		}
		durable, err := l.o.Queue.Write(ctx, id, object, off, buf[:n], last)
		if err != nil {
			return 0, err
		}
		if off += int64(n); last {
			return durable, nil
		}
	}
}

// Finish implements [Station].
func (l *Local) Finish(ctx context.Context, p Package, whole bool) error {
	m, c, err := l.verify(ctx, p)
	if err != nil {
		return err
	}
	if c.Own || c.Other {
		return invalid("it is not for this station")
	}
	letters, err := DecodeLetters(p.Letters)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := l.settle(ctx, c.Peer, m, letters); err != nil || !whole {
		return err
	}
	return l.o.Journal.Record(ctx, c.Peer, m)
}

// settle records the answers of a package to what still waits for its writer.
func (l *Local) settle(ctx context.Context, peer string, m Manifest, letters Letters) error {
	if len(letters.Receipts)+len(letters.Refusals) == 0 {
		return nil
	}
	waiting := map[storage.ID]storage.Bundle{}
	list, err := l.o.Queue.Outgoing(ctx, peer, m.Epoch, MaxWaiting)
	if err != nil {
		return err
	}
	for _, out := range list {
		waiting[out.ID] = out.Bundle
	}
	for _, raw := range letters.Receipts {
		r, err := bundle.ParseReceipt(raw)
		if err != nil {
			l.o.Logger.Warn("receipt does not parse", "peer", peer, "package", m.ID, "error", err)
			continue
		}
		if err := l.answer(ctx, peer, waiting, r.Receipt.ID, storage.Outcome{Receipt: raw}); err != nil {
			return err
		}
	}
	for _, r := range letters.Refusals {
		if code := wire.Code(r.Code); code == wire.CodeFull || code == wire.CodeBusy || code == wire.CodeInternal {
			continue // not for good, see REFUSE
		}
		if err := l.answer(ctx, peer, waiting, r.ID, storage.Outcome{Epoch: m.Epoch, Code: r.Code, Text: r.Text}); err != nil {
			return err
		}
	}
	return nil
}

// answer settles one bundle. A receipt that does not hold settles nothing.
func (l *Local) answer(ctx context.Context, peer string, waiting map[storage.ID]storage.Bundle, id storage.ID, o storage.Outcome) error {
	b, ok := waiting[id]
	if !ok {
		return nil
	}
	err := l.custody.Settle(ctx, peer, b, o)
	if errors.Is(err, exchange.ErrReceipt) {
		l.o.Logger.Warn("receipt not believed", "peer", peer, "id", id, "error", err)
		return nil
	}
	return err
}
