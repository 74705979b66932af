package dongbo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/storage"
)

// The services that the payload is for.
const (
	ServiceDossier  = "DongBoHoSoMC"
	ServiceProgress = "CapNhatTienDoHoSoMC"
)

// Call is one thing to tell the other side.
type Call struct {
	Service string // ServiceDossier or ServiceProgress
	MaHoSo  string
	// Key is the same whenever the same thing is told again.
	Key string
	// Update says that the other side has the dossier, for ServiceDossier.
	Update bool
	Data   []byte // a list of JSON
}

// ErrRefused is the other side's answer that it will not take a call as it is.
// Every other error of a [Sender] leaves open whether it has.
var ErrRefused = errors.New("refused by the other side")

// Sender brings calls to the other side.
type Sender interface {
	// Send returns nil when the other side has acknowledged the call, and an error
	// that is ErrRefused when it has answered that it will not take it.
	Send(ctx context.Context, c Call) error
	// Has asks whether the other side has a dossier; known is false when it cannot
	// be asked.
	Has(ctx context.Context, dossier string) (there, known bool, err error)
}

// Progress is how far a dossier has come.
type Progress struct {
	Begun      int64 // revision whose payload may be there
	Payload    int64 // revision whose payload is there
	StepsBegun int   // so many steps may be there
	Steps      int   // so many steps are there
	At         time.Time
}

// Ledger keeps how far dossiers have come, durably.
type Ledger interface {
	// Load returns the zero Progress for a dossier that it does not have.
	Load(ctx context.Context, id storage.ID) (Progress, error)
	Save(ctx context.Context, id storage.ID, code string, p Progress) error
}

// Courier brings dossiers from a source to a sender. Calls about one dossier
// must not be made at the same time.
type Courier struct {
	Source Source
	Sender Sender
	Ledger Ledger
	Via    string // its name in receipts
	Now    func() time.Time
}

// Sync brings the newest revision of a dossier to the other side: the payload,
// then the steps that are not there yet. When it is cut off it goes on where it
// was; when all is there it sends nothing. A dossier that the format cannot hold
// is a problem.List.
func (c Courier) Sync(ctx context.Context, id storage.ID) error {
	item, err := c.Source.Dossier(ctx, id)
	if err != nil {
		return err
	}
	if _, err := item.file(); err != nil {
		return err
	}
	p, err := c.Ledger.Load(ctx, id)
	if err != nil {
		return err
	}
	if p.Payload < item.Revision {
		if p, err = c.payload(ctx, item, p); err != nil {
			return err
		}
	}
	for p.Steps < len(item.TienDo) {
		if p, err = c.steps(ctx, item, p); err != nil {
			return err
		}
	}
	return c.Source.Synced(ctx, Receipt{ID: id, Revision: p.Payload, Via: c.Via, At: p.At})
}

// payload sends the dossier itself.
func (c Courier) payload(ctx context.Context, item Item, p Progress) (Progress, error) {
	raw, err := item.HoSo.Encode()
	if err != nil {
		return p, err
	}
	call := Call{
		Service: ServiceDossier, MaHoSo: item.HoSo.MaHoSo, Key: key(item, fmt.Sprint(item.Revision)), Update: p.Payload > 0,
		Data: slices.Concat([]byte{'['}, raw, []byte{']'}),
	}
	known := call.Update
	if p.Begun > 0 && !known { // it was sent, and nothing came back
		if call.Update, known, err = c.Sender.Has(ctx, call.MaHoSo); err != nil {
			return p, err
		}
		call.Update = call.Update && known
	}
	p.Begun = item.Revision
	if err := c.Ledger.Save(ctx, item.ID, item.Code, p); err != nil {
		return p, err
	}
	err = c.Sender.Send(ctx, call)
	if !known && errors.Is(err, ErrRefused) {
		// It may be there, and so not be taken as a new one.
		call.Update, call.Key = true, key(item, fmt.Sprint(item.Revision, " again"))
		if again := c.Sender.Send(ctx, call); !errors.Is(again, ErrRefused) {
			err = again
		}
	}
	if err != nil {
		return p, err
	}
	p.Payload, p.At = item.Revision, c.Now()
	return p, c.Ledger.Save(ctx, item.ID, item.Code, p)
}

// steps sends steps: those that were begun as they were begun, or else all that
// are left.
func (c Courier) steps(ctx context.Context, item Item, p Progress) (Progress, error) {
	to := min(len(item.TienDo), p.Steps+MaxList)
	if p.StepsBegun > p.Steps {
		to = min(p.StepsBegun, len(item.TienDo))
	}
	raw, err := EncodeProgress(item.TienDo[p.Steps:to])
	if err != nil {
		return p, err
	}
	p.StepsBegun = to
	if err := c.Ledger.Save(ctx, item.ID, item.Code, p); err != nil {
		return p, err
	}
	call := Call{Service: ServiceProgress, MaHoSo: item.HoSo.MaHoSo, Key: key(item, fmt.Sprintf("%d-%d", p.Steps, to)), Data: raw}
	if err := c.Sender.Send(ctx, call); err != nil {
		return p, err
	}
	p.Steps, p.At = to, c.Now()
	return p, c.Ledger.Save(ctx, item.ID, item.Code, p)
}

// key names what is told, for an other side that can tell repetitions.
func key(item Item, part string) string {
	sum := sha256.Sum256([]byte("tram-dongbo/1\n" + item.ID.String() + "\n" + item.HoSo.MaHoSo + "\n" + part))
	return hex.EncodeToString(sum[:16])
}
