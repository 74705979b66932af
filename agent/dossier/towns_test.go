package dossier

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier/code"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// towns are offices with dossiers, and a mail between them that loses, repeats and
// mixes up what it carries, as the rules of office.Mailbox allow.
type towns struct {
	t     *testing.T
	rand  *rand.Rand
	clock time.Time
	by    map[string]*town
	mail  []letter
}

type town struct {
	*Store
	w    *towns
	code string
	dir  string
	db   *sqlite.DB
	down bool // nothing comes in or goes out
	fail bool // the next transaction of the post fails
}

type letter struct {
	from, to string
	d        office.Delivery
}

func newTowns(t *testing.T, seed uint64, codes ...string) *towns {
	w := &towns{t: t, rand: rand.New(rand.NewPCG(seed, 7)), clock: monday, by: map[string]*town{}}
	for _, c := range codes {
		n := &town{w: w, code: c, dir: t.TempDir()}
		w.by[c] = n
		n.start()
		t.Cleanup(func() { _ = n.db.Close() })
		_, err := n.TakeCatalogue(t.Context(), Catalogue{Origin: "H40", Version: 1, Procedures: []Procedure{birth}}, "it")
		noError(t, err)
	}
	return w
}

func (n *town) start() {
	t := n.w.t
	now := func() time.Time { return n.w.clock }
	var err error
	n.db, err = sqlitetest.Open(context.Background(), filepath.Join(n.dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: now})
	noError(t, err)
	blobs, err := blob.Open(filepath.Join(n.dir, "blobs"), blob.Options{})
	noError(t, err)
	n.Store, err = New(t.Context(), Options{DB: n.db, Blobs: blobs, Code: n.code, Name: "UBND " + n.code, Now: now, Post: n})
	noError(t, err)
}

// restart is a crash and a boot.
func (n *town) restart() {
	noError(n.w.t, n.db.Close())
	n.start()
}

func (n *town) SealMail(_ context.Context, m office.Mail) (office.SealedMail, error) {
	if n.w.by[m.To[0]] == nil {
		return office.SealedMail{}, problem.New(problem.Usage, "send.unknown-recipient", "to", nil)
	}
	id, err := uuid.NewV7()
	head := blob.Content{Size: int64(len(m.Message)), Inline: m.Message}
	head.SHA256[0] = id[15]
	return office.SealedMail{ID: id, To: []office.Party{{Code: m.To[0]}}, Created: n.w.clock, Header: []byte("header"), Head: head, Files: m.Files}, err
}

func (n *town) PutMail(tx *sqlite.Tx, m office.SealedMail) error {
	if n.fail {
		n.fail = false
		return storage.ErrFull
	}
	d := office.Delivery{Envelope: office.Envelope{ID: m.ID, From: office.Party{Code: n.code, Name: "UBND " + n.code}, Created: m.Created, Header: m.Header},
		Verdict: seal.Verdict{Code: n.code, SignedAt: m.Created}, Message: m.Head.Inline, Files: m.Files, Head: m.Head}
	tx.OnCommit(func() { n.w.mail = append(n.w.mail, letter{n.code, m.To[0].Code, d}) })
	return nil
}

// settle has everything told and heard, in any order. It ends when nothing is under
// way any more.
func (w *towns) settle() {
	w.t.Helper()
	for range 1000 {
		for _, n := range w.by {
			if !n.down {
				_ = n.Tell(w.t.Context()) // a fault of the post is tried again in the next round
			}
		}
		if !w.deliver() {
			return
		}
	}
	w.t.Fatal("the offices never come to rest")
}

// deliver offers each letter once, some twice.
func (w *towns) deliver() (moved bool) {
	w.rand.Shuffle(len(w.mail), func(i, j int) { w.mail[i], w.mail[j] = w.mail[j], w.mail[i] })
	all := w.mail
	w.mail = nil
	for _, l := range all {
		to := w.by[l.to]
		if to.down || w.by[l.from].down || w.rand.IntN(4) == 0 {
			w.mail = append(w.mail, l)
			moved = moved || !to.down && !w.by[l.from].down
			continue
		}
		err := to.take(l)
		if err != nil {
			w.mail = append(w.mail, l) // early: it comes again
			continue
		}
		moved = true
		noError(w.t, w.by[l.from].told(l.d.ID))
		if w.rand.IntN(5) == 0 {
			noError(w.t, to.take(l))
		}
		if w.rand.IntN(10) == 0 {
			to.restart()
		}
	}
	return moved
}

func (n *town) take(l letter) error {
	return n.db.Update(context.Background(), func(tx *sqlite.Tx) error { return n.Mailbox().Take(tx, l.d) })
}

func (n *town) told(id storage.ID) error {
	return n.db.Update(context.Background(), func(tx *sqlite.Tx) error {
		return n.Mailbox().Told(tx, id, office.MailEvent{Event: office.Event{Step: office.Delivered}})
	})
}

// guestOf is the dossier as an office has it that it was handed to.
func (n *town) guestOf(c code.Dossier) Dossier {
	n.w.t.Helper()
	d, err := n.ByCode(n.w.t.Context(), c)
	noError(n.w.t, err)
	return d
}

func (w *towns) at(text string) { w.clock = when(w.t, text) }

func TestP2_ADossierIsDecidedByAnotherOffice(t *testing.T) {
	for seed := range uint64(8) {
		w := newTowns(t, seed, "H40.12.7", "H40.12", "H40.3")
		ctx := t.Context()
		xa, sở := w.by["H40.12.7"], w.by["H40.12"]
		d, err := xa.Receive(ctx, filing(), hien)
		noError(t, err)
		d, err = xa.HandOn(ctx, d.ID, []Hand{{To: "H40.12", Name: "Sở Tư pháp", Task: Decide}, {To: "H40.3", Name: "Công an", Task: Consult, Note: "Xác minh nơi cư trú"}}, hien, d.Version)
		noError(t, err)
		w.settle()
		w.at("25/11 09:00")
		g, err := sở.Accept(ctx, sở.guestOf(d.Code).ID, nil, hien, 0)
		noError(t, err)
		if g.Applicant != d.Applicant || len(g.Files) != 1 || !g.Due.Equal(d.Due) {
			t.Fatalf("seed %d: the guest is another: %+v", seed, g)
		}
		_, err = sở.Start(ctx, g.ID, "Phạm Nam", nam, 0)
		noError(t, err)
		_, err = sở.AskSupplement(ctx, g.ID, "Thiếu bản sao sổ đỏ", "", nam, 0)
		noError(t, err)
		sở.down = true
		w.at("26/11 14:00")
		w.settle()
		if d, _ = xa.Get(ctx, d.ID); d.Status != code.Processing {
			t.Fatalf("seed %d: status %d though the office is offline", seed, d.Status)
		}
		sở.down = false
		w.settle()
		if d, _ = xa.Get(ctx, d.ID); d.Status != code.Supplement || !d.Paused.Equal(when(t, "25/11 09:00")) {
			t.Fatalf("seed %d: status %d since %v", seed, d.Status, d.Paused)
		}
		w.at("30/11 10:00")
		d, err = xa.Supplement(ctx, d.ID, []int{1, 1, 1}, []Upload{{Paper: 2, Name: "so-do.pdf", Body: body("sổ đỏ")}}, "", hien, 0)
		noError(t, err)
		xa.fail = true
		w.settle()
		w.clock = w.clock.Add(2 * time.Minute)
		w.settle()
		g = sở.guestOf(d.Code)
		if g.Status != code.Processing || len(g.Files) != 2 {
			t.Fatalf("seed %d: the supplement did not come: status %d, %d files", seed, g.Status, len(g.Files))
		}
		w.at("30/11 15:00")
		_, err = sở.Finish(ctx, g.ID, Result{Name: "Giấy khai sinh", Number: "12"}, []Upload{{Name: "ket-qua.pdf", Body: body("kết quả")}}, nam, 0)
		noError(t, err)
		w.at("02/12 08:00")
		w.settle()
		d, err = xa.Get(ctx, d.ID)
		noError(t, err)
		if d.Status != code.Done || !d.Done.Equal(when(t, "30/11 15:00")) || len(d.Results) != 1 || len(d.Files) != 3 {
			t.Fatalf("seed %d: status %d done %v results %v, %d files", seed, d.Status, d.Done, d.Results, len(d.Files))
		}
		if i := slices.IndexFunc(d.Transfers, func(x Transfer) bool { return x.To == "H40.12" }); d.Transfers[i].State != Given || d.Transfers[i].TakenBy != hien.Name {
			t.Fatalf("seed %d: %+v", seed, d.Transfers[i])
		}
		if other := w.by["H40.3"].guestOf(d.Code); other.Status != code.Stopped || other.Transfers[0].State != Ended {
			t.Fatalf("seed %d: the office that was asked for an opinion still works: %+v", seed, other.Standing)
		}
	}
}
