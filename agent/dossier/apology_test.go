package dossier

import (
	"slices"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
)

// TestAPreparedApologyExtendsNothing until a leader confirms it; one that is sent back
// says why, and who.
func TestAPreparedApologyExtendsNothing(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	d.at("30/11 09:00")
	events := len(x.Events)
	x, err = d.PrepareApology(ctx, x.ID, "2026-12-02", " Chờ xác minh ", hien, x.Version)
	noError(t, err)
	if p := x.Apology; p.Draft() != DraftWaiting || p.Day != "2026-12-02" || p.Reason != "Chờ xác minh" || p.By != hien.Name || !p.At.Equal(when(t, "30/11 09:00")) {
		t.Fatalf("%+v", p)
	}
	if !x.Due.Equal(when(t, "27/11 17:00")) || x.Extensions != 0 || len(x.Events) != events {
		t.Errorf("a draft has moved the dossier: %+v", x.Standing)
	}
	d.holds(t, DraftWaiting, 1, DraftBack, 0)
	stale := x.Version
	d.at("30/11 10:00")
	x, err = d.SendApologyBack(ctx, x.ID, "Nêu rõ lý do", boss, x.Version)
	noError(t, err)
	if p := x.Apology; p.Draft() != DraftBack || p.Back != "Nêu rõ lý do" || p.BackBy != boss.Name || !p.BackAt.Equal(when(t, "30/11 10:00")) || p.Reason != "Chờ xác minh" {
		t.Fatalf("%+v", p)
	}
	d.holds(t, DraftWaiting, 0, DraftBack, 1)
	if _, err := d.SendApologyBack(ctx, x.ID, "Lần nữa", boss, 0); problem.From(err).Code != "dossier.no-apology" {
		t.Errorf("sent back twice: %v", err)
	}
	_, err = d.PrepareApology(ctx, x.ID, "2026-12-03", "Chờ xác minh", hien, stale)
	if p := problem.From(err); p.Code != "dossier.changed" || !strings.Contains(p.Message(i18n.Vietnamese), boss.Name) || !strings.Contains(p.Message(i18n.Vietnamese), "10:00") {
		t.Errorf("who acts on what was sent back meanwhile is told %v", err)
	}
	x, err = d.PrepareApology(ctx, x.ID, "2026-12-03", "Chờ xác minh nơi sinh", hien, x.Version)
	noError(t, err)
	if x.Apology.Draft() != DraftWaiting || x.Apology.BackBy != "" {
		t.Errorf("another one still is the one that was sent back: %+v", x.Apology)
	}
	noError(t, d.db.Close())
	d.start() // P1
	x, err = d.Get(ctx, x.ID)
	noError(t, err)
	x, err = d.Extend(ctx, x.ID, x.Apology.Day, x.Apology.Reason, boss, x.Version)
	noError(t, err)
	last := x.Events[len(x.Events)-1]
	if !x.Due.Equal(when(t, "03/12 17:00")) || last.Kind != Extended || last.By != boss.Name || last.Text != "Chờ xác minh nơi sinh" || x.Apology != nil || len(x.Events) != events+1 {
		t.Errorf("%+v %+v", x.Standing, last)
	}
	d.holds(t, DraftWaiting, 0, DraftBack, 0)
	rows, err := audit.Find(ctx, d.db, audit.Filter{Subject: x.ID.String()}, 20)
	noError(t, err)
	var did []string
	for _, r := range slices.Backward(rows) {
		if strings.HasPrefix(r.Action, "dossier.apology") {
			did = append(did, r.Actor+" "+r.Action)
		}
	}
	if want := hien.Person + " dossier.apology-prepared, " + boss.Person + " dossier.apology-back, " + hien.Person + " dossier.apology-prepared"; strings.Join(did, ", ") != want {
		t.Errorf("the audit log has %q", did)
	}
}

// holds counts the dossiers with drafts, twice: by the question and by the rows.
func (d *desk) holds(t *testing.T, list ...any) {
	t.Helper()
	for i := 0; i < len(list); i += 2 {
		draft := list[i].(Draft)
		page, err := d.List(t.Context(), Query{Apology: draft})
		noError(t, err)
		n := 0
		for _, r := range page.Rows {
			if r.Apology == draft {
				n++
			}
		}
		if n != list[i+1].(int) || len(page.Rows) != n {
			t.Errorf("%d dossiers with an apology that is %s, %d in the list", n, draft, len(page.Rows))
		}
	}
}

// TestWhoMayPrepareAnApologyAndWhen: and that it ends with the work.
func TestWhoMayPrepareAnApologyAndWhen(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	filed, err := d.File(ctx, filing(), gate)
	noError(t, err)
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	for _, c := range []struct {
		name, day, reason string
		id                [16]byte
		by                Actor
		want              string
	}{
		{"an officer", "2026-12-02", "chờ", x.ID, nam, "dossier.not-allowed"},
		{"a system", "2026-12-02", "chờ", x.ID, gate, "dossier.not-allowed"},
		{"no reason", "2026-12-02", " ", x.ID, hien, "dossier.empty"},
		{"no day", "", "chờ", x.ID, hien, "dossier.day"},
		{"a day off", "2026-11-28", "chờ", x.ID, hien, "dossier.day-off"},
		{"an early day", "2026-11-27", "chờ", x.ID, hien, "dossier.day-early"},
		{"nothing to extend", "2026-12-02", "chờ", filed.ID, hien, "dossier.not-now"},
	} {
		_, err := d.PrepareApology(ctx, c.id, c.day, c.reason, c.by, 0)
		p := problem.From(err)
		if p.Code != c.want || p.Message(i18n.Vietnamese) == "" || p.Next(i18n.English) == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := d.SendApologyBack(ctx, x.ID, "x", boss, 0); problem.From(err).Code != "dossier.no-apology" {
		t.Errorf("what is not there is sent back: %v", err)
	}
	_, err = d.PrepareApology(ctx, x.ID, "2026-12-02", "chờ", hien, 0)
	noError(t, err)
	if _, err := d.SendApologyBack(ctx, x.ID, "x", hien, 0); problem.From(err).Class != problem.Denied {
		t.Errorf("the desk sends back: %v", err)
	}
	x, err = d.Finish(ctx, x.ID, Result{Name: "Giấy khai sinh"}, nil, nam, 0)
	noError(t, err)
	if x, err = d.Get(ctx, x.ID); err != nil || x.Apology != nil {
		t.Errorf("a dossier with a result has %+v, %v", x.Apology, err)
	}
	d.holds(t, DraftWaiting, 0, DraftBack, 0)
}

// TestTheOfficeThatIsAskedPreparesNoApology: the date of return is the owner's.
func TestTheOfficeThatIsAskedPreparesNoApology(t *testing.T) {
	w := newTowns(t, 3, "H40.12.7", "H40.3")
	ctx := t.Context()
	commune, dept := w.by["H40.12.7"], w.by["H40.3"]
	x, err := commune.Receive(ctx, filing(), hien)
	noError(t, err)
	_, err = commune.HandOn(ctx, x.ID, []Hand{{To: "H40.3", Name: "Sở Tư pháp", Task: Decide, Note: "giải quyết"}}, hien, 0)
	noError(t, err)
	w.settle()
	_, err = dept.Accept(ctx, dept.guestOf(x.Code).ID, nil, hien, 0)
	noError(t, err)
	if _, err := dept.PrepareApology(ctx, dept.guestOf(x.Code).ID, "2026-12-30", "chờ", hien, 0); problem.From(err).Class != problem.Denied {
		t.Errorf("%v", err)
	}
}
