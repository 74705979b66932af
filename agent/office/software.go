package office

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tram/agent/release"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Depot is who keeps new versions of this program.
type Depot interface {
	// Take checks a release of the hub and keeps its program, durably. open gives the
	// program of a platform, once; release.ErrMalformed when it did not come along. A
	// [Refusal] drops the bundle; any other error has it tried again later.
	Take(ctx context.Context, proof release.Proof, open func(m release.Manifest, f release.File) (io.Reader, error)) error
}

// Keep has d take the software that comes. Call it before [Office.Run].
func (o *Office) Keep(d Depot) { o.depot = d }

// SealSoftware is [Office.SealReport] for a report about this program.
func (o *Office) SealSoftware(payload []byte) (SealedReport, error) {
	return o.sealToHub(bundle.Header{Kind: bundle.KindReport}, bundle.RoleSoftware, payload)
}

// receiveSoftware hands a release to who keeps them. The program is kept first: the
// entry ends when it is durable, and doing so again changes nothing.
func (o *Office) receiveSoftware(ctx context.Context, a queue.Arrived) error {
	if o.depot == nil {
		return reject("kind", nil)
	}
	if !o.isHub(a.From) {
		return reject("not-hub", nil)
	}
	e, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	objects := e.header.Objects
	if len(objects) == 0 || objects[0].Role != bundle.RoleRelease {
		return reject("header", errors.New("first object has another role"))
	}
	raw, err := o.small(ctx, e, 0, release.MaxProof)
	if err != nil {
		return err
	}
	proof, err := release.DecodeProof(raw)
	if err != nil {
		return reject("header", err)
	}
	var program io.Closer
	err = o.depot.Take(ctx, proof, func(_ release.Manifest, f release.File) (io.Reader, error) {
		if len(objects) < 2 || objects[1].Role != bundle.RoleProgram {
			return nil, fmt.Errorf("%w: no program came along", release.ErrMalformed)
		}
		r, closer, err := o.content(ctx, e, 1, f.Size)
		program = closer
		return r, err
	})
	if program != nil {
		_ = program.Close() // only read
	}
	var no *Refusal
	if errors.As(err, &no) {
		return reject("software", no.Cause)
	}
	if err != nil {
		return undecryptable(err)
	}
	m, err := release.Peek(proof.Release)
	if err != nil {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: a.From, Action: actionSoftware, Subject: m.Version.String(), Detail: map[string]string{
			"bundle": a.ID.String(), "serial": fmt.Sprint(m.Serial), "header": hexDigest(a.Header),
		}})
	})
}
