package api_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

func noise(n int) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(data) // never fails
	return data
}

// send hands over one document with the given files.
func send(t *testing.T, c *api.Client, files ...[]byte) office.Document {
	t.Helper()
	d := api.DraftRequest{To: []string{"H40.15"}, Subject: "V/v họp", Urgency: 2, By: "cli"}
	var readers []io.Reader
	for i, data := range files {
		d.Files = append(d.Files, string(rune('a'+i))+".pdf")
		readers = append(readers, bytes.NewReader(data))
	}
	doc, err := c.Send(t.Context(), d, readers)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestADocumentGoesThroughEveryCall(t *testing.T) {
	desk, c := start(t)
	large, small := noise(3<<20), noise(10)
	sent := send(t, c, large, small)
	if got := desk.shelf.drafts[0]; got.By != "cli" || got.Urgency != 2 || !slices.Equal(got.To, []string{"H40.15"}) {
		t.Errorf("the office was handed %+v", got)
	}
	for i, data := range [][]byte{large, small} {
		body, err := c.Attachment(t.Context(), sent.ID, i)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(read, data) {
			t.Errorf("attachment %d has %d bytes, want %d (error %v)", i, len(read), len(data), err)
		}
	}
	body, err := c.Container(t.Context(), sent.ID)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(body)
	body.Close()
	if err != nil || string(read) != "container of "+sent.ID.String() {
		t.Errorf("container is %q (error %v)", read, err)
	}
	if d, err := c.Get(t.Context(), sent.ID); err != nil || d.Subject != "V/v họp" || len(d.Attachments) != 2 {
		t.Errorf("got %+v (error %v)", d, err)
	}
	if d, err := c.First(t.Context(), sent.ID); err != nil || d.ID != sent.ID || !slices.Equal(desk.first, []storage.ID{sent.ID}) {
		t.Errorf("first gives %+v (error %v)", d, err)
	}
	if d, err := c.Return(t.Context(), sent.ID, "Thiếu chữ ký", "lan"); err != nil || d.State != office.Returned || d.Reason != "Thiếu chữ ký" {
		t.Errorf("return gives %+v (error %v)", d, err)
	}
	if all, err := c.Recheck(t.Context(), sent.ID, "lan"); err != nil || len(all.Checks) != 1 || all.Checks[0].By != "lan" {
		t.Errorf("checking again gives %+v (error %v)", all, err)
	}
	if all, err := c.Checks(t.Context(), sent.ID); err != nil || len(all.Checks) != 1 {
		t.Errorf("the history is %+v (error %v)", all, err)
	}
	if d, err := c.AcceptKnowing(t.Context(), sent.ID, "mai", office.Knowing{Reason: "đã gọi điện"}); err != nil || d.State != office.Accepted || d.Reason != "đã gọi điện" {
		t.Errorf("accept gives %+v (error %v)", d, err)
	}
	if _, err := c.First(t.Context(), sent.ID); problem.From(err).Code != "queue.not-waiting" {
		t.Errorf("first of what has gone: %v", err)
	}
	if _, err := c.First(t.Context(), uuid.New()); problem.From(err).Class != problem.NotFound {
		t.Errorf("first of nothing: %v", err)
	}
	if !slices.Equal(desk.shelf.by, []string{"lan", "mai"}) {
		t.Errorf("decisions were by %q", desk.shelf.by)
	}
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	_, c := start(t)
	for range 5 {
		send(t, c, noise(3))
	}
	page, err := c.Documents(t.Context(), office.Query{Box: office.Out, Offset: 1, Limit: 3, States: []office.State{office.Saved}})
	if err != nil || page.Total != 5 || len(page.Documents) != 3 {
		t.Errorf("page has %d of %d (error %v)", len(page.Documents), page.Total, err)
	}
	if _, err := c.Documents(t.Context(), office.Query{Box: office.Out, Limit: -1}); problem.From(err).Field != "limit" {
		t.Errorf("a negative limit gives %v", err)
	}
	resp, err := c.Do(t.Context(), http.MethodGet, "/v1/documents?box=in", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || strings.TrimSpace(string(body)) != `{"documents":[],"total":0}` {
		t.Errorf("an empty list is %s (error %v)", body, err)
	}
	for query, field := range map[string]string{"": "box", "box=all": "box", "box=in&limit=-1": "limit", "box=in&offset=x": "offset"} {
		_, err := c.Do(t.Context(), http.MethodGet, "/v1/documents?"+query, nil, "")
		if p := problem.From(err); p.Class != problem.Usage || p.Field != field {
			t.Errorf("query %q gives %v", query, err)
		}
	}
}

func TestStatusEnrolmentAndAccounts(t *testing.T) {
	desk, c := start(t)
	if s, err := c.Status(t.Context()); err != nil || s.State != "ready" || s.Office.Code != "H40.12" {
		t.Errorf("status is %+v (error %v)", s, err)
	}
	if s, err := c.Enroll(t.Context(), []byte("an invite")); err != nil || s.State != "pending" || string(<-desk.invites) != "an invite" {
		t.Errorf("enrolment gives %+v (error %v)", s, err)
	}
	if err := c.CreateAccount(t.Context(), api.Account{Name: "lan", Role: "clerk", Password: "một hai ba"}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetPassword(t.Context(), "lan", "bốn năm sáu"); err != nil || desk.accounts["lan"] != "bốn năm sáu" {
		t.Errorf("password is %q (error %v)", desk.accounts["lan"], err)
	}
	if err := c.SetPassword(t.Context(), "ai/đó", "x"); problem.From(err).Code != "account.unknown" {
		t.Errorf("password of nobody gives %v", err)
	}
	for _, what := range api.AccountChanges {
		if err := c.ChangeAccount(t.Context(), "lan", what); err != nil || desk.accounts["lan"] != string(what) {
			t.Errorf("%s did %q (error %v)", what, desk.accounts["lan"], err)
		}
	}
	if err := c.ChangeAccount(t.Context(), "ai/đó", api.Unlock); problem.From(err).Code != "account.unknown" {
		t.Errorf("unlocking nobody gives %v", err)
	}
	if list, err := c.Accounts(t.Context()); err != nil || len(list) != 1 || list[0].Name != "lan" {
		t.Errorf("accounts are %+v (error %v)", list, err)
	}
	var back api.Account
	if err := c.Call(t.Context(), http.MethodPost, "/v1/accounts", api.Account{Name: "mai", Password: "bí mật"}, &back); err != nil || back.Password != "" {
		t.Errorf("the answer carries the password %q (error %v)", back.Password, err)
	}
}

// TestProblemsAreCarriedThrough compares what the caller can show with what the
// office said: class, field and words in both languages.
func TestProblemsAreCarriedThrough(t *testing.T) {
	_, c := start(t)
	_, err := c.Send(t.Context(), api.DraftRequest{To: []string{"x"}}, nil)
	got := problem.All(err)
	want := problem.List{
		problem.New(problem.Usage, "send.no-subject", "subject", nil),
		problem.New(problem.Usage, "send.too-long", "content", i18n.Args{"have": 2_000_000, "limit": 1_000_000}),
	}
	if len(got) != len(want) {
		t.Fatalf("got %v", err)
	}
	for i, w := range want {
		g := got[i]
		if g.Code != w.Code || g.Class != w.Class || g.Field != w.Field {
			t.Errorf("problem %d is %+v, want %+v", i, g, w)
		}
		for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
			if g.Message(lang) != w.Message(lang) || g.Next(lang) != w.Next(lang) {
				t.Errorf("in %s: %q, %q; want %q, %q", lang, g.Message(lang), g.Next(lang), w.Message(lang), w.Next(lang))
			}
		}
	}
	unknown := uuid.New()
	if _, err := c.Get(t.Context(), unknown); problem.From(err).Class != problem.NotFound ||
		!strings.Contains(problem.From(err).Message("vi"), unknown.String()) {
		t.Errorf("an unknown document gives %v", err)
	}
	if _, err := c.Attachment(t.Context(), send(t, c, noise(1)).ID, 1); problem.From(err).Code != "document.no-attachment" {
		t.Errorf("an attachment too far gives %v", err)
	}
	if _, err := c.Container(t.Context(), unknown); problem.From(err).Code != "document.not-found" {
		t.Errorf("a container of nothing gives %v", err)
	}
}

// TestErrorsArePlainJSON reads an error as a program in another language does.
func TestErrorsArePlainJSON(t *testing.T) {
	dir := t.TempDir()
	desk := &desk{accounts: map[string]string{}}
	serve(t, dir, desk.handler())
	resp, err := plain(dir).Get("http://tram/v1/documents?box=in")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"code":"trust.not-enrolled"`, `"message":"Máy này`, `"message_en":"This box`, `"next":`, `"next_en":`} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s lacks %s", body, part)
		}
	}
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		t.Errorf("answer is %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
}

func TestBadRequestsNameTheFault(t *testing.T) {
	_, c := start(t)
	id := "/v1/documents/" + send(t, c, noise(1)).ID.String()
	for _, tc := range []struct{ method, path, kind, body, code string }{
		{"GET", "/v1/documents/17", "", "", "api.bad-id"},
		{"POST", "/v1/documents/17/accept", "", "{}", "api.bad-id"},
		{"GET", id + "/attachments/x", "", "", "api.bad-number"},
		{"POST", id + "/accept", "", "", "api.bad-json"},
		{"POST", id + "/return", "", `{"reason": 1}`, "api.bad-json"},
		{"POST", id + "/return", "", `{"reason":"` + strings.Repeat("x", 1<<20) + `"}`, "api.too-large"},
		{"POST", "/v1/accounts", "", "[", "api.bad-json"},
		{"POST", "/v1/accounts", "", strings.Repeat(" ", 1<<20+1), "api.too-large"},
		{"POST", "/v1/documents", "application/json", "{}", "api.bad-upload"},
		{"POST", "/v1/documents", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n", "api.bad-upload"},
		{"POST", "/v1/documents", "multipart/form-data; boundary=b", "", "api.bad-upload"},
		{"POST", "/v1/documents", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"draft\"\r\n\r\nx\r\n--b--\r\n", "api.bad-json"},
	} {
		_, err := c.Do(t.Context(), tc.method, tc.path, strings.NewReader(tc.body), tc.kind)
		p := problem.From(err)
		if p.Code != tc.code || p.Class != problem.Usage {
			t.Errorf("%s %s gives %v, want %s", tc.method, tc.path, err, tc.code)
		}
		if !i18n.Has("problem." + p.Code) {
			t.Errorf("%s has no words", p.Code)
		}
	}
	var list problem.List
	if _, err := c.Do(t.Context(), http.MethodDelete, id, nil, ""); err == nil || errors.As(err, &list) {
		t.Errorf("a method that is not there gives %v", err)
	}
}
