package dongbo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
	"tram/agent/dossier/dongbo/dongbotest"
	"tram/agent/problem"
	"tram/storage"
)

// rig is a courier in a process that ends at one of its steps. What the portal
// and the ledger have got stays.
type rig struct {
	src     *dongbotest.Source
	portal  *dongbotest.Portal
	ledger  map[storage.ID]dongbo.Progress
	asked   bool // the portal can be asked what it has
	refuses bool // the portal takes nothing
	steps   int
	endAt   int // the step at which the process ends, 0 for never
}

var errEnd = errors.New("the process ends")

// step is a place where it may end.
func (r *rig) step() error {
	if r.steps++; r.steps == r.endAt {
		return errEnd
	}
	return nil
}

func (r *rig) Load(_ context.Context, id storage.ID) (dongbo.Progress, error) {
	return r.ledger[id], r.step()
}

func (r *rig) Save(_ context.Context, id storage.ID, _ string, p dongbo.Progress) error {
	if err := r.step(); err != nil {
		return err
	}
	r.ledger[id] = p
	return r.step()
}

func (r *rig) Send(_ context.Context, c dongbo.Call) error {
	if err := r.step(); err != nil {
		return err
	}
	err := dongbo.ErrRefused
	if !r.refuses {
		err = r.portal.Take(c)
	}
	return errors.Join(err, r.step())
}

func (r *rig) Has(_ context.Context, dossier string) (there, known bool, err error) {
	return r.portal.Has(dossier) && r.asked, r.asked, r.step()
}

func (r *rig) courier() dongbo.Courier {
	return dongbo.Courier{Source: r.src, Sender: r, Ledger: r, Via: "truc", Now: func() time.Time { return dongbotest.Day }}
}

func newRig(asked bool) *rig {
	return &rig{src: dongbotest.New(), portal: dongbotest.NewPortal(), ledger: map[storage.ID]dongbo.Progress{}, asked: asked}
}

func TestP2_WhatWasAcknowledgedIsNotSentAgain(t *testing.T) {
	r := newRig(false)
	id := r.src.Add(1)
	for range 3 {
		if err := r.courier().Sync(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.portal.Calls) != 2 || len(r.portal.Seen) != 2 || len(r.src.Receipts()) != 1 {
		t.Fatalf("%d calls, %v, %+v", len(r.portal.Calls), r.portal.Seen, r.src.Receipts())
	}
	r.src.Step(id, code.Processing)
	r.src.Step(id, code.Supplement)
	for range 2 {
		if err := r.courier().Sync(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	h, steps, _ := r.portal.Dossier("H40.12-261126-0001")
	if h.TrangThaiHoSo != code.Supplement || !slices.Equal(steps, []code.Status{code.Received, code.Processing, code.Supplement}) {
		t.Errorf("the portal has %v, %v", h.TrangThaiHoSo, steps)
	}
	if got := r.src.Receipts(); len(got) != 2 || got[1].Revision != 3 || got[1].Via != "truc" || !got[1].At.Equal(dongbotest.Day) {
		t.Errorf("%+v", got)
	}
	if r.portal.Calls[0].Update || !r.portal.Calls[2].Update {
		t.Error("new and known dossiers are not told apart")
	}
}

// The process ends at each step in turn, with a change between that run and the
// next one or none; then it goes on. The portal has each step once and in
// order, each key at most twice, and nothing after it was noted.
func TestP2_ACrashBetweenSendingAndNotingRepeatsOnceUnderOneKey(t *testing.T) {
	for _, asked := range []bool{true, false} {
		for _, changed := range []bool{true, false} {
			t.Run(fmt.Sprintf("asked %v, changed %v", asked, changed), func(t *testing.T) {
				ended := 0
				for end := 1; ; end++ {
					r := newRig(asked)
					id := r.src.Add(1)
					r.endAt = end
					err := r.courier().Sync(t.Context(), id)
					if err == nil {
						break
					}
					if !errors.Is(err, errEnd) {
						t.Fatalf("step %d: %v", end, err)
					}
					ended++
					r.steps, r.endAt = 0, 0
					want := []code.Status{code.Received}
					if changed {
						r.src.Step(id, code.Processing)
						want = append(want, code.Processing)
					}
					if err := r.courier().Sync(t.Context(), id); err != nil {
						t.Fatalf("after step %d it does not go on: %v", end, err)
					}
					h, steps, _ := r.portal.Dossier("H40.12-261126-0001")
					if h.TrangThaiHoSo != want[len(want)-1] || !slices.Equal(steps, want) {
						t.Errorf("after step %d the portal has %v, %v", end, h.TrangThaiHoSo, steps)
					}
					twice := 0
					for _, n := range r.portal.Seen {
						twice += n - 1
					}
					if twice > 1 {
						t.Errorf("after step %d: %v", end, r.portal.Seen)
					}
					before := maps.Clone(r.portal.Seen)
					if err := r.courier().Sync(t.Context(), id); err != nil || !maps.Equal(before, r.portal.Seen) {
						t.Errorf("after step %d it sends what is acknowledged: %v", end, err)
					}
				}
				if ended < 10 {
					t.Errorf("it ended at %d steps only", ended)
				}
			})
		}
	}
}

func TestWhatTheFormatCannotHoldIsNotSent(t *testing.T) {
	r := newRig(false)
	id := r.src.Add(1)
	r.src.Edit(id, func(i *dongbo.Item) { i.HoSo.MaHoSo = "HS 1" })
	err := r.courier().Sync(t.Context(), id)
	var list problem.List
	if !errors.As(err, &list) || !strings.HasPrefix(list[0].Code, "dossier-code.") || len(r.portal.Seen) > 0 {
		t.Errorf("%v, %v", err, r.portal.Seen)
	}
	r.src.Drop(id)
	if err := r.courier().Sync(t.Context(), id); problem.From(err).Class != problem.NotFound {
		t.Errorf("%v", err)
	}
}

func TestARefusalLeavesTheDossierToBeSentAgain(t *testing.T) {
	r := newRig(false)
	id := r.src.Add(1)
	r.refuses = true
	for range 2 {
		if err := r.courier().Sync(t.Context(), id); !errors.Is(err, dongbo.ErrRefused) || len(r.src.Receipts()) > 0 {
			t.Fatalf("%v, %+v", err, r.src.Receipts())
		}
	}
	r.refuses = false // it was put right at the other side
	if err := r.courier().Sync(t.Context(), id); err != nil || !r.portal.Has("H40.12-261126-0001") {
		t.Errorf("%v", err)
	}
}

func TestADossierThatIsThereIsBroughtUpToDateWithoutItsLedger(t *testing.T) {
	r := newRig(false)
	id := r.src.Add(1)
	if err := r.courier().Sync(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.ledger = map[storage.ID]dongbo.Progress{}
	r.src.Step(id, code.Processing)
	if err := r.courier().Sync(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if h, _, _ := r.portal.Dossier("H40.12-261126-0001"); h.TrangThaiHoSo != code.Processing {
		t.Errorf("the portal has %v", h.TrangThaiHoSo)
	}
}
