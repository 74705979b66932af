package office

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

func TestP2_AForeignDocumentIsFiledOnceAndAnsweredThroughItsConnector(t *testing.T) {
	w, a := outsideWorld(t)
	message := plainly(foreign("G22", organs("H40.12", "H99"), "G22,2026/11/20,45/KH-UBND", "kế hoạch.pdf", wrapped("x.pdf", []byte("%PDF-1.4 kế hoạch"))))
	got := a.takeIn("d-1", message)
	if !got.New || got.Aside != nil || got.Kind != KindDocument {
		t.Fatalf("%+v", got)
	}
	if again := a.takeIn("d-1", message); again.New || again.Document != got.Document {
		t.Errorf("again: %+v", again)
	}
	if again := a.takeIn("d-2", message); again.New || again.Document != got.Document {
		t.Errorf("under another name: %+v", again)
	}
	if n := len(a.inbox()); n != 1 {
		t.Fatalf("%d documents in the inbox", n)
	}
	d := a.get(got.Document)
	if d.Seal != nil || d.Origin == nil || d.Origin.Via != "truc" || d.Origin.Ref != "d-1" || len(d.Origin.Warnings) == 0 || d.From.Code != "G22" ||
		len(d.To) != 2 || d.To[1].Code != "H99" || d.Attachments[0].Name != "kế hoạch.pdf" {
		t.Errorf("%+v %+v", d, d.Origin)
	}
	var out bytes.Buffer
	if err := a.ExportEdXML(t.Context(), d.ID, &out); err != nil || out.String() != message {
		t.Errorf("the message is not kept as it came: %v", err)
	}
	if err := a.Export(t.Context(), d.ID, io.Discard); problem.From(err).Class != problem.Conflict {
		t.Errorf("a container without a seal: %v", err)
	}
	if _, err := a.Accept(t.Context(), d.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Report(t.Context(), d.ID, edxml.StatusDone, "", "vanthu"); err != nil {
		t.Fatal(err)
	}
	if n := w.relay(); n != 0 {
		t.Errorf("%d bundles for an office outside of Trạm", n)
	}
	entries, _, err := a.Feed(t.Context(), "", 0)
	var codes []string
	for _, e := range entries {
		if !slices.Equal(e.Via, []string{"truc"}) {
			t.Errorf("an entry without its connector: %+v", e)
		}
		codes = append(codes, string(e.Code))
	}
	if err != nil || !slices.Equal(codes, []string{"01", "03", "06"}) {
		t.Errorf("the feed tells %q %v", codes, err)
	}
	w.audited()
}

func TestAForeignDocumentMayBeReturned(t *testing.T) {
	_, a := outsideWorld(t)
	got := a.takeIn("d-1", plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", encoded([]byte("%PDF-1.4")))))
	d, err := a.Return(t.Context(), got.Document, "Không đúng thẩm quyền", "vanthu")
	if err != nil || d.State != Returned {
		t.Fatalf("%+v %v", d, err)
	}
}

// TestP7_NobodyOutsideSpeaksForAnOfficeOfTram tries the codes of offices that
// Trạm reaches, in every spelling.
func TestP7_NobodyOutsideSpeaksForAnOfficeOfTram(t *testing.T) {
	w, a := outsideWorld(t)
	sent := a.send(draftTo("H40.15", "G22"))
	w.deliver()
	ours := a.send(draftTo("G22"))
	for i, code := range []string{"H40.15", "h40.15", " H40.15 ", "000.00.15.H40", "15.H40", "H40.12", "000.00.12.H40", "H40", "000.00.00.H40", "Н40.15", "H40.15\u200b", "H４0.15"} {
		ref := "d" + string(rune('a'+i))
		got := a.takeIn(ref, plainly(foreign(code, organs("H40.12"), "D-"+ref, "a.pdf", encoded([]byte("%PDF-1.4")))))
		if got.Aside == nil || got.New {
			t.Errorf("document of %q: %+v", code, got)
		}
		got = a.takeIn("s"+ref, statusFrom(code, sent.EdXMLID, "02", "không nhận", w.clock))
		if got.Aside == nil || got.New {
			t.Errorf("status of %q: %+v", code, got)
		}
	}
	for _, s := range []struct{ from, document string }{{"G09", ours.EdXMLID}, {"G22", "không có"}, {"G09", sent.EdXMLID}} {
		if got := a.takeIn("x"+s.from+s.document, statusFrom(s.from, s.document, "03", "", w.clock)); got.Aside == nil {
			t.Errorf("status of %s about %s: %+v", s.from, s.document, got)
		}
	}
	other, err := a.TakeIn(t.Context(), Foreign{Via: "khac", Ref: "1", Body: strings.NewReader(statusFrom("G22", ours.EdXMLID, "03", "", w.clock))})
	if err != nil || other.Aside == nil {
		t.Errorf("over another connector: %+v %v", other, err)
	}
	if got := a.states(sent.ID) + " " + a.states(ours.ID); got != "H40.15=delivered G22=saved G22=saved" || len(a.inbox()) != 0 {
		t.Errorf("something changed: %s", got)
	}
}

func TestADocumentOfTramThatAlsoComesOverAnAxisIsShownOnce(t *testing.T) {
	w, a := outsideWorld(t)
	w.offices["H40.15"].send(draftTo("H40.12"))
	w.deliver()
	var message bytes.Buffer
	if err := a.ExportEdXML(t.Context(), a.inbox()[0].ID, &message); err != nil {
		t.Fatal(err)
	}
	got := a.takeIn("d-1", message.String())
	if got.New || got.Aside != nil || got.Document != a.inbox()[0].ID || len(a.inbox()) != 1 {
		t.Errorf("%+v", got)
	}
	if d := a.get(got.Document); d.Seal == nil || d.Origin != nil {
		t.Errorf("its seal is gone: %+v", d)
	}
}

// TestBadForeignMessagesAreSetAside holds each negative case of the domain that
// can come over an axis.
func TestBadForeignMessagesAreSetAside(t *testing.T) {
	pdf := encoded([]byte("%PDF-1.4"))
	good := plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", pdf))
	swap := func(old, now string) string { return strings.ReplaceAll(good, old, now) }
	for _, c := range []struct{ name, message, key string }{
		{"mismatched tag", swap("</e:Subject>", "</e:Subjekt>"), "problem.edxml."},
		{"junk before the declaration", "junk" + good, "problem.edxml."},
		{"unbound prefix", swap("<e:Subject>", "<f:Subject>"), "problem.edxml."},
		{"truncated in base64", good[:strings.Index(good, pdf)+4], "problem.edxml."},
		{"empty", "", "problem.edxml."},
		{"old namespace", swap(edxml.Namespace, "http://www.e-doc.vn/Schema/"), "problem.edxml."},
		{"wrong root", swap("e:edXML ", "e:other "), "problem.edxml."},
		{"DOCTYPE", swap(`<?xml version="1.0"?>`, `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>`), "problem.edxml.doctype"},
		{"no sender", swap("<e:OrganId>G22</e:OrganId><e:OrganName>", "<e:OrganName>"), "problem.edxml.lacks"},
		{"no recipient", swap(organs("H40.12"), ""), "problem.edxml.lacks"},
		{"no subject", swap("Kế hoạch tưới tiêu", ""), "problem.edxml.lacks"},
		{"no number", swap("<e:CodeNumber>45</e:CodeNumber><e:CodeNotation>KH-UBND</e:CodeNotation>", ""), "problem.edxml.lacks"},
		{"reference without attachment", swap("<e:ContentId>tep-0<", "<e:ContentId>tep-9<"), "problem.edxml."},
		{"undecodable attachment", swap(pdf, "%%%"), "problem.edxml."},
		{"zip bomb", plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", wrapped("a.pdf", make([]byte, 20<<20)))), "problem.edxml."},
		{"status without a code", strings.Replace(statusFrom("G22", "x", "03", "", time.Now()), "03</", "</", 1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, a := outsideWorld(t)
			got := a.takeIn("d-1", c.message)
			if got.Aside == nil || got.New || !strings.HasPrefix(got.Aside.Key, c.key) {
				t.Fatalf("%+v", got)
			}
			for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
				if text := got.Aside.Text(lang); text == "" || strings.Contains(text, got.Aside.Key) || strings.Contains(text, "{") {
					t.Errorf("%s: %q", lang, text)
				}
			}
			list, err := a.SetAside(t.Context())
			if err != nil || len(list) != 1 || !list[0].Kept || list[0].Size != int64(len(c.message)) {
				t.Fatalf("%+v %v", list, err)
			}
			body, err := a.OpenAside(t.Context(), list[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			if raw, err := io.ReadAll(body); err != nil || string(raw) != c.message {
				t.Errorf("kept %q %v", raw, err)
			}
			if again := a.takeIn("d-1", c.message); again.Aside == nil || len(a.inbox()) != 0 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// TestOddForeignMessagesAreFiled holds the odd cases of the domain, which are
// filed with a warning or without.
func TestOddForeignMessagesAreFiled(t *testing.T) {
	pdf := encoded([]byte("%PDF-1.4"))
	good := plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", pdf))
	swap := func(old, now string) string { return strings.ReplaceAll(good, old, now) }
	for _, c := range []struct{ name, message, warning string }{
		{"not addressed to this office", swap(organs("H40.12"), organs("H99")), edxml.WarnRecipient},
		{"byte order mark", "\xEF\xBB\xBF" + good, ""},
		{"CRLF", swap("\n", "\r\n"), ""},
		{"UUID as DocumentId", swap("D-1", "0192f3a4-5b6c-7d8e-9f00-112233445566"), ""},
		{"30 February in DocumentId", swap("D-1", "G22,2026/02/30,45/KH-UBND"), ""},
		{"no DocumentId", swap("<e:DocumentId>D-1</e:DocumentId>", ""), edxml.WarnMissingID},
		{"short form of our code", swap(organs("H40.12"), organs("12.H40")), ""},
		{"test tenant", swap("G22", "vxp.saas.03"), ""},
		{"17 bytes of junk as a PDF", swap(pdf, encoded([]byte("12345678901234567"))), ""},
		{"two entries in a zip", swap(pdf, wrapped("a.docx", []byte("PK"))), ""},
		{"decomposed subject", swap("Kế hoạch tưới tiêu", "Ke\u0302\u0301 hoa\u0323ch"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, a := outsideWorld(t)
			got := a.takeIn("d-1", c.message)
			if got.Aside != nil || !got.New {
				t.Fatalf("%+v %s", got, got.Aside.Text(i18n.English))
			}
			d := a.get(got.Document)
			if c.warning != "" && !slices.ContainsFunc(d.Origin.Warnings, func(w edxml.Warning) bool { return w.Code == c.warning }) {
				t.Errorf("no warning %s in %+v", c.warning, d.Origin.Warnings)
			}
			if d.EdXMLID == "" {
				t.Error("it has no DocumentId")
			}
		})
	}
}

func TestP1_ABrokenReadKeepsNothingAndSetsNothingAside(t *testing.T) {
	_, a := outsideWorld(t)
	good := plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", encoded([]byte("%PDF-1.4"))))
	broken := errors.New("the line is cut")
	for _, message := range []string{good, good[:200], "no XML"} {
		_, err := a.TakeIn(t.Context(), Foreign{Via: "truc", Ref: "d", Body: io.MultiReader(strings.NewReader(message), failing{broken})})
		if !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
	if list, err := a.SetAside(t.Context()); err != nil || len(list) != 0 || len(a.inbox()) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if got := a.takeIn("d", good); !got.New {
		t.Errorf("whole after all: %+v", got)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestWhatWasSetAsideCanBeTakenAgain(t *testing.T) {
	w, a := outsideWorld(t)
	doc := plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", encoded([]byte("%PDF-1.4"))))
	other := strings.Replace(doc, encoded([]byte("%PDF-1.4")), encoded([]byte("%PDF-1.5")), 1)
	status := statusFrom("G22", "G22-later", "03", "", w.clock)
	a.takeIn("d-1", doc)
	if got := a.takeIn("d-2", other); got.Aside == nil || got.Aside.Key != "office.foreign.other-content" {
		t.Fatalf("the same number with other content: %+v", got)
	}
	a.takeIn("s-1", status)
	list := must(a.SetAside(t.Context()))
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	for _, l := range list {
		if got, err := a.TakeAgain(t.Context(), l.ID, "it"); err != nil || got.Aside == nil {
			t.Errorf("nothing has changed: %+v %v", got, err)
		}
	}
	if err := a.Discard(t.Context(), list[1].ID, "it"); err != nil {
		t.Fatal(err)
	}
	if err := a.Discard(t.Context(), list[1].ID, "it"); problem.From(err).Class != problem.NotFound {
		t.Errorf("discarded twice: %v", err)
	}
	sent := a.imported(plainly(foreign("H40.12", organs("G22"), "G22-later", "a.pdf", encoded([]byte("%PDF-1.4")))))
	if got, err := a.TakeAgain(t.Context(), list[0].ID, "it"); err != nil || !got.New || got.Document != sent.ID {
		t.Fatalf("%+v %v", got, err)
	}
	if left := must(a.SetAside(t.Context())); len(left) != 0 || a.states(sent.ID) != "G22=accepted" {
		t.Errorf("left %+v, %s", left, a.states(sent.ID))
	}
	w.audited()
}

func TestAForeignMessageBeyondTheLimitsIsNamedAndNotKept(t *testing.T) {
	w := newWorld(t, "H40.12")
	a := w.offices["H40.12"]
	a.o.Limits = Limits{File: 1 << 20, Total: 1 << 20}
	a.restart()
	message := plainly(foreign("G22", organs("H40.12"), "D-1", "a.tif", encoded(noise(2<<20))))
	if got := a.takeIn("d-1", message); got.Aside == nil || got.Aside.Key == "office.foreign.large" {
		t.Errorf("an attachment that is too large: %+v", got)
	}
	got := a.takeIn("d-2", message+strings.Repeat(" ", 4<<20))
	if got.Aside == nil || got.Aside.Key != "office.foreign.large" {
		t.Errorf("a message that is too large: %+v", got)
	}
	list := must(a.SetAside(t.Context()))
	if len(list) != 2 || list[0].Kept || !list[1].Kept {
		t.Fatalf("%+v", list)
	}
	if _, err := a.OpenAside(t.Context(), list[0].ID); problem.From(err).Code != "aside.not-kept" {
		t.Errorf("%v", err)
	}
}

func TestARecallOfADocumentThatWentOverAnAxis(t *testing.T) {
	w, a := outsideWorld(t)
	doc := a.send(draftTo("G22", "H40.15"))
	w.deliver()
	if err := a.Handed(t.Context(), doc.ID, "truc", "d-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Recall(t.Context(), doc.ID, []string{"G22"}, "Gửi nhầm", "vanthu"); err != nil {
		t.Fatal(err)
	}
	if n := w.relay(); n != 0 {
		t.Errorf("%d bundles for a recall that goes over the axis", n)
	}
	entries, _, err := a.Feed(t.Context(), "", 0)
	last := entries[len(entries)-1]
	if err != nil || last.Code != edxml.StatusTakeBack || last.Office != "G22" || !slices.Equal(last.Via, []string{"truc"}) {
		t.Fatalf("the feed ends with %+v %v", last, err)
	}
	a.takeIn("s1", statusFrom("G22", doc.EdXMLID, "15", "", w.clock))
	if got := a.states(doc.ID); got != "G22=recalled H40.15=delivered" {
		t.Errorf("after it has agreed: %s", got)
	}
}

func TestAWithdrawnDocumentThatTheAxisHadStandsAsHanded(t *testing.T) {
	_, a := outsideWorld(t)
	doc := a.send(draftTo("G22"))
	if _, err := a.Withdraw(t.Context(), doc.ID, "", "vanthu"); err != nil {
		t.Fatal(err)
	}
	if got := a.states(doc.ID); got != "G22=withdrawn" {
		t.Fatal(got)
	}
	if err := a.Handed(t.Context(), doc.ID, "truc", "d-1"); err != nil {
		t.Fatal(err)
	}
	if got := a.states(doc.ID); got != "G22=hub" {
		t.Errorf("it is shown as %s although the axis has it", got)
	}
}
