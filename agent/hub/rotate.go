package hub

import (
	"context"
	"errors"
	"time"

	"tram/agent/enroll"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// Rotation is how the change of a hub's CA stands: the answer of
// `tram-hub ca rotate`.
type Rotation struct {
	Phase   ca.Phase   `json:"phase"`
	Since   *time.Time `json:"since,omitempty"` // begin of the phase; left out when the CA never changed
	CA      string     `json:"ca"`              // fingerprint of the present one
	Next    string     `json:"next,omitempty"`  // of the one announced
	Offices int        `json:"offices"`         // that are enrolled with this hub, hubs below among them
	Untold  []string   `json:"untold"`          // of these, by code, who is not known to believe the present CAs
}

// RotationOf reads how the change of the CA of the hub in dir stands. It only
// reads, so that it works beside a running hub.
func RotationOf(ctx context.Context, dir string, db *sqlite.DB) (Rotation, error) {
	authority, err := ca.Load(dir)
	if err != nil {
		return Rotation{}, err
	}
	return rotation(ctx, dir, db, authority)
}

func rotation(ctx context.Context, dir string, db *sqlite.DB, authority *ca.CA) (Rotation, error) {
	r := Rotation{Phase: authority.Phase(), CA: enroll.Fingerprint(authority.Root.Cert), Untold: []string{}}
	if since := authority.Since(); !since.IsZero() {
		r.Since = &since
	}
	if next := authority.Next(); next != nil {
		r.Next = enroll.Fingerprint(next)
	}
	known, err := registry.New(db, authority.Authority.Cert.PublicKey, registry.Options{})
	if err != nil {
		return r, err
	}
	cards, err := ownMembers(ctx, dir, db, known, authority)
	if err != nil {
		return r, err
	}
	err = db.View(ctx, func(tx *sqlite.Tx) error {
		for _, c := range cards {
			if !c.Enrolled() {
				continue
			}
			r.Offices++
			told, err := authority.Told(tx, c.Code)
			if err != nil {
				return err
			}
			if !told {
				r.Untold = append(r.Untold, c.Code)
			}
		}
		return nil
	})
	return r, err
}

// actionRotated is in the audit log for each step of the change of the CA.
const actionRotated = "ca.rotated"

// Rotate does a step of the change of the CA of the hub in dir, which must not be
// running. Unless force is set it does not go on before every office believes
// what it has to. Problems: data.locked, hub.none, ca.phase.…, ca.untold.
func Rotate(ctx context.Context, dir string, step ca.Step, force bool, by string) (_ Rotation, err error) {
	if _, err := ca.Load(dir); err != nil { // a folder that is not there cannot be locked
		return Rotation{}, err
	}
	unlock, err := keystore.Lock(dir)
	if errors.Is(err, keystore.ErrLocked) {
		return Rotation{}, identity.Explain(err, dir)
	}
	if err != nil {
		return Rotation{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	db, err := OpenDB(ctx, dir, false, nil)
	if err != nil {
		return Rotation{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	before, err := RotationOf(ctx, dir, db)
	if err != nil {
		return before, err
	}
	if waits := step == ca.StepSwitch || step == ca.StepFinish; waits && len(before.Untold) > 0 && !force && ca.Steps[step] == before.Phase {
		return before, problem.New(problem.Conflict, "ca.untold", "step", i18n.Args{
			"step": step, "count": len(before.Untold), "offices": before.Offices, "first": before.Untold[0]})
	}
	authority, err := ca.Rotate(dir, step, time.Now())
	if err != nil {
		return before, err
	}
	after, err := rotation(ctx, dir, db, authority)
	if err != nil {
		return after, err
	}
	return after, db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: by, Action: actionRotated, Subject: authority.Code, Detail: map[string]string{
			"step": string(step), "ca": after.CA, "next": after.Next}})
	})
}
