package v1

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"tram/agent/api/appkey"
	"tram/agent/handling"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

// statusesAt are the statuses 04 to 06 that the sender of a document has in its
// track.
func statusesAt(t *testing.T, n *node, id storage.ID) string {
	t.Helper()
	var list []string
	for _, e := range must(n.Get(t.Context(), id)).Events {
		if e.Code >= "04" && e.Code <= "06" {
			list = append(list, string(e.Code)+" "+e.Evidence+" "+e.Note)
		}
	}
	return strings.Join(list, "; ")
}

// TestP10_WorkOnADocumentShowsAtItsSender: the hand-over as 04, progress as 05, the
// answer as 06; the answer is linked at both offices, and the interface tells all.
func TestP10_WorkOnADocumentShowsAtItsSender(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	lan := handling.Actor{Person: "lan", Name: "Nguyễn Thị Lan", Directs: true}
	hoa := handling.Actor{Person: "hoa", Name: "Lê Hoa"}
	id := w.fromB("Lấy ý kiến dự thảo")
	path := "/documents/" + id.String()
	if err := w.a.works.HandOver(t.Context(), id, lan, 0); err == nil {
		t.Error("a document that was not accepted is handed over")
	}
	w.post(key, path+"/accept", `{}`).want(t, 200)
	if h := in[Document](t, w.get(key, path).want(t, 200)).Handling; h != nil {
		t.Errorf("nothing was done, and it says %+v", h)
	}
	before := w.get(key, path).want(t, 200).Header.Get("ETag")
	if err := w.a.works.Instruct(t.Context(), id, handling.Instruction{Text: "Giao Hoa.", Lead: []handling.Assignee{{Person: "hoa", Name: "Lê Hoa"}},
		Support: []handling.Assignee{{Name: "Công an xã"}}, Deadline: "2026-11-30", HandOver: true}, lan, 0); err != nil {
		t.Fatal(err)
	}
	answer := w.get(key, path).want(t, 200)
	h := in[Document](t, answer).Handling
	if h == nil || h.State != handling.Open || len(h.Lead) != 1 || h.Lead[0] != "Lê Hoa" || h.Support[0] != "Công an xã" || h.Deadline != "2026-11-30" || h.HandedOverAt == nil {
		t.Errorf("handed over: %+v", h)
	}
	if strings.Contains(answer.text, "Giao Hoa.") || answer.Header.Get("ETag") == before {
		t.Error("it tells the instruction, or has the tag of before")
	}
	part := must1(w.a.works.Of(t.Context(), id)).Parts[0].ID
	if err := w.a.works.Progress(t.Context(), id, part, "Đã họp.", hoa); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if got := statusesAt(t, w.b, id); got != "04 status 04 Phân công: Đã giao Lê Hoa giải quyết; 05 status 05 Đang xử lý: Đang giải quyết" {
		t.Errorf("at the sender: %s", got)
	}
	draft := office.Draft{To: []string{codeB}, Subject: "V/v trả lời", By: "lan", Replies: []storage.ID{id},
		Files: []office.Upload{{Name: "a.pdf", Body: strings.NewReader("%PDF-1.7 trả lời")}}}
	draft.Also = func(tx *sqlite.Tx, saved office.Document) error {
		return w.a.works.Answered(tx, saved, draft.Replies, true, lan)
	}
	reply := must(w.a.Send(t.Context(), draft))
	w.deliver()
	if got := statusesAt(t, w.b, id); !strings.HasSuffix(got, "06 status 06 Hoàn thành: Đã giải quyết xong, trả lời tại văn bản số 01/UBND") {
		t.Errorf("at the sender: %s", got)
	}
	for _, n := range []*node{w.a, w.b} {
		here, answered := must(n.Get(t.Context(), reply.ID)), must(n.Get(t.Context(), id))
		if len(here.Links) != 1 || here.Links[0].Kind != office.Answers || here.Links[0].ID != id || len(answered.Links) != 1 || answered.Links[0].ID != reply.ID {
			t.Errorf("linked at %s: %+v, %+v", n.id.Code, here.Links, answered.Links)
		}
	}
	doc := in[Document](t, w.get(key, path).want(t, 200))
	if h := doc.Handling; h.State != handling.Done || h.Reply != "01/UBND" || h.ReplyID != reply.ID.String() || h.FinishedAt == nil || doc.Links[0].Kind != office.AnsweredBy {
		t.Errorf("done: %+v, %+v", h, doc.Links)
	}
}

// must1 is must for a value that may be missing.
func must1(w handling.Work, ok bool, err error) handling.Work {
	if err != nil || !ok {
		panic(err)
	}
	return w
}

// TestDraftsAnswerDocumentsThatTheKeySees, over the interface alone.
func TestDraftsAnswerDocumentsThatTheKeySees(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	own := w.key("cong", appkey.Portal, appkey.DocumentsSend, appkey.DocumentsRead)
	id := w.fromB("Lấy ý kiến dự thảo").String()
	send := func(key, once, replies string) exchange {
		return w.sendForm(key, once, `{"to":["`+codeB+`"],"subject":"V/v trả lời","replies":[`+replies+`]}`, "a.pdf", "%PDF-1.7 "+once)
	}
	reply := in[Saved](t, send(key, "1", `"`+id+`"`).want(t, 201)).ID
	if l := in[Document](t, w.get(key, "/documents/"+id).want(t, 200)).Links; len(l) != 1 || l[0].ID != reply || l[0].Kind != office.AnsweredBy {
		t.Errorf("linked: %+v", l)
	}
	send(key, "2", `"x"`).want(t, 422)
	send(key, "3", `"`+uuid.NewString()+`"`).want(t, 422)
	send(own, "4", `"`+id+`"`).want(t, 422) // not one of its own
}
