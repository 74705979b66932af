package office

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/problem"
	"tram/storage"
)

// TestRepliesAreLinkedAtEveryOffice: at who answers, at who is answered, and at
// a third office that got both.
func TestRepliesAreLinkedAtEveryOffice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b, c := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"]
	asked := a.send(draft("H40.15", "H40.16"))
	w.deliver()
	d := draft("H40.12", "H40.16")
	d.Replies = []storage.ID{asked.ID, asked.ID}
	reply := b.send(d)
	w.deliver()
	for office, n := range map[string]*node{"who answers": b, "who is answered": a, "a third": c} {
		if got := linksOf(n.get(reply.ID)); got != "answers "+symbolOf(asked) {
			t.Errorf("the reply at %s: %q", office, got)
		}
		here := n.get(asked.ID)
		if got := linksOf(here); got != "answered-by "+symbolOf(reply) {
			t.Errorf("the answered one at %s: %q", office, got)
		}
		if l := here.Links[0]; l.ID != reply.ID || l.Box != n.get(reply.ID).Box {
			t.Errorf("the link at %s: %+v", office, l)
		}
		if note := here.Events[len(here.Events)-1].Note; !strings.HasPrefix(note, "Được trả lời bởi văn bản 01/UBND ngày") {
			t.Errorf("the track at %s ends with %q", office, note)
		}
	}
	m, _, err := edxml.Decode(strings.NewReader(string(b.exported(reply.ID))))
	if err != nil {
		t.Fatal(err)
	}
	if r := m.(*edxml.Document).ResponseFor; len(r) != 1 || r[0].OrganID != "H40.12" || r[0].DocumentID != asked.EdXMLID || r[0].Code != symbolOf(asked) {
		t.Errorf("the message names %+v", r)
	}
	must(b.Recall(t.Context(), reply.ID, nil, "nhầm", "vanthu"))
	w.deliver()
	if got := linksOf(a.get(asked.ID)); got != "" {
		t.Errorf("a recalled reply is still shown: %q", got)
	}
	w.audited()
}

// TestReplyBeforeWhatItAnswers: the link is made when the answered one comes. It
// is named by its number alone in the second case.
func TestReplyBeforeWhatItAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b, c := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"]
	business := func() *edxml.Business { return &edxml.Business{Operation: edxml.OpNew} }
	first := w.messageAbout(a, c, "7", business())
	early := w.messageAbout(b, c, "8", business())
	early.ResponseFor = []edxml.ResponseFor{{OrganID: "H40.12", DocumentID: first.ID, Code: "07/UBND"}}
	reply := w.letterDoc(b, c, early)
	w.deliver()
	if l := c.get(reply).Links; len(l) != 1 || l[0].ID != (storage.ID{}) || l[0].Symbol != "07/UBND" {
		t.Fatalf("before: %+v", l)
	}
	answered := w.letterDoc(a, c, first)
	w.deliver()
	if got := linksOf(c.get(answered)); got != "answered-by 08/UBND" || c.get(reply).Links[0].ID != answered {
		t.Errorf("after: %q, %+v", got, c.get(reply).Links)
	}
	late := w.messageAbout(b, c, "9", business())
	late.ResponseFor = []edxml.ResponseFor{{OrganID: "H40.12", Code: "07/UBND"}}
	w.letterDoc(b, c, late)
	w.deliver()
	if got := linksOf(c.get(answered)); got != "answered-by 08/UBND, answered-by 09/UBND" {
		t.Errorf("by its number: %q", got)
	}
}

// TestP7_OnlyWhoGotADocumentAnswersIt: whoever else names it is linked to nothing.
func TestP7_OnlyWhoGotADocumentAnswersIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, c := w.offices["H40.12"], w.offices["H40.16"]
	asked := a.send(draft("H40.15"))
	w.deliver()
	m := w.messageAbout(c, a, "8", &edxml.Business{Operation: edxml.OpNew})
	m.ResponseFor = []edxml.ResponseFor{{OrganID: "H40.12", DocumentID: asked.EdXMLID}}
	claimed := w.letterDoc(c, a, m)
	w.deliver()
	if got := linksOf(a.get(asked.ID)); got != "" || a.get(claimed).Links[0].ID != (storage.ID{}) {
		t.Errorf("linked: %q, %+v", got, a.get(claimed).Links)
	}
}

func TestReplyToWhatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	must(b.Return(t.Context(), sent.ID, "gửi nhầm", "vanthu"))
	for code, c := range map[string]struct {
		from *node
		ids  []storage.ID
	}{
		"reply.outgoing": {a, []storage.ID{sent.ID}},
		"reply.gone":     {b, []storage.ID{sent.ID}},
		"reply.unknown":  {b, []storage.ID{uuid.New()}},
		"reply.too-many": {b, make([]storage.ID, maxAnswers+1)},
	} {
		d := draft("H40.15")
		if c.from == b {
			d = draft("H40.12")
		}
		d.Replies = c.ids
		_, err := c.from.Send(t.Context(), d)
		var list problem.List
		if !errors.As(err, &list) || len(list) != 1 || list[0].Code != code || list[0].Field != "replies" {
			t.Errorf("%s: %v", code, err)
		}
	}
}
