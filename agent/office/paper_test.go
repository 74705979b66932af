package office

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage/sqlite"
)

// came is a good entry of an incoming paper document.
func came(code string) PaperEntry {
	return PaperEntry{Box: In, From: Party{Name: "UBND xã Cổ Loa"}, Code: code, Subject: "Về việc tu bổ di tích", Date: "18/11/2026", By: "vanthu"}
}

// issued is a good entry of an outgoing one.
func issued() PaperEntry {
	return PaperEntry{Box: Out, To: []Party{{Name: "Hội Nông dân xã"}, {Name: "Ông Trần Văn Mẫu"}}, Type: "QĐ", Subject: "Về việc giao đất", Signer: "Lê Văn Mẫu", Copies: 3, By: "vanthu"}
}

func (n *node) enters(e PaperEntry) Document {
	n.w.t.Helper()
	doc, err := n.Enter(n.w.t.Context(), e)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return doc
}

// faultsOf are the codes of the problems in an error, and their fields.
func faultsOf(err error) (codes []string) {
	for _, p := range problem.All(err) {
		codes = append(codes, p.Code+"@"+p.Field)
	}
	return codes
}

// TestP1_APaperDocumentStandsWhereElectronicOnesDo, across a crash, with a number
// of the same series, and is sent to nobody.
func TestP1_APaperDocumentStandsWhereElectronicOnesDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	a.send(draft("B"))
	w.deliver()
	must(b.Accept(t.Context(), b.inbox()[0].ID, "vanthu"))
	e := came("12/TB-UBND")
	e.Urgency, e.Files = Khan, []Upload{text("bản chụp.pdf", "%PDF-1.7 bản chụp")}
	in, out := b.enters(e), b.enters(issued())
	mail := b.send(draft("A"))
	b.restart()
	in, out = b.get(in.ID), b.get(out.ID)
	if in.Arrival != 2 || in.Medium != Paper || in.State != Accepted || in.Number != "12" || in.Notation != "TB-UBND" || in.Paper == nil ||
		in.Paper.Arrived != "2026-11-23" || in.To[0].Number != "2" || len(in.Attachments) != 1 || in.Seal != nil || in.EdXMLID != "" {
		t.Errorf("incoming: %+v", in)
	}
	if out.Number != "01" || out.Notation != "QĐ-UBND" || out.State != Issued || out.Medium != Paper || len(out.To) != 2 || out.To[1].State != Issued ||
		*out.Paper != (PaperFacts{Signer: "Lê Văn Mẫu", Copies: 3}) || out.EdXMLID != "B,2026/11/23,01/QĐ-UBND" {
		t.Errorf("outgoing: %+v", out)
	}
	if mail.Number != "02" || mail.Medium != Electronic {
		t.Errorf("the electronic document got number %s, %s", mail.Number, mail.Medium)
	}
	for box, want := range map[Box]int{In: 2, Out: 2} {
		lines, _, err := b.Register(t.Context(), box, 2026, "", RegisterPlace{}, 0)
		if _, total, err2 := b.List(t.Context(), Query{Box: box}); err != nil || err2 != nil || len(lines) != want || total != want {
			t.Errorf("%s: %d lines in the register, %d in the list, %v, %v", box, len(lines), total, err, err2)
		}
	}
	var types []EntryType
	for _, e := range must2(b.Feed(t.Context(), "", 0)) {
		if e.Document == in.ID || e.Document == out.ID {
			types = append(types, e.Type)
		}
	}
	if !slices.Equal(types, []EntryType{DocumentEntered, DocumentEntered}) {
		t.Errorf("the feed tells %v", types)
	}
	if sum := must(b.Summary(t.Context())); sum.Waiting != 1 || sum.Unaccepted != 0 {
		t.Errorf("summary %+v", sum)
	}
	list := must(b.queue.Outgoing(t.Context(), hubCode, w.epoch, 100))
	for _, sent := range list {
		if sent.ID == in.ID || sent.ID == out.ID {
			t.Error("a bundle was made of a paper document")
		}
	}
	if _, body, err := b.Open(t.Context(), in.ID, 0); err != nil {
		t.Error(err)
	} else {
		body.Close()
	}
	w.audited()
}

func must2[A, B any](a A, _ B, err error) A { return must(a, err) }

// TestPaperCannotBeActedUponAsIfItTravelled: it says why, and what to do.
func TestPaperCannotBeActedUponAsIfItTravelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A")
	a := w.offices["A"]
	in, out := a.enters(came("12/TB-UBND")), a.enters(issued())
	ctx := t.Context()
	for want, do := range map[string]func() error{
		"recall.paper@":    func() error { _, err := a.Recall(ctx, out.ID, nil, "sai", "lan"); return err },
		"recall.paper@ ":   func() error { _, err := a.Withdraw(ctx, out.ID, "sai", "lan"); return err },
		"return.paper@":    func() error { _, err := a.Return(ctx, in.ID, "nhầm", "lan"); return err },
		"export.paper@":    func() error { return a.Export(ctx, in.ID, &strings.Builder{}) },
		"export.paper@ ":   func() error { return a.ExportEdXML(ctx, out.ID, &strings.Builder{}) },
		"recall.incoming@": func() error { _, err := a.Withdraw(ctx, in.ID, "", "lan"); return err },
	} {
		if got := faultsOf(do()); !slices.Equal(got, []string{strings.TrimSpace(want)}) {
			t.Errorf("%v, not %s", got, want)
		}
	}
	if doc, err := a.Accept(ctx, in.ID, "lan"); err != nil || doc.Arrival != 1 {
		t.Errorf("accepting again: %d, %v", doc.Arrival, err)
	}
	doc, changed, err := a.Report(ctx, in.ID, "06", "", "lan")
	last := doc.Events[len(doc.Events)-1]
	if err != nil || !changed || last.Code != "" || last.Evidence != "" || last.Signer != "" {
		t.Errorf("work on it: %v, %v, %+v", changed, err, last)
	}
	if list := must(a.queue.Outgoing(ctx, hubCode, w.epoch, 100)); len(list) != 0 {
		t.Errorf("%d bundles wait", len(list))
	}
	err = a.db.View(ctx, func(tx *sqlite.Tx) error {
		if owed := must(numbersOf(tx, `SELECT document FROM owed`)); len(owed) != 0 {
			t.Errorf("%d statuses are owed", len(owed))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestEntriesAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A")
	a := w.offices["A"]
	a.enters(came("12/TB-UBND"))
	a.enters(issued())
	with := func(e PaperEntry, change func(*PaperEntry)) PaperEntry {
		change(&e)
		return e
	}
	for name, c := range map[string]struct {
		e    PaperEntry
		want []string
	}{
		"nothing":       {PaperEntry{Box: In}, []string{"send.no-subject@subject", "enter.no-author@from"}},
		"nothing out":   {PaperEntry{Box: Out}, []string{"send.no-subject@subject", "send.no-recipient@to"}},
		"no box":        {with(issued(), func(e *PaperEntry) { e.Box = "x" }), []string{"enter.box@box"}},
		"a bad number":  {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Number = "mười" }), []string{"enter.number@number"}},
		"taken in":      {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Number = "1" }), []string{"enter.arrival-taken@number"}},
		"taken out":     {with(issued(), func(e *PaperEntry) { e.Number = "1" }), []string{"number.taken@number"}},
		"other type":    {with(issued(), func(e *PaperEntry) { e.Number, e.Type = "01", "BC" }), []string{"number.taken@number"}},
		"a leap":        {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Number = "9" }), []string{"enter.gap@number"}},
		"twice":         {came(" 12 / tb-ubnd"), []string{"enter.duplicate@code"}},
		"twice, a leap": {with(came("12/TB-UBND"), func(e *PaperEntry) { e.Number = "3" }), []string{"enter.duplicate@code", "enter.gap@number"}},
		"not a date":    {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Date = "30/02/2026" }), []string{"send.date@date"}},
		"tomorrow":      {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Arrived = "24/11/2026" }), []string{"enter.date@arrived"}},
		"long ago":      {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Arrived = "24/11/1996" }), []string{"enter.date@arrived"}},
		"a secret":      {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Subject = "Công văn TUYỆT MẬT" }), []string{"send.secret-mark@subject"}},
		"copies":        {with(issued(), func(e *PaperEntry) { e.Copies = -1 }), []string{"enter.copies@copies"}},
		"empty scan":    {with(came("13/TB-UBND"), func(e *PaperEntry) { e.Files = []Upload{text("a.pdf", "")} }), []string{"send.file-empty@files"}},
		"type":          {with(issued(), func(e *PaperEntry) { e.Type = "XYZ" }), []string{"send.type@type"}},
	} {
		if _, err := a.Enter(t.Context(), c.e); !slices.Equal(faultsOf(err), c.want) {
			t.Errorf("%s: %v", name, faultsOf(err))
		}
	}
	if _, total, err := a.List(t.Context(), Query{Box: In}); err != nil || total != 1 {
		t.Errorf("%d documents, %v", total, err)
	}
	// Who is sure goes on, and a name that no list has is taken as it stands.
	e := came("12/TB-UBND")
	e.Sure, e.Number, e.Type = true, "9", "Thông tư"
	if doc := a.enters(e); doc.Arrival != 9 || doc.TypeName != "Thông tư" || doc.Type != "" || len(doc.Twins) != 1 || doc.Twins[0].Arrival != 1 {
		t.Errorf("entered as %+v", doc)
	}
	look := must(a.Outlook(t.Context(), In, 2026, "", ""))
	if look.Next != 10 || !slices.Equal(look.Gaps, []register.Range{{First: 2, Last: 8}}) {
		t.Errorf("outlook %+v", look)
	}
	e.Code, e.Number = "77/TB-UBND", "5" // what was left out may be used yet
	if doc := a.enters(e); doc.Arrival != 5 {
		t.Errorf("a gap gave %d", doc.Arrival)
	}
}

// TestThePaperOfYesterday stands in the register under the day when it came, in
// the series of that year.
func TestThePaperOfYesterday(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, time.Date(2027, 1, 4, 9, 0, 0, 0, time.FixedZone("", 7*3600)), "A")
	a := w.offices["A"]
	late := came("1/TB")
	late.Arrived = "31/12/2026"
	a.enters(late)
	a.enters(came("2/TB"))
	for _, year := range []int{2026, 2027} {
		lines, _, err := a.Register(t.Context(), In, year, "", RegisterPlace{}, 0)
		if err != nil || len(lines) != 1 || lines[0].Arrival != 1 || lines[0].Entered.In(time.FixedZone("", 7*3600)).Year() != year {
			t.Errorf("%d: %+v, %v", year, lines, err)
		}
	}
}

// TestAnEntryUnderAKeyIsMadeOnce (P2).
func TestP2_AnEntryUnderAKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A")
	a := w.offices["A"]
	e := came("12/TB-UBND")
	e.Key = "form"
	first := a.enters(e)
	a.restart()
	if again := a.enters(e); again.ID != first.ID {
		t.Error("a second document")
	}
}

// TestDuplicatesAreNamed: an electronic document that came on paper before, one
// that is sent twice, and none that only looks like one.
func TestDuplicatesAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	e := came("05/BC-UBND")
	e.From = Party{Name: "UBND Xã a"} // as a person writes the name of A
	paper := b.enters(e)
	e.Code, e.From = "06/BC-UBND", Party{Name: "UBND xã khác"}
	b.enters(e)
	d := draft("B")
	d.Type, d.Number = "BC", "5"
	a.send(d)
	d = draft("B")
	d.Type, d.Number = "BC", "6"
	a.send(d)
	w.deliver()
	for _, doc := range b.inbox()[:2] {
		got := b.get(doc.ID)
		switch got.Number {
		case "05":
			if len(got.Twins) != 1 || got.Twins[0].ID != paper.ID || got.Twins[0].In("vi") != "số đến 1 ngày 23/11/2026" {
				t.Errorf("twins %+v", got.Twins)
			}
		default:
			if len(got.Twins) != 0 {
				t.Errorf("%s has twins %+v", got.Number, got.Twins)
			}
		}
	}
	if got := b.get(paper.ID); len(got.Twins) != 0 {
		t.Errorf("the earlier one has twins %+v", got.Twins)
	}
}

// TestANumberIsBorneOnce in a year: by hand, by message, by paper, in any spelling.
func TestANumberIsBorneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	first := a.imported(plainly(foreign("H40.12", organs("H40.15"), "một", "a.pdf", encoded([]byte("%PDF")))))
	byHand := func() Draft {
		d := draft("H40.15")
		d.Type, d.Number, d.Notation = "KH", " 045 ", "kh - ubnd"
		return d
	}
	_, err := a.Send(t.Context(), byHand())
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != "number.taken" || p.Args["id"] != first.ID.String() {
		t.Errorf("by hand: %v", err)
	}
	_, err = a.importing(plainly(foreign("H40.12", organs("H40.15"), "hai", "a.pdf", encoded([]byte("%PDF")))))
	if !slices.Equal(faultsOf(err), []string{"number.taken@number"}) {
		t.Errorf("by message: %v", err)
	}
	onPaper := issued()
	onPaper.Type, onPaper.Number = "KH", "45"
	if _, err := a.Enter(t.Context(), onPaper); !slices.Equal(faultsOf(err), []string{"number.taken@number"}) {
		t.Errorf("on paper: %v", err)
	}
	next := byHand()
	next.Date = "2027-01-05"
	if doc := a.send(next); doc.Number != "045" {
		t.Errorf("in the next year: %s", doc.Number)
	}
	must(a.Withdraw(t.Context(), first.ID, "", "lan"))
	if _, err := a.Send(t.Context(), byHand()); !slices.Equal(faultsOf(err), []string{"number.taken@number"}) {
		t.Error("the number of a withdrawn document was given again")
	}
	if doc := a.send(draft("H40.15")); doc.Number != "46" {
		t.Errorf("the series goes on with %s", doc.Number)
	}
}

// TestSeriesAreThoseOfTheDecree, and a change of the head's mind counts from the
// next year.
func TestSeriesAreThoseOfTheDecree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	send := func(kind, notation, date string) string {
		d := draft("B")
		d.Type, d.Notation, d.Date = kind, notation, date
		doc := a.send(d)
		return doc.Number + "/" + doc.Notation
	}
	step := func(byType bool, date string, want map[[2]string]string, order ...[2]string) {
		t.Helper()
		a.restart()
		a.Office.numbers.byType, a.Office.numbering = byType, Numbering{ByType: byType, Bodies: []string{"HĐTĐ"}}
		for _, o := range order {
			if got := send(o[0], o[1], date); got != want[o] {
				t.Errorf("%v in %s: %s, not %s", o, date, got, want[o])
			}
			delete(want, o)
		}
	}
	qd, bc, cv, law, body, sy, sl := [2]string{"QĐ"}, [2]string{"BC"}, [2]string{"CV", "UBND-VX"}, [2]string{"QĐ", "2026/QĐ-UBND"}, [2]string{"QĐ", "QĐ-HĐTĐ"}, [2]string{"CV", "SY-UBND"}, [2]string{"CV", "SL-UBND"}
	step(false, "2026-11-23", map[[2]string]string{
		qd: "01/QĐ-UBND", bc: "02/BC-UBND", cv: "03/UBND-VX", law: "01/2026/QĐ-UBND", body: "01/QĐ-HĐTĐ", sy: "01/SY-UBND", sl: "02/SL-UBND",
	}, qd, bc, cv, law, body, sy, sl)
	step(true, "2026-11-23", map[[2]string]string{qd: "04/QĐ-UBND", bc: "05/BC-UBND"}, qd, bc) // of a year that has begun
	step(true, "2027-01-04", map[[2]string]string{qd: "01/QĐ-UBND", bc: "01/BC-UBND", cv: "01/UBND-VX"}, qd, bc, cv)
	step(false, "2027-01-05", map[[2]string]string{qd: "02/QĐ-UBND", cv: "02/UBND-VX"}, qd, cv)
}

// TestTwoClerksAtOnce: whatever they do at the same moment, no number is given
// twice or lost.
func TestTwoClerksAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	const each = 8
	for range each {
		a.send(draft("B"))
	}
	w.deliver()
	var clerks sync.WaitGroup
	run := func(do func(i int) error) {
		clerks.Go(func() {
			for i := range each {
				if err := do(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	inbox := b.inbox()
	run(func(i int) error { _, err := b.Accept(t.Context(), inbox[i].ID, "lan"); return err })
	run(func(i int) error { _, err := b.Enter(t.Context(), came(fmt.Sprint(i, "/X"))); return err })
	run(func(i int) error { _, err := b.Enter(t.Context(), came(fmt.Sprint(i, "/Y"))); return err })
	run(func(int) error { _, err := b.Send(t.Context(), draft("A")); return err })
	run(func(int) error { _, err := b.Enter(t.Context(), issued()); return err })
	run(func(i int) error { // by hand, from the end of what the others get
		e := issued()
		e.Number, e.Sure = fmt.Sprint(2*each+i+1), true
		_, err := b.Enter(t.Context(), e)
		if slices.Equal(faultsOf(err), []string{"number.taken@number"}) {
			return nil // the series was there first
		}
		return err
	})
	clerks.Wait()
	seen := map[string]bool{}
	for _, box := range []Box{In, Out} {
		docs, _, err := b.List(t.Context(), Query{Box: box, Limit: MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			no := fmt.Sprint(box, d.Arrival, d.Number)
			if box == In {
				no = fmt.Sprint(box, d.Arrival)
			}
			if seen[no] {
				t.Errorf("%s twice", no)
			}
			seen[no] = true
		}
	}
	if gaps := must(b.Gaps(t.Context(), register.IncomingSeries(2026))); len(gaps) != 0 || !seen[fmt.Sprint(In, 3*each)] {
		t.Errorf("arrivals have gaps %v", gaps)
	}
}
