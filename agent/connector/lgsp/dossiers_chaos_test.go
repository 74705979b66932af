package lgsp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tram/agent/connector"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/dossier/code"
	"tram/storage"
)

// Dossiers change while the line is cut at every place and the process ends in
// between. At last the portal has each as it stands, with every step once and in
// order, and nothing was refused.
func TestP2_P3_DossiersOverABadLine(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 7))
			r := newDossierRig(t, []string{inEnvelope, asked}[seed%2])
			r.axis.Fail(lgsptest.Dossiers, 1, lgsptest.Lost)
			faults := []lgsptest.Fault{lgsptest.Lost, lgsptest.Lost, lgsptest.CutRequest(100), lgsptest.HTTPStatus(503), lgsptest.Garbage(""), lgsptest.Code("20"), lgsptest.Cut(3)}
			var open []storage.ID
			want := map[string][]code.Status{}
			name := map[storage.ID]string{}
			for i := range 25 {
				id := r.src.Add(i + 1)
				name[id] = fmt.Sprintf("H40.12-261126-%04d", i+1)
				want[name[id]] = []code.Status{code.Received}
				open = append(open, id)
			}
			failed := 0
			for len(open) > 0 {
				i := chance.IntN(len(open))
				id := open[i]
				if chance.IntN(3) == 0 && len(want[name[id]]) < 5 {
					s := code.Statuses()[3+chance.IntN(4)]
					r.src.Step(id, s)
					want[name[id]] = append(want[name[id]], s)
				}
				if chance.IntN(2) == 0 {
					r.axis.Fail(lgsptest.Dossiers, 1, faults[chance.IntN(len(faults))])
				}
				err := r.deliver(id)
				if connector.IsPermanent(err) {
					t.Fatal(err)
				}
				if err != nil {
					failed++
				} else if chance.IntN(2) == 0 {
					open = slices.Delete(open, i, i+1)
				}
				if chance.IntN(12) == 0 {
					r.restart()
				}
			}
			for dossier, steps := range want {
				h, got, there := r.axis.Portal().Dossier(dossier)
				if !there || h.TrangThaiHoSo != steps[len(steps)-1] || !slices.Equal(got, steps) {
					t.Errorf("%s is there as %v with %v, not %v", dossier, h.TrangThaiHoSo, got, steps)
				}
			}
			if failed < 10 {
				t.Errorf("only %d deliveries failed", failed)
			}
		})
	}
}
