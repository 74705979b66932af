package office

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/sync/bundle"
)

// linksOf lists what a document is linked to, as "kind symbol".
func linksOf(d Document) string {
	var list []string
	for _, l := range d.Links {
		text := string(l.Kind) + " " + l.Symbol
		if l.Waits {
			text += " waits"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// letterDoc sends a message of one office to another as another maker's program
// would, with one small file.
func (w *world) letterDoc(from, to *node, m *edxml.Document) storage.ID {
	w.t.Helper()
	id := must(uuid.NewV7())
	data := []byte("%PDF-1.7 khác")
	m.Manifest = []edxml.Reference{{ContentID: "a", ContentType: "application/pdf", Name: "a.pdf"}}
	head := must(from.sealer.Load().Seal(seal.Named{Name: seal.MessageName, Data: must(encodeDocument(m))}, []seal.File{{
		Name: "a.pdf", MediaType: "application/pdf", SHA256: sha256.Sum256(data), Size: int64(len(data)),
	}}))
	k := must(bundle.NewKey())
	var objects [][]byte
	var described []bundle.Object
	for i, content := range [][]byte{head, data} {
		role := bundle.RoleHead
		if i > 0 {
			role = bundle.RoleAttachment
		}
		sent, object, err := k.EncryptBytes(content, role)
		if err != nil {
			w.t.Fatal(err)
		}
		objects, described = append(objects, sent), append(described, object)
	}
	signed := must(bundle.Sign(bundle.Header{
		ID: id, From: from.id.Code, To: []string{to.id.Code}, Kind: bundle.KindDocument, Created: w.clock, Expires: w.clock.Add(time.Hour),
		Key: k.Recipient(), Objects: described,
	}, from.id.Device))
	to.take(signed.Stored(), must(k.Slip(to.id.Age.Recipient().String())), objects)
	return id
}

// messageAbout is a message that does something to a document of the same office.
func (w *world) messageAbout(from, to *node, number string, b *edxml.Business) *edxml.Document {
	card := must(from.registry.Lookup(to.id.Code))
	r := &review{o: from.Office}
	l := r.draft(Draft{To: []string{card.Code}, Subject: "Về việc khác", Number: number, Notation: "UBND", By: "vanthu"})
	if err := r.faults.Err(); err != nil {
		w.t.Fatal(err)
	}
	m := from.message(must(uuid.NewV7()), l, nil)
	b.Paper, b.Staff = "0", &edxml.Staff{Department: "Văn thư", Name: "Lê Văn Thử"}
	m.Business = b
	return m
}

// TestRecallInTheFormOfADocument: BussinessDocType 1, by target or repeating the
// recalled document's header, cancels what it names, is no document itself, and
// its sender gets the receipt of what it sent.
func TestRecallInTheFormOfADocument(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		for _, accepted := range []bool{false, true} {
			t.Run(fmt.Sprintf("own header %t, accepted %t", own, accepted), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, "H40.12", "H40.15")
				a, b := w.offices["H40.12"], w.offices["H40.15"]
				sent := a.send(draft("H40.15"))
				w.deliver()
				if accepted {
					must(b.Accept(t.Context(), sent.ID, "vanthu"))
				}
				m := w.messageAbout(a, b, "900", &edxml.Business{Operation: edxml.OpRecall, Reason: "Gửi nhầm nơi nhận", DocumentID: sent.EdXMLID})
				if own {
					m.ID, m.Business.DocumentID = sent.EdXMLID, ""
				}
				w.letterDoc(a, b, m)
				if err := b.drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				here := b.get(sent.ID)
				if len(b.inbox()) != 1 || here.Request == nil || here.Request.Reason != "Gửi nhầm nơi nhận" || here.Request.Person != "Lê Văn Thử" {
					t.Fatalf("%d documents, request %+v", len(b.inbox()), here.Request)
				}
				want, answers := Recalled, 2 // the receipt and the agreement
				if accepted {
					want, answers = Accepted, 2 // the receipt and the acceptance
				}
				if here.State != want {
					t.Errorf("it is %s", here.State)
				}
				if n := w.relay(); n != answers {
					t.Errorf("%d answers were sent", n)
				}
				if accepted {
					if here = must(b.Grant(t.Context(), sent.ID, "vanthu")); here.State != Recalled {
						t.Errorf("granted it is %s", here.State)
					}
				}
				b.gone(here)
				w.audited()
			})
		}
	}
}

// TestEarlyRecallInTheFormOfADocument: the recall overtakes what it recalls.
func TestEarlyRecallInTheFormOfADocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	release := w.hold(a, "H40.15")
	w.letterDoc(a, b, w.messageAbout(a, b, "900", &edxml.Business{Operation: edxml.OpRecall, Reason: "nhầm", DocumentID: sent.EdXMLID}))
	w.deliver()
	release()
	w.deliver()
	if here := b.get(sent.ID); here.State != Recalled || here.Reason != "nhầm" {
		t.Errorf("it came as %s, %q", here.State, here.Reason)
	}
}

// replacing is a draft that does something to earlier documents.
func replacing(c Changes, to ...string) Draft {
	d := draft(to...)
	d.Subject, d.Changes = "Bản mới", c
	return d
}

// TestReplacementIsLinkedAtBothOffices: each side shows what replaces what, in
// whatever order the two documents come.
func TestReplacementIsLinkedAtBothOffices(t *testing.T) {
	t.Parallel()
	for _, inverted := range []bool{false, true} {
		t.Run(fmt.Sprintf("inverted %t", inverted), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "H40.12", "H40.15")
			a, b := w.offices["H40.12"], w.offices["H40.15"]
			old := a.send(draft("H40.15"))
			release := func() {}
			if inverted {
				release = w.hold(a, "H40.15")
			}
			w.deliver()
			now := a.send(replacing(Changes{Replaces: []storage.ID{old.ID}, Reason: "sai số liệu"}, "H40.15"))
			w.deliver()
			release()
			w.deliver()
			for name, n := range map[string]*node{"sender": a, "receiver": b} {
				before, after := n.get(old.ID), n.get(now.ID)
				if linksOf(before) != "replaced-by "+symbolOf(now) || linksOf(after) != "replaces "+symbolOf(old) {
					t.Errorf("%s: %q, %q", name, linksOf(before), linksOf(after))
				}
				if after.Links[0].Reason != "sai số liệu" || before.State == Recalled {
					t.Errorf("%s: reason %q, the old one is %s", name, after.Links[0].Reason, before.State)
				}
				if last := before.Events[len(before.Events)-1]; !strings.Contains(last.Words(i18n.English), "Replaced by document "+symbolOf(now)) && !inverted {
					t.Errorf("%s: the track ends with %q", name, last.Words(i18n.English))
				}
				docs, _, err := n.List(t.Context(), Query{Box: before.Box})
				if err != nil || len(docs[len(docs)-1].Links)+len(docs[0].Links) != 2 {
					t.Errorf("%s: the list does not mark them, %v", name, err)
				}
			}
			if b.get(now.ID).Request != nil {
				t.Error("a replacement waits for an answer")
			}
		})
	}
}

// TestUpdateIsAnswered: as a recall is, with 15 or 16; refused, it updates nothing.
func TestUpdateIsAnswered(t *testing.T) {
	t.Parallel()
	for _, agree := range []bool{true, false} {
		t.Run(fmt.Sprintf("agree %t", agree), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "H40.12", "H40.15")
			a, b := w.offices["H40.12"], w.offices["H40.15"]
			old := a.send(draft("H40.15"))
			w.deliver()
			now := a.send(replacing(Changes{Updates: old.ID, Reason: "bổ sung phụ lục"}, "H40.15"))
			if answersOf(now) != "H40.15 saved update:asked" {
				t.Errorf("sent: %s", answersOf(now))
			}
			w.deliver()
			if r := b.get(now.ID).Request; r == nil || r.Kind != AskUpdate || r.State != RequestPending || r.Reason != "bổ sung phụ lục" {
				t.Fatalf("request %+v", r)
			}
			if todo := must(b.Work(t.Context())); len(todo.Requests) != 1 || linksOf(b.get(old.ID)) != "updated-by "+symbolOf(now)+" waits" {
				t.Errorf("%d requests, %q", len(todo.Requests), linksOf(b.get(old.ID)))
			}
			want, links := "H40.15 delivered update:agreed", "updated-by "+symbolOf(now)
			if agree {
				must(b.Grant(t.Context(), now.ID, "vanthu"))
			} else {
				must(b.Refuse(t.Context(), now.ID, "đã lưu hồ sơ", "vanthu"))
				want, links = "H40.15 delivered update:refused", ""
			}
			w.deliver()
			if got := a.get(now.ID); answersOf(got) != want || linksOf(a.get(old.ID)) != "updated-by "+symbolOf(now) {
				t.Errorf("the sender has %s, %q", answersOf(got), linksOf(a.get(old.ID)))
			}
			if linksOf(b.get(old.ID)) != links || b.get(old.ID).State != Arrived || b.get(now.ID).State != Arrived {
				t.Errorf("the receiver has %q, %s, %s", linksOf(b.get(old.ID)), b.get(old.ID).State, b.get(now.ID).State)
			}
			w.audited()
		})
	}
}

// TestReturnedUpdateIsRefused: status 02 says so, nothing else goes out.
func TestReturnedUpdateIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	old := a.send(draft("H40.15"))
	now := a.send(replacing(Changes{Updates: old.ID, Reason: "bổ sung"}, "H40.15"))
	w.deliver()
	here := must(b.Return(t.Context(), now.ID, "thiếu phụ lục", "vanthu"))
	if here.Request.State != RequestRefused || linksOf(b.get(old.ID)) != "" {
		t.Errorf("returned: %+v, %q", here.Request, linksOf(b.get(old.ID)))
	}
	if todo := must(b.Work(t.Context())); len(todo.Requests) != 0 {
		t.Error("it is on the work list")
	}
}

// TestUpdateOfRecipients: who is removed is asked to cancel, who is added gets
// the document, and the message says both.
func TestUpdateOfRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16", "H40.17")
	a, b, c, d := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"], w.offices["H40.17"]
	old := a.send(draft("H40.15", "H40.16"))
	w.deliver()
	now := a.send(replacing(Changes{Updates: old.ID, Removed: []string{"h40.16"}, Reason: "đổi nơi nhận"}, "H40.15", "H40.17"))
	w.deliver()
	if got := a.get(old.ID); answersOf(got) != "H40.15 delivered, H40.16 recalled agreed" {
		t.Errorf("of the old one the sender has %s", answersOf(got))
	}
	if len(c.inbox()) != 1 || c.get(old.ID).State != Recalled || c.get(old.ID).Reason != "đổi nơi nhận" {
		t.Error("who was removed still has it, or got the new one")
	}
	if here := d.get(now.ID); here.State != Arrived || here.Request != nil {
		t.Errorf("who was added has %s, %+v", here.State, here.Request)
	}
	if here := b.get(now.ID); here.Request == nil || here.Request.State != RequestPending {
		t.Errorf("who had it is asked %+v", here.Request)
	}
	var message strings.Builder
	if err := a.ExportEdXML(t.Context(), now.ID, &message); err != nil {
		t.Fatal(err)
	}
	m, _, err := edxml.Decode(strings.NewReader(message.String()))
	if err != nil {
		t.Fatal(err)
	}
	got := m.(*edxml.Document).Business
	want := []edxml.Receiver{{OrganID: "H40.16", Type: "0"}, {OrganID: "H40.17", Type: "1"}}
	if got.Operation != edxml.OpUpdate || got.DocumentID != old.EdXMLID || got.Update.Recipients != "1" || !slices.Equal(got.Update.Receivers, want) {
		t.Errorf("the message says %+v, %+v", got, got.Update)
	}
}

// TestUpdateThatRemovesThisOfficeIsARecall: ReceiverType 0, from whatever
// program, cancels the earlier document and leaves nothing of the new one.
func TestUpdateThatRemovesThisOfficeIsARecall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	w.letterDoc(a, b, w.messageAbout(a, b, "901", &edxml.Business{
		Operation: edxml.OpUpdate, Reason: "đổi nơi nhận", DocumentID: sent.EdXMLID,
		Update: &edxml.Update{Content: "0", Recipients: "1", Receivers: []edxml.Receiver{{OrganID: "H40.15", Type: "0"}}},
	}))
	w.deliver()
	if here := b.get(sent.ID); here.State != Recalled || len(b.inbox()) != 1 {
		t.Errorf("it is %s beside %d others", here.State, len(b.inbox())-1)
	}
}

// TestP7_OnlyTheIssuerReplaces: a document of another office that claims to
// update or replace one is filed, and links nothing.
func TestP7_OnlyTheIssuerReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b, thief := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	id := w.letterDoc(thief, b, w.messageAbout(thief, b, "902", &edxml.Business{
		Operation: edxml.OpReplace, Reason: "thay", Replacements: []edxml.Replacement{{DocumentID: sent.EdXMLID}},
	}))
	w.deliver()
	if here := b.get(id); here.State != Arrived || linksOf(here) != "replaces " || here.Links[0].ID != (storage.ID{}) {
		t.Errorf("the claim is %s, %q", here.State, linksOf(here))
	}
	if linksOf(b.get(sent.ID)) != "" {
		t.Errorf("the document is %q", linksOf(b.get(sent.ID)))
	}
}

// TestBadChangesAreRefused: each with its field and reason, nothing is saved.
func TestBadChangesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	good := a.send(draft("H40.15"))
	w.deliver()
	withdrawn, recalled, foreign := a.send(draft("H40.15")), good, b.send(draft("H40.12"))
	if _, err := a.Withdraw(t.Context(), withdrawn.ID, "", "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	other := a.send(draft("H40.15"))
	w.deliver()
	a.recall(recalled.ID, "nhầm")
	w.deliver()
	long := make([]storage.ID, maxRelations+1)
	for i := range long {
		long[i] = uuid.New()
	}
	for name, c := range map[string]struct {
		c    Changes
		want string
	}{
		"both":            {Changes{Updates: other.ID, Replaces: []storage.ID{other.ID}, Reason: "x"}, "replaces change.both"},
		"nothing":         {Changes{Reason: "x"}, "updates change.nothing"},
		"no reason":       {Changes{Updates: other.ID}, "change_reason change.no-reason"},
		"too many":        {Changes{Replaces: long, Reason: "x"}, "replaces change.too-many"},
		"unknown":         {Changes{Updates: uuid.New(), Reason: "x"}, "updates change.unknown"},
		"incoming":        {Changes{Replaces: []storage.ID{foreign.ID}, Reason: "x"}, "replaces change.incoming"},
		"withdrawn":       {Changes{Replaces: []storage.ID{withdrawn.ID}, Reason: "x"}, "replaces change.withdrawn"},
		"update recalled": {Changes{Updates: recalled.ID, Reason: "x"}, "updates change.recalled"},
		"removed alone":   {Changes{Replaces: []storage.ID{other.ID}, Removed: []string{"H40.15"}, Reason: "x"}, "removed change.removed"},
		"removed unknown": {Changes{Updates: other.ID, Removed: []string{"H40.16"}, Reason: "x"}, "removed recall.no-recipient"},
		"removed and to":  {Changes{Updates: other.ID, Removed: []string{"H40.15"}, Reason: "x"}, "removed change.removed-recipient"},
		"long reason":     {Changes{Updates: other.ID, Reason: strings.Repeat("x", MaxReason+1)}, "change_reason send.too-long"},
	} {
		_, err := a.Send(t.Context(), replacing(c.c, "H40.15"))
		var codes []string
		if err != nil {
			for _, p := range problem.All(err) {
				codes = append(codes, p.Field+" "+p.Code)
			}
		}
		if !slices.Contains(codes, c.want) {
			t.Errorf("%s: %q, want %s", name, codes, c.want)
		}
	}
	if linksOf(a.get(other.ID)) != "" {
		t.Error("a refused draft is linked")
	}
	if _, err := a.Send(t.Context(), replacing(Changes{Replaces: []storage.ID{recalled.ID, recalled.ID}, Reason: "ban hành lại"}, "H40.15")); err != nil {
		t.Errorf("replacing a recalled document: %v", err)
	}
}

// TestImportedOperations: statuses 13, 15, 16 and BussinessDocType 1, 2, 3 that
// an office's own software hands over do what the pages do, once.
func TestImportedOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b, c := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"]
	handOver := func(n *node, message string, changed bool) Imported {
		t.Helper()
		tried, err := n.Import(t.Context(), Handover{Body: strings.NewReader(message), Try: true, By: "phần mềm"})
		if err != nil || tried.Changed {
			t.Errorf("tried: %t, %v", tried.Changed, err)
		}
		done, err := n.importing(message)
		if err != nil || done.Changed != changed {
			t.Fatalf("changed %t, want %t, %v", done.Changed, changed, err)
		}
		return done
	}
	operation := func(id, number, to, business string) string {
		m := foreign("H40.12", organs(strings.Fields(to)...), id, "a.pdf", encoded([]byte("%PDF-1.7 x")))
		m = strings.Replace(m, "<e:CodeNumber>45<", "<e:CodeNumber>"+number+"<", 1)
		return plainly(strings.Replace(m, `<e:BussinessDocType>44</e:BussinessDocType><e:Paper>3</e:Paper>`, business, 1))
	}
	first := handOver(a, operation("kh-45", "45", "H40.15 H40.16", `<e:BussinessDocType>0</e:BussinessDocType><e:Paper>0</e:Paper>`), true).Document
	w.deliver()
	must(b.Accept(t.Context(), first.ID, "vanthu"))
	w.deliver()

	replaced := handOver(a, operation("kh-46", "46", "H40.15 H40.16", `<e:BussinessDocType>3</e:BussinessDocType><e:BussinessDocReason>sai</e:BussinessDocReason><e:Paper>0</e:Paper>`+
		`<e:ReplacementInfoList><e:ReplacementInfo><e:DocumentId>kh-45</e:DocumentId></e:ReplacementInfo><e:ReplacementInfo><e:DocumentId>kh-cu</e:DocumentId></e:ReplacementInfo></e:ReplacementInfoList>`), true).Document
	if linksOf(replaced) != "replaces 45/KH-UBND, replaces " || linksOf(a.get(first.ID)) != "replaced-by 46/KH-UBND" {
		t.Errorf("replacement: %q, %q", linksOf(replaced), linksOf(a.get(first.ID)))
	}
	update := handOver(a, operation("kh-47", "47", "H40.15 H40.16", `<e:DocumentId>kh-45</e:DocumentId><e:BussinessDocType>2</e:BussinessDocType><e:BussinessDocReason>đổi</e:BussinessDocReason><e:Paper>0</e:Paper>`+
		`<e:BussinessDocumentInfo><e:DocumentInfo>1</e:DocumentInfo><e:DocumentReceiver>1</e:DocumentReceiver><e:ReceiverList><e:Receiver><e:OrganId>H40.16</e:OrganId><e:ReceiverType>0</e:ReceiverType></e:Receiver></e:ReceiverList></e:BussinessDocumentInfo>`), true).Document
	w.deliver()
	if answersOf(update) != "H40.15 saved update:asked" || c.get(first.ID).State != Recalled || answersOf(a.get(first.ID)) != "H40.15 accepted, H40.16 recalled agreed" {
		t.Errorf("update: %s; the removed one has %s, the sender %s", answersOf(update), c.get(first.ID).State, answersOf(a.get(first.ID)))
	}
	// The answer may name the update or what it updates.
	handOver(b, statusOf("H40.15", "H40.12", "kh-45", "", "15", ""), true)
	handOver(b, statusOf("H40.15", "H40.12", "kh-47", "", "15", ""), false)

	handOver(a, statusOf("H40.12", "H40.15", "kh-45", "", "13", "ban hành nhầm"), true)
	handOver(a, statusOf("H40.12", "H40.15", "kh-45", "", "13", "ban hành nhầm"), false)
	w.deliver()
	handOver(b, statusOf("H40.15", "H40.12", "kh-45", "", "16", "đã giải quyết"), true)
	w.deliver()
	if got := a.get(first.ID); answersOf(got) != "H40.15 accepted refused, H40.16 recalled agreed" {
		t.Errorf("refused: %s", answersOf(got))
	}
	recall := operation("kh-45", "45", "H40.15", `<e:BussinessDocType>1</e:BussinessDocType><e:BussinessDocReason>xin hủy</e:BussinessDocReason><e:Paper>0</e:Paper>`)
	if done := handOver(a, recall, true); done.Kind != KindStatus || done.Code != edxml.StatusTakeBack || done.Document.ID != first.ID {
		t.Errorf("recall: %+v", done)
	}
	w.deliver()
	handOver(b, statusOf("H40.15", "H40.12", "kh-45", "", "15", ""), true)
	w.deliver()
	if got := a.get(first.ID); got.State != Recalled {
		t.Errorf("at the end it is %s, %s", got.State, answersOf(got))
	}
	if got := a.get(update.ID); answersOf(got) != "H40.15 delivered update:agreed" {
		t.Errorf("the update is %s", answersOf(got))
	}
	handOver(a, recall, false)
	for want, message := range map[string]string{
		"recall.no-reason":    operation("kh-46", "46", "H40.15", `<e:BussinessDocType>1</e:BussinessDocType><e:Paper>0</e:Paper>`),
		"recall.no-recipient": operation("kh-46", "46", "H40.99", `<e:BussinessDocType>1</e:BussinessDocType><e:BussinessDocReason>x</e:BussinessDocReason><e:Paper>0</e:Paper>`),
		"import.no-outgoing":  operation("kh-99", "99", "H40.15", `<e:BussinessDocType>1</e:BussinessDocType><e:BussinessDocReason>x</e:BussinessDocReason><e:Paper>0</e:Paper>`),
		"refuse.no-reason":    statusOf("H40.15", "H40.12", "kh-46", "", "16", ""),
	} {
		n := a
		if want == "refuse.no-reason" {
			n = b
		}
		_, err := n.importing(message)
		wantProblem(t, err, want)
	}
	w.audited()
}
