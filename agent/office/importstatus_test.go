package office

import (
	"slices"
	"strings"
	"testing"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// statusOf is a status message that another program of an office wrote.
func statusOf(from, to, id, number, code, text string) string {
	return `<edXML xmlns="` + edxml.Namespace + `"><edXMLEnvelope><edXMLHeader><MessageHeader><ResponseFor><OrganId>` + to +
		`</OrganId><Code>` + number + `</Code><DocumentId>` + id + `</DocumentId></ResponseFor><From><OrganId>` + from + `</OrganId></From>` +
		`<StaffInfo><Staff>Trần Thị Mẫu</Staff></StaffInfo><StatusCode>` + code + `</StatusCode><Description>` + text +
		`</Description><Timestamp>2026/11/23 10:00:00</Timestamp></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>`
}

// TestImportedStatusesAreThoseOfTheClerk: accepted, assigned, in progress and
// done reach the sender in order, each once however often it is handed over.
func TestImportedStatusesAreThoseOfTheClerk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	give := func(code, text string) Imported {
		t.Helper()
		done, err := b.importing(statusOf("H40.15", "H40.12", sent.EdXMLID, "", code, text))
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	for _, code := range []string{"01", "03", "04", "05", "06", "04", "03"} {
		done := give(code, map[string]string{"04": "phòng Kinh tế"}[code])
		if done.Kind != KindStatus || string(done.Code) != code || done.Document.ID != sent.ID {
			t.Errorf("%s: %+v", code, done)
		}
	}
	if again := give("06", ""); again.Changed {
		t.Error("a status that was given before counts as a change")
	}
	w.deliver()
	got := a.get(sent.ID)
	var words []string
	for _, e := range got.Events {
		if e.Evidence == EvidenceStatus {
			words = append(words, e.Words(i18n.Vietnamese))
		}
	}
	want := []string{"", "Số đến 1 ngày 23/11/2026", "04 Phân công: phòng Kinh tế", "05 Đang xử lý", "06 Hoàn thành"}
	if got.State != Accepted || !slices.Equal(words, want) {
		t.Errorf("the sender has %s, %q", got.State, words)
	}
	if here := b.get(sent.ID); here.State != Accepted || len(here.Events) != len(got.Events) {
		t.Errorf("the receiver's track is %v, the sender's %v", track(here), track(got))
	}
	w.audited()
}

// TestImportedReturnNeedsAReason and ends the document; one without DocumentId
// is found by number and sender.
func TestImportedReturnNeedsAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	number := sent.Number + "/" + sent.Notation
	done, err := b.importing(statusOf("H40.15", "h40.12", "", number, "02", "Gửi nhầm nơi nhận"))
	if err != nil || !done.Changed || done.Document.State != Returned {
		t.Fatalf("returned: %+v, %v", done, err)
	}
	w.deliver()
	if got := a.get(sent.ID); got.State != Returned || got.Reason != "Gửi nhầm nơi nhận" {
		t.Errorf("the sender has %s, %q", got.State, got.Reason)
	}
}

func TestBadStatusesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	back := b.send(draft("H40.12"))
	w.deliver()
	cases := []struct {
		name, message string
		want          []string
	}{
		{"of another office", statusOf("H40.12", "H40.12", sent.EdXMLID, "", "03", ""), []string{"From import.not-ours"}},
		{"about nothing here", statusOf("H40.15", "H40.12", "khác", "", "03", ""), []string{"ResponseFor import.no-document"}},
		{"of another sender", statusOf("H40.15", "H40.99", sent.EdXMLID, "", "03", ""), []string{"ResponseFor import.no-document"}},
		{"about a document sent", statusOf("H40.15", "H40.15", back.EdXMLID, "", "03", ""), []string{"ResponseFor import.no-document"}},
		{"returned without a reason", statusOf("H40.15", "H40.12", sent.EdXMLID, "", "02", ""), []string{"Description return.no-reason"}},
		{"taken back", statusOf("H40.15", "H40.12", sent.EdXMLID, "", "13", "nhầm"), []string{"ResponseFor import.no-outgoing"}},
		{"agreed", statusOf("H40.15", "H40.12", sent.EdXMLID, "", "15", ""), []string{" request.none"}},
		{"unknown code", statusOf("H40.15", "H40.12", sent.EdXMLID, "", "09", ""), []string{"StatusCode import.status-code"}},
		{"done before accepted", statusOf("H40.15", "H40.12", sent.EdXMLID, "", "06", ""), []string{"StatusCode import.not-accepted"}},
		{"all at once", statusOf("H40.12", "H40.12", "khác", "", "09", strings.Repeat("ế", MaxReason+1)), []string{
			"Description send.too-long", "From import.not-ours", "ResponseFor import.no-document", "StatusCode import.status-code",
		}},
	}
	for _, c := range cases {
		for _, try := range []bool{true, false} {
			_, err := b.Import(t.Context(), Handover{Body: strings.NewReader(c.message), Try: try})
			var codes []string
			for _, p := range problem.All(err) {
				codes = append(codes, p.Field+" "+p.Code)
				if p.Next(i18n.Vietnamese) == "" || strings.ContainsAny(p.Message(i18n.Vietnamese)+p.Message(i18n.English), "{}") {
					t.Errorf("%s: %s", c.name, p.Message(i18n.English))
				}
			}
			slices.Sort(codes)
			if !slices.Equal(codes, c.want) {
				t.Errorf("%s, tried %v: %q (%v), want %q", c.name, try, codes, err, c.want)
			}
		}
	}
	if got := b.get(sent.ID); got.State != Arrived {
		t.Errorf("the document is %s", got.State)
	}
	done, err := b.Import(t.Context(), Handover{Body: strings.NewReader(statusOf("H40.15", "H40.12", sent.EdXMLID, "", "03", "")), Try: true})
	if err != nil || done.Changed || b.get(sent.ID).State != Arrived {
		t.Errorf("tried: %+v, %v", done, err)
	}
}
