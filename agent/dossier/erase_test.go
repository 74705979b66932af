package dossier

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/problem"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// canary is in everything personal that the tests below enter.
const canary = "Hoàng-yến"

// nestOf hands in a dossier whose texts and files are all canaries, has another office
// decide it, and returns it.
func nestOf(t *testing.T, w *towns) code.Dossier {
	t.Helper()
	ctx := t.Context()
	commune, dept := w.by["H40.12.7"], w.by["H40.3"]
	f := filing()
	f.Subject = "trích yếu " + canary
	f.Applicant = Applicant{Kind: Citizen, Name: "Nguyễn " + canary, Number: canary + "1", Address: canary + " 2", Phone: canary + "3", Email: canary + "@x.vn", Agent: canary + "5"}
	f.Paid = []Payment{{Receipt: canary + "6"}}
	f.Files = []Upload{{Paper: 0, Name: canary + ".pdf", Body: body(canary)}, {Paper: 1, Name: "scan.pdf", Body: body(strings.Repeat(canary, 4000))}}
	d, err := commune.Receive(ctx, f, hien)
	noError(t, err)
	_, err = commune.AskSupplement(ctx, d.ID, "thiếu giấy của "+canary, canary, nam, 0)
	noError(t, err)
	_, err = commune.Supplement(ctx, d.ID, []int{1, 1, 1}, []Upload{{Paper: 2, Name: "b.pdf", Body: body(canary + "b")}}, "đã nộp: "+canary, hien, 0)
	noError(t, err)
	_, err = commune.HandOn(ctx, d.ID, []Hand{{To: "H40.3", Name: "Sở Tư pháp", Task: Decide, Note: "hồ sơ của " + canary}}, hien, 0)
	noError(t, err)
	w.settle()
	g, err := dept.Accept(ctx, dept.guestOf(d.Code).ID, nil, hien, 0)
	noError(t, err)
	_, err = dept.Finish(ctx, g.ID, Result{Name: "Giấy của " + canary, Number: canary + "7", Text: canary}, []Upload{{Name: canary + "-kq.pdf", Body: body(strings.Repeat("kq"+canary, 4000))}}, nam, 0)
	noError(t, err)
	w.settle()
	_, err = commune.Return(ctx, d.ID, "trả cho "+canary, hien, 0)
	noError(t, err)
	w.settle()
	return d.Code
}

// traces counts canaries in all files of an office.
func (n *town) traces() (count int) {
	n.w.t.Helper()
	noError(n.w.t, filepath.WalkDir(n.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		count += bytes.Count(raw, []byte(canary)) + bytes.Count(raw, []byte("hoang-yen")) + strings.Count(path, canary)
		return err
	}))
	return count
}

// swept removes the content that nobody refers to, an hour later.
func (n *town) swept() {
	n.w.t.Helper()
	n.restart() // what this process has stored is safe for a while
	_, _, err := n.blobs.Sweep(context.Background(), func(sha [32]byte) (bool, error) { return n.Uses(context.Background(), sha) }, time.Now().Add(2*blob.Grace))
	noError(n.w.t, err)
}

// TestNothingPersonalIsLeftOfADossierWhoseTimeIsOver: at the office that took it in and
// at the one that it was handed to, in no file; code, times and figures stay.
func TestNothingPersonalIsLeftOfADossierWhoseTimeIsOver(t *testing.T) {
	w := newTowns(t, 5, "H40.12.7", "H40.3")
	ctx := t.Context()
	c := nestOf(t, w)
	commune := w.by["H40.12.7"]
	before, err := commune.ByCode(ctx, c)
	noError(t, err)
	word, err := commune.Secret(ctx, c)
	noError(t, err)
	figures := func() (sum Figures) {
		sum, _, err := commune.Stats(ctx, monday.AddDate(0, 0, -1), monday.AddDate(0, 0, 7))
		noError(t, err)
		return sum
	}
	was := figures()
	w.clock = w.clock.AddDate(0, 0, 29)
	for _, n := range w.by {
		noError(t, n.Tidy(ctx, 30))
		if n.traces() < 10 {
			t.Fatalf("%s: erased before its time, or the test shows nothing", n.code)
		}
	}
	w.clock = w.clock.AddDate(0, 0, 2)
	for _, n := range w.by {
		noError(t, n.Tidy(ctx, 0))
		if d := n.guestOf(c); d.Erased {
			t.Fatalf("%s: erased without a rule", n.code)
		}
		noError(t, n.Tidy(ctx, 30)) // erases
		w.clock = w.clock.Add(tracesPatience)
		noError(t, n.Tidy(ctx, 30)) // and cleans the file
		w.clock = w.clock.Add(-tracesPatience)
		n.swept()
		if left := n.traces(); left != 0 {
			t.Errorf("%s: %d traces are left", n.code, left)
		}
		d := n.guestOf(c)
		if last := d.Events[len(d.Events)-1]; !d.Erased || d.Applicant != (Applicant{Kind: Citizen}) || len(d.Files) != 0 || last.Kind != Erased || last.Text == "" {
			t.Errorf("%s: %+v", n.code, d)
		}
	}
	after, err := commune.ByCode(ctx, c)
	noError(t, err)
	if !after.Returned.Equal(before.Returned) || !after.Due.Equal(before.Due) || after.Outcome() != before.Outcome() || after.Procedure.Name != birth.Name ||
		len(after.Events) != len(before.Events)+1 || after.Transfers[0].ToName != "Sở Tư pháp" {
		t.Errorf("%+v\nwas\n%+v", after, before)
	}
	if now := figures(); now != was || was.Taken != 1 {
		t.Errorf("figures %+v, were %+v", now, was)
	}
	if seen, err := commune.LookUp(ctx, c, word); err != nil || seen.Status != code.Returned || seen.Returned.IsZero() {
		t.Errorf("looked up: %+v, %v", seen, err)
	}
	if list, _, err := commune.National().Changed(ctx, "", 10); err != nil || len(list) != 0 {
		t.Errorf("the national portal would be told of nothing but blanks: %v, %v", list, err)
	}
	if _, err := commune.National().Dossier(ctx, after.ID); problem.From(err).Class != problem.NotFound {
		t.Errorf("the national portal gets an erased dossier: %v", err)
	}
	if _, err := commune.Pay(ctx, after.ID, Payment{Receipt: canary}, hien, 0); problem.From(err).Code != "dossier.erased" {
		t.Errorf("an erased dossier is changed: %v", err)
	}
}

// TestALateStepBringsNothingBack: what another office says of an erased dossier is
// taken, once, and not kept.
func TestALateStepBringsNothingBack(t *testing.T) {
	w := newTowns(t, 8, "H40.12.7", "H40.3")
	ctx := t.Context()
	commune, dept := w.by["H40.12.7"], w.by["H40.3"]
	d, err := commune.Receive(ctx, filing(), hien)
	noError(t, err)
	d, err = commune.HandOn(ctx, d.ID, []Hand{{To: "H40.3", Name: "Công an", Task: Consult, Note: "hỏi"}}, hien, 0)
	noError(t, err)
	if _, err := commune.Erase(ctx, d.ID, "thử", boss); problem.From(err).Class != problem.Conflict {
		t.Fatalf("a running dossier is erased: %v", err)
	}
	w.settle()
	_, err = dept.Accept(ctx, dept.guestOf(d.Code).ID, nil, hien, 0)
	noError(t, err)
	_, err = dept.Finish(ctx, dept.guestOf(d.Code).ID, Result{Name: "Ý kiến " + canary}, nil, nam, 0)
	noError(t, err)
	_, err = commune.Stop(ctx, d.ID, "dừng", "", boss, 0)
	noError(t, err)
	if _, err := commune.Erase(ctx, d.ID, "theo yêu cầu", boss); problem.From(err).Code != "dossier.erase-owed" {
		t.Fatalf("erased while another office is to be told: %v", err)
	}
	noError(t, commune.Tell(ctx))
	if _, err := commune.Erase(ctx, d.ID, "theo yêu cầu", hien); problem.From(err).Class != problem.Denied {
		t.Fatalf("the desk may erase: %v", err)
	}
	_, err = commune.Erase(ctx, d.ID, "theo yêu cầu", boss)
	noError(t, err)
	w.settle()
	noError(t, commune.db.View(ctx, func(tx *sqlite.Tx) error {
		var dropped, kept int
		err := tx.QueryRow(`SELECT (SELECT count(*) FROM audit WHERE action = 'dossier.drop-step'), (SELECT count(*) FROM dossier_steps)`).Scan(&dropped, &kept)
		if dropped == 0 || kept != 0 {
			t.Errorf("%d steps dropped, %d kept", dropped, kept)
		}
		return err
	}))
	if n := commune.traces(); n != 0 {
		t.Errorf("%d traces came back", n)
	}
}
