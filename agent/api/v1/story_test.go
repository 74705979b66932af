package v1

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/api/appkey"
	"tram/agent/edxml"
	"tram/agent/office"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// in decodes a JSON answer.
func in[T any](t testing.TB, x exchange) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(x.text), &v); err != nil {
		t.Fatalf("%s %s → %d %s: %v", x.request.Method, x.request.URL, x.StatusCode, x.text, err)
	}
	return v
}

func (x exchange) want(t testing.TB, status int) exchange {
	t.Helper()
	if x.StatusCode != status {
		t.Fatalf("%s %s → %d, want %d: %s", x.request.Method, x.request.URL, x.StatusCode, status, x.text)
	}
	return x
}

func (w *world) get(key, path string) exchange {
	return w.call(request{method: "GET", path: path, key: key})
}

func (w *world) post(key, path, body string, headers ...string) exchange {
	h := map[string]string{"Content-Type": "application/json"}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return w.call(request{method: "POST", path: path, key: key, headers: h, body: strings.NewReader(body)})
}

// upload brings a file up in one piece and gives its ID.
func (w *world) upload(key, name, content string) string {
	w.t.Helper()
	x := w.call(request{method: "POST", path: "/uploads", key: key, headers: map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": fmt.Sprint(len(content)), "Upload-Metadata": "filename " + base64.StdEncoding.EncodeToString([]byte(name)),
	}}).want(w.t, 201)
	u := in[Upload](w.t, x)
	if x.Header.Get("Location") != Base+"/uploads/"+u.ID {
		w.t.Errorf("Location %s", x.Header.Get("Location"))
	}
	w.patch(key, u.ID, 0, content).want(w.t, 204)
	return u.ID
}

func (w *world) patch(key, id string, at int, content string, headers ...string) exchange {
	h := map[string]string{"Tus-Resumable": "1.0.0", "Upload-Offset": fmt.Sprint(at), "Content-Type": offsetMedia}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return w.call(request{method: "PATCH", path: "/uploads/" + id, key: key, headers: h, body: strings.NewReader(content)})
}

func (w *world) sendUpload(key, idempotency, subject, upload string) exchange {
	return w.post(key, "/documents", `{"to":["`+codeB+`"],"subject":"`+subject+`","urgency":"khan","files":[{"upload":"`+upload+`"}]}`, "Idempotency-Key", idempotency)
}

// TestAWholeStoryIsAsDocumented plays a document system: each call and answer is
// held to the OpenAPI document by call.
func TestAWholeStoryIsAsDocumented(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	me := in[Me](t, w.get(key, "/me").want(t, 200))
	if me.App.Name != "edocman" || me.Office.Code != codeA || me.Limits.FileBytes != limits.File {
		t.Errorf("%+v", me)
	}
	found := in[OfficeList](t, w.get(key, "/offices?q=tan+phu&reachable=true").want(t, 200))
	if len(found.Offices) != 1 || found.Offices[0].Code != codeB {
		t.Fatalf("%+v", found)
	}
	w.get(key, "/offices/"+codeB).want(t, 200)
	w.get(key, "/offices/khong-co").want(t, 404)

	saved := in[Saved](t, w.sendUpload(key, "mot", "Sửa đường", w.upload(key, "công văn.pdf", "%PDF-1.7 nội dung")).want(t, 201))
	w.deliver()
	doc := in[Document](t, w.get(key, "/documents/"+saved.ID).want(t, 200))
	if doc.State != "delivered" || doc.Urgency != "khan" || doc.Attachments[0].Name != "công văn.pdf" {
		t.Errorf("%+v", doc)
	}
	track := in[Track](t, w.get(key, "/documents/"+saved.ID+"/track").want(t, 200))
	if len(track.Steps) < 3 {
		t.Errorf("%+v", track)
	}
	w.contents(key, saved.ID)

	incoming := w.fromB("Báo cáo quý").String()
	w.finds(key, "bao cao quy", incoming)
	w.get(key, "/documents/"+incoming+"/checks").want(t, 200)
	x := w.get(key, "/documents/"+incoming).want(t, 200)
	stale := x.Header.Get("ETag")
	w.call(request{method: "GET", path: "/documents/" + incoming, key: key, headers: map[string]string{"If-None-Match": stale}}).want(t, 304)
	accepted := in[Document](t, w.post(key, "/documents/"+incoming+"/accept", `{}`, "If-Match", stale).want(t, 200))
	if accepted.State != "accepted" || accepted.ArrivalNumber != 1 {
		t.Errorf("%+v", accepted)
	}
	w.post(key, "/documents/"+incoming+"/report", `{"status_code":"05"}`, "If-Match", stale).want(t, 412)
	w.post(key, "/documents/"+incoming+"/report", `{"status_code":"05","text":"Đang xử lý"}`).want(t, 200)
	w.post(key, "/documents/"+incoming+"/return", `{"reason":"muộn rồi"}`).want(t, 409)
	other := w.fromB("Nhầm").String()
	w.post(key, "/documents/"+other+"/return", `{"reason":"Sai thẩm quyền"}`).want(t, 200)

	w.get(key, "/arriving").want(t, 200)
	if lines := in[RegisterPage](t, w.get(key, "/registers/in/2026").want(t, 200)).Lines; len(lines) != 1 || lines[0].Document.ID != incoming {
		t.Errorf("sổ đến %+v", lines)
	}
	if lines := in[RegisterPage](t, w.get(key, "/registers/out/2026?limit=1").want(t, 200)).Lines; len(lines) != 1 || lines[0].Document.ID != saved.ID {
		t.Errorf("sổ đi %+v", lines)
	}
	events := in[EventPage](t, w.get(key, "/events").want(t, 200))
	if len(events.Events) < 6 || events.Next == "" {
		t.Errorf("%+v", events)
	}
	if more := in[EventPage](t, w.get(key, "/events?after="+events.Next).want(t, 200)); len(more.Events) != 0 || more.Next != events.Next {
		t.Errorf("%+v", more)
	}
	if _, err := audit.Verify(t.Context(), w.a.db); err != nil {
		t.Error(err)
	}
	got := w.audited("app:edocman")
	for _, action := range []string{"document.send", "content.read", "document.accept", "document.report", "document.return"} {
		if !slices.Contains(got, action) {
			t.Errorf("the audit log lacks %s of the application: %v", action, got)
		}
	}
}

// audited lists what an actor did.
func (w *world) audited(actor string) (actions []string) {
	w.t.Helper()
	err := w.a.db.View(w.t.Context(), func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT action FROM audit WHERE actor = ? ORDER BY seq`, actor)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a string
			if err := rows.Scan(&a); err != nil {
				return err
			}
			actions = append(actions, a)
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return actions
}

// contents reads a document in each of its forms.
func (w *world) contents(key, id string) {
	t := w.t
	whole := w.get(key, "/documents/"+id+"/attachments/0").want(t, 200)
	part := w.call(request{method: "GET", path: "/documents/" + id + "/attachments/0", key: key, headers: map[string]string{"Range": "bytes=5-7"}}).want(t, 206)
	if part.text != whole.text[5:8] {
		t.Errorf("range gives %q of %q", part.text, whole.text)
	}
	x := w.call(request{method: "GET", path: "/documents/" + id + "/attachments/0", key: key, headers: map[string]string{"Range": "bytes=999-"}}).want(t, 416)
	if in[Problem](t, x).Code != "api.range" {
		t.Error(x.text)
	}
	w.call(request{method: "GET", path: "/documents/" + id + "/attachments/0", key: key, headers: map[string]string{"If-None-Match": whole.Header.Get("ETag")}}).want(t, 304)
	w.get(key, "/documents/"+id+"/attachments/7").want(t, 404)
	if message := w.get(key, "/documents/"+id+"/edxml").want(t, 200); !strings.Contains(message.text, edxml.Namespace) {
		t.Error(message.text)
	}
	if c := w.get(key, "/documents/"+id+"/container").want(t, 200); !strings.HasPrefix(c.text, "PK") {
		t.Error("the container is no zip")
	}
	reads := 0
	for _, action := range w.audited("app:edocman") {
		if action == "content.read" {
			reads++
		}
	}
	if reads != 3 {
		t.Errorf("%d readings in the audit log: the attachment, however often, the edXML and the container are 3", reads)
	}
}

// form is a body of sendDocumentWithFiles.
func form(draft string, files ...string) (string, string) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part := must(m.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="document"`}, "Content-Type": {"application/json"}}))
	_, _ = part.Write([]byte(draft))
	for i := 0; i+1 < len(files); i += 2 {
		part := must(m.CreateFormFile("file", files[i]))
		_, _ = part.Write([]byte(files[i+1]))
	}
	_ = m.Close()
	return b.String(), m.FormDataContentType()
}

func (w *world) sendForm(key, idempotency, draft string, files ...string) exchange {
	body, media := form(draft, files...)
	return w.call(request{method: "POST", path: "/documents/with-files", key: key, body: strings.NewReader(body),
		headers: map[string]string{"Content-Type": media, "Idempotency-Key": idempotency}})
}

func TestP1_P2_TheSameCallAgainGetsTheSameAnswerAndSendsOnce(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	upload := w.upload(key, "a.pdf", "%PDF-1.7 a")
	draft := `{"to":["` + codeB + `"],"subject":"Một lần"}`
	first := w.sendUpload(key, "khoa-1", "Sửa đường", upload).want(t, 201)
	second := w.sendForm(key, "khoa-2", draft, "a.pdf", "%PDF-1.7 b").want(t, 201)
	w.restart()
	for _, again := range []func() exchange{
		func() exchange { return w.sendUpload(key, "khoa-1", "Sửa đường", upload) },
		func() exchange { return w.sendForm(key, "khoa-2", draft, "a.pdf", "%PDF-1.7 b") },
	} {
		x := again().want(t, 201)
		if x.text != first.text && x.text != second.text || x.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("another answer: %s", x.text)
		}
	}
	for _, other := range []exchange{
		w.sendUpload(key, "khoa-1", "Khác", upload),
		w.sendForm(key, "khoa-2", draft, "a.pdf", "%PDF-1.7 khác"),
		w.sendForm(key, "khoa-2", draft, "khac.pdf", "%PDF-1.7 b"),
		w.sendForm(key, "khoa-1", draft, "a.pdf", "%PDF-1.7 b"),
	} {
		if p := in[Problem](t, other.want(t, 422)); p.Code != "api.idempotency-other" {
			t.Errorf("%+v", p)
		}
	}
	page := in[DocumentPage](t, w.get(key, "/documents?box=out").want(t, 200))
	if len(page.Documents) != 2 {
		t.Errorf("%d documents were sent", len(page.Documents))
	}
	w.sendUpload(key, "khoa-3", "Sửa đường", upload).want(t, 422) // the upload is used
	w.elapse(AnswerLife + time.Hour)
	if err := w.server.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x := w.sendForm(key, "khoa-2", draft, "a.pdf", "%PDF-1.7 c").want(t, 201); x.Header.Get("Idempotency-Replayed") != "" {
		t.Error("a key is kept for ever")
	}
}

func TestApplicationsThatSeeTheirOwnSeeNothingElse(t *testing.T) {
	w := newWorld(t)
	all := w.key("edocman", appkey.Document)
	own := w.key("dich-vu-cong", appkey.PublicService, slices.Concat(appkey.Scopes)...)
	other := w.key("dvc-khac", appkey.PublicService)
	mine := in[Saved](t, w.sendForm(own, "1", `{"to":["`+codeB+`"],"subject":"Hồ sơ"}`, "a.pdf", "%PDF-1.7 a").want(t, 201)).ID
	foreign := in[Saved](t, w.sendForm(all, "1", `{"to":["`+codeB+`"],"subject":"Khác"}`, "a.pdf", "%PDF-1.7 b").want(t, 201)).ID
	incoming := w.fromB("Đến").String()
	w.deliver()
	for _, op := range w.server.ops {
		if !strings.Contains(op.path, "/documents/{id}") {
			continue
		}
		path := strings.NewReplacer("{index}", "0").Replace(op.path)
		for id, hidden := range map[string]bool{foreign: true, incoming: true, mine: false} {
			body := map[string]string{"returnDocument": `{"reason":"x"}`, "reportDocument": `{"status_code":"05"}`}[op.id]
			if body == "" {
				body = `{}`
			}
			q := request{method: op.method, path: strings.Replace(path, "{id}", id, 1), key: own, headers: map[string]string{"Content-Type": "application/json"}, body: strings.NewReader(body)}
			if op.method == "GET" {
				q.body, q.headers = nil, nil
			}
			if x := w.call(q); (x.StatusCode == 404) != hidden {
				t.Errorf("%s of %s: %d %s", op.id, id, x.StatusCode, x.text)
			}
		}
	}
	for key, want := range map[string]int{own: 1, other: 0, all: 2} {
		if page := in[DocumentPage](t, w.get(key, "/documents?box=out")); len(page.Documents) != want {
			t.Errorf("%d documents in a list, want %d", len(page.Documents), want)
		}
	}
	for _, path := range []string{"/documents?box=in", "/registers/in/2026"} {
		if x := w.get(own, path).want(t, 200); strings.Contains(x.text, incoming) {
			t.Errorf("%s shows a foreign document", path)
		}
	}
	if lines := in[RegisterPage](t, w.get(own, "/registers/out/2026").want(t, 200)).Lines; len(lines) != 1 {
		t.Errorf("register %+v", lines)
	}
	events := in[EventPage](t, w.get(own, "/events").want(t, 200)).Events
	for _, e := range events {
		if e.DocumentID != mine {
			t.Errorf("an event of a foreign document: %+v", e)
		}
	}
	if len(events) == 0 {
		t.Error("no events of its own")
	}
	upload := w.upload(own, "a.pdf", "%PDF-1.7")
	w.get(other, "/uploads/"+upload).want(t, 404)
	w.sendUpload(other, "2", "Lấy của người khác", upload).want(t, 422)
	status := `<edXML xmlns="` + edxml.Namespace + `"><edXMLEnvelope><edXMLHeader><MessageHeader><ResponseFor><OrganId>` + codeB + `</OrganId><Code></Code><DocumentId>` +
		in[Document](t, w.get(all, "/documents/"+incoming)).EdXMLID + `</DocumentId></ResponseFor><From><OrganId>` + codeA + `</OrganId></From><StaffInfo><Staff>Trần Thị Mẫu</Staff></StaffInfo>` +
		`<StatusCode>03</StatusCode><Description>đã nhận</Description><Timestamp>2026/11/26 09:10:00</Timestamp></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>`
	xml := func(key string) exchange {
		return w.call(request{method: "POST", path: "/documents/edxml", key: key, headers: map[string]string{"Content-Type": "application/xml"}, body: strings.NewReader(status)})
	}
	if x := xml(own); x.StatusCode != 404 {
		t.Errorf("a status for a foreign document: %d %s", x.StatusCode, x.text)
	}
	if x := xml(other); x.StatusCode != 403 {
		t.Errorf("a status without the scope: %d %s", x.StatusCode, x.text)
	}
	xml(all).want(t, 200)
}

func TestP4_AnUploadGoesOnWhereItsDurableBytesEnd(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	content := strings.Repeat("0123456789", 50_000)
	x := w.call(request{method: "POST", path: "/uploads", key: key, headers: map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": fmt.Sprint(len(content)), "Upload-Metadata": "filename " + base64.StdEncoding.EncodeToString([]byte("a.pdf")), "Idempotency-Key": "t",
	}}).want(t, 201)
	id := in[Upload](t, x).ID
	w.patch(key, id, 0, content[:200_000]).want(t, 204)
	w.restart()
	head := w.call(request{method: "HEAD", path: "/uploads/" + id, key: key, headers: map[string]string{"Tus-Resumable": "1.0.0"}}).want(t, 200)
	if head.Header.Get("Upload-Offset") != "200000" || head.Header.Get("Upload-Length") != fmt.Sprint(len(content)) {
		t.Errorf("%v", head.Header)
	}
	if p := in[Problem](t, w.patch(key, id, 0, content).want(t, 409)); p.Code != "upload.offset" {
		t.Errorf("%+v", p)
	}
	w.patch(key, id, 200_000, content[200_000:250_000], "Upload-Checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=").want(t, 460)
	w.patch(key, id, 200_000, content[200_000:]+"x").want(t, 413)
	if u := in[Upload](t, w.get(key, "/uploads/"+id).want(t, 200)); u.Complete || u.Offset != 200_000 {
		t.Errorf("%+v", u)
	}
	w.sendUpload(key, "sớm", "x", id).want(t, 400) // the key is not ASCII
	if p := in[Problem](t, w.sendUpload(key, "som", "Sớm", id).want(t, 422)); p.Code != "upload.incomplete" {
		t.Errorf("%+v", p)
	}
	w.patch(key, id, 200_000, content[200_000:]).want(t, 204)
	doc := in[Saved](t, w.sendUpload(key, "du", "Đủ", id).want(t, 201))
	if got := w.get(key, "/documents/"+doc.ID+"/attachments/0").want(t, 200).text; got != content {
		t.Error("the content is another one")
	}
	w.get(key, "/uploads/"+id).want(t, 404)
	if names := must(w.a.blobs.Parts()); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
	old := w.upload(key, "b.pdf", "%PDF")
	w.elapse(UploadLife + time.Minute)
	w.get(key, "/uploads/"+old).want(t, 410)
	if err := w.server.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := must(w.a.blobs.Parts()); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
	gone := w.upload(key, "c.pdf", "%PDF")
	w.call(request{method: "DELETE", path: "/uploads/" + gone, key: key, headers: map[string]string{"Tus-Resumable": "1.0.0"}}).want(t, 204)
	w.get(key, "/uploads/"+gone).want(t, 404)
	w.call(request{method: "OPTIONS", path: "/uploads"}).want(t, http.StatusNoContent)
}

func TestEventsWaitUntilSomethingHappens(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	answered := make(chan exchange, 1)
	end := in[EventPage](t, w.get(key, "/events?after=end").want(t, 200)).Next
	go func() { answered <- w.raw(request{method: "GET", path: "/events?wait=60&after=" + end, key: key}, nil) }()
	time.Sleep(50 * time.Millisecond)
	w.sendForm(key, "1", `{"to":["`+codeB+`"],"subject":"Hồ sơ"}`, "a.pdf", "%PDF-1.7 a").want(t, 201)
	select {
	case x := <-answered:
		if page := in[EventPage](t, x.want(t, 200)); len(page.Events) == 0 || page.Events[0].Type != "document.saved" {
			t.Errorf("%+v", page)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it still waits")
	}
}

func TestListsGoOnByCursorAndRefuseAnothers(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	for i := range 5 {
		w.sendForm(key, fmt.Sprint(i), fmt.Sprintf(`{"to":["`+codeB+`"],"subject":"Số %d"}`, i), "a.pdf", "%PDF-1.7 a").want(t, 201)
	}
	var subjects []string
	path := "/documents?box=out&type=CV&limit=2"
	next := ""
	for {
		page := in[DocumentPage](t, w.get(key, path+next).want(t, 200))
		for _, d := range page.Documents {
			subjects = append(subjects, d.Subject)
		}
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
	}
	if want := []string{"Số 4", "Số 3", "Số 2", "Số 1", "Số 0"}; !slices.Equal(subjects, want) {
		t.Errorf("%v", subjects)
	}
	if p := in[Problem](t, w.get(key, "/documents?box=in&type=CV&limit=2"+next).want(t, 400)); p.Code != "api.cursor" {
		t.Errorf("%+v", p)
	}
}

func TestP12_RecallsUpdatesAndReplacements(t *testing.T) {
	w := newWorld(t)
	key := w.key("edocman", appkey.Document)
	reader := w.key("chi-doc", appkey.Document, appkey.DocumentsRead, appkey.DocumentsSend)
	send := func(key, idempotency, more string) exchange {
		return w.sendForm(key, idempotency, `{"to":["`+codeB+`"],"subject":"Sửa đường"`+more+`}`, "a.pdf", "%PDF-1.7 "+idempotency)
	}
	first := in[Saved](t, send(key, "1", "").want(t, 201)).ID
	w.deliver()
	w.post(key, "/documents/"+first+"/withdraw", `{"reason":"Sai"}`).want(t, 409)
	w.post(key, "/documents/"+first+"/recall", `{"reason":""}`).want(t, 422)
	w.post(key, "/documents/"+first+"/recall", `{"to":["x"],"reason":"Sai"}`).want(t, 422)
	w.post(reader, "/documents/"+first+"/recall", `{"reason":"Sai"}`).want(t, 403)
	for range 2 {
		w.post(key, "/documents/"+first+"/recall", `{"reason":"Ban hành nhầm"}`).want(t, 200)
	}
	w.deliver()
	doc := in[Document](t, w.get(key, "/documents/"+first).want(t, 200))
	if doc.State != office.Recalled || doc.To[0].Recall == nil || doc.To[0].Recall.State != office.AskAgreed || doc.To[0].Recall.AnsweredAt == nil {
		t.Errorf("recalled: %+v, %+v", doc, doc.To[0].Recall)
	}

	waiting := in[Saved](t, send(key, "2", "").want(t, 201)).ID
	if gone := in[Document](t, w.post(key, "/documents/"+waiting+"/withdraw", `{}`).want(t, 200)); gone.State != office.Withdrawn {
		t.Errorf("withdrawn: %+v", gone)
	}

	old := in[Saved](t, send(key, "3", "").want(t, 201)).ID
	w.deliver()
	changes := `,"changes":{"replaces":["` + old + `"],"reason":"Sai số liệu"}`
	send(reader, "4", changes).want(t, 403)
	send(key, "5", `,"changes":{"replaces":["x"],"reason":"Sai"}`).want(t, 422)
	replacing := in[Saved](t, send(key, "6", changes).want(t, 201)).ID
	if links := in[Document](t, w.get(key, "/documents/"+old).want(t, 200)).Links; len(links) != 1 || links[0].ID != replacing || links[0].Kind != office.ReplacedBy {
		t.Errorf("links %+v", links)
	}

	incoming := w.fromB("Báo cáo quý")
	path := "/documents/" + incoming.String()
	w.post(key, path+"/grant", `{}`).want(t, 409)
	w.post(key, path+"/accept", `{}`).want(t, 200)
	w.deliver()
	if _, err := w.b.Recall(t.Context(), incoming, nil, "Sai mẫu", "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if r := in[Document](t, w.get(key, path).want(t, 200)).Request; r == nil || r.State != office.RequestPending || r.Reason != "Sai mẫu" {
		t.Fatalf("request %+v", r)
	}
	w.post(reader, path+"/grant", `{}`).want(t, 403)
	w.post(key, path+"/refuse", `{"reason":""}`).want(t, 422)
	if d := in[Document](t, w.post(key, path+"/grant", `{}`).want(t, 200)); d.State != office.Recalled {
		t.Errorf("granted: %+v", d)
	}
	w.get(key, path+"/attachments/0").want(t, 409)
}

// finds waits until a search finds one document.
func (w *world) finds(key, words, id string) {
	w.t.Helper()
	path := "/documents/search?limit=5&box=in&q=" + url.QueryEscape(words)
	for range 200 {
		page := in[SearchPage](w.t, w.get(key, path).want(w.t, 200))
		if len(page.Hits) == 1 && page.Hits[0].ID == id {
			if !slices.ContainsFunc(page.Hits[0].Fields, func(f Snippet) bool { return len(f.Marks) > 0 }) {
				w.t.Errorf("a hit without a mark: %+v", page.Hits[0])
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Errorf("%q does not find %s", words, id)
}
