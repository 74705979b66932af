package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/connector/connectortest"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
)

const ministry = "G22"

// joinAxis adds a connector to an axis on which a ministry is.
func joinAxis(t *testing.T, w *world.World, o *world.Office) *lgsptest.Axis {
	t.Helper()
	axis := lgsptest.New(t.TempDir(), map[string]string{o.Spec.Code: "s3cret", ministry: "x", codeB: "y"})
	server := httptest.NewServer(axis)
	t.Cleanup(server.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.Run(t.Context(), "tram", "connector", "add", "--data", o.Dir, "lgsp", "truc", "url="+server.URL, "system_id="+o.Spec.Code,
		`reaches=["G*"]`, "every=1s", "--secret-file", secret)
	if err != nil {
		t.Fatal(err)
	}
	return axis
}

// sendMixed sends a document to the ministry and to an office of Trạm.
func sendMixed(t *testing.T, from *world.Office, data []byte) office.Document {
	t.Helper()
	var doc office.Document
	eventually(t, "a document for both", func() bool {
		var err error
		doc, err = from.API.Send(t.Context(), api.DraftRequest{To: []string{ministry, codeB}, Subject: "Báo cáo năm", By: "test", Files: []string{"Báo cáo.pdf"}},
			[]io.Reader{bytes.NewReader(data)})
		if code := problem.From(err).Code; err != nil && !strings.HasPrefix(code, "send.") {
			t.Fatal(err)
		}
		return err == nil
	})
	return doc
}

// kept takes the contents of a message.
type kept struct{ bytes.Buffer }

func (k *kept) Create(int) (io.WriteCloser, error) { return k, nil }
func (*kept) Close() error                         { return nil }

// atMinistry are the documents that the ministry has under a DocumentId.
func atMinistry(axis *lgsptest.Axis, id string) (found []lgsptest.Message) {
	for _, m := range axis.Messages() {
		if m.Kind == "edoc" && m.DocumentID == id && slices.Contains(m.To, ministry) {
			found = append(found, m)
		}
	}
	return found
}

func recipient(d office.Document, code string) office.Recipient {
	for _, r := range d.To {
		if r.Code == code {
			return r
		}
	}
	return office.Recipient{}
}

// TestP2_P3_AnOfficeReachesAMinistryOverAnAxis sends in both directions with
// statuses. The agent is killed when the axis has the document and the answer is
// on its way, and again while it fetches one.
func TestP2_P3_AnOfficeReachesAMinistryOverAnAxis(t *testing.T) {
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	axis := joinAxis(t, w, a)
	killed := make(chan error, 2)
	var once sync.Once
	axis.Fail(lgsptest.Send, 1, func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		once.Do(func() { next(httptest.NewRecorder(), r); killed <- a.Kill() })
		panic(http.ErrAbortHandler)
	})
	data := sample.SmallPDF(5_000_000, 7)
	sent := sendMixed(t, a, data)
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	startAgainOffice(t, a)
	eventually(t, "the ministry's copy", func() bool {
		d, err := a.API.Get(t.Context(), sent.ID)
		return err == nil && recipient(d, ministry).State == office.AtHub
	})
	found := atMinistry(axis, sent.EdXMLID)
	if len(found) != 1 || !slices.Equal(found[0].To, []string{ministry}) {
		t.Fatalf("the ministry has %+v", found)
	}
	var body kept
	full, err := edxml.Read(bytes.NewReader(found[0].Text()), edxml.ReadOptions{Stage: &body})
	if err != nil {
		t.Fatal(err)
	}
	f, err := edxml.Unwrap(bytes.NewReader(body.Bytes()), int64(body.Len()), full.Attachments[0].Name, 0)
	if err != nil || digestOf(f) != digest(data) {
		t.Errorf("the attachment differs: %v", err)
	}
	reaches(t, b, sent.ID, office.Arrived)
	answerOfMinistry(t, a, axis, sent)
	incomingOverAxis(t, w, a, axis)
}

func startAgainOffice(t *testing.T, o *world.Office) {
	t.Helper()
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	if err := o.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func digestOf(f *edxml.File) string {
	r, err := f.Open()
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return digest(raw)
}

// answerOfMinistry has the ministry answer, the later status first.
func answerOfMinistry(t *testing.T, a *world.Office, axis *lgsptest.Axis, sent office.Document) {
	t.Helper()
	now := time.Now()
	axis.Put(ministry, codeA, "status", lgsptest.Status(ministry, codeA, sent.EdXMLID, "03", "Số đến 1204 ngày 23/11/2026", now))
	axis.Put(ministry, codeA, "status", lgsptest.Status(ministry, codeA, sent.EdXMLID, "01", "", now.Add(-time.Minute)))
	axis.Put(ministry, codeA, "status", lgsptest.Status(ministry, codeA, sent.EdXMLID, "06", "Xong", now.Add(time.Minute)))
	eventually(t, "the ministry's statuses", func() bool {
		d, err := a.API.Get(t.Context(), sent.ID)
		codes := map[edxml.StatusCode]bool{}
		for _, e := range d.Events {
			if e.Office == ministry {
				codes[e.Code] = true
			}
		}
		r := recipient(d, ministry)
		return err == nil && codes["01"] && codes["03"] && codes["06"] && r.State == office.Accepted && r.Number == "1204"
	})
}

// incomingOverAxis has the ministry write to the office, and somebody who says
// that he is another office of Trạm.
func incomingOverAxis(t *testing.T, w *world.World, a *world.Office, axis *lgsptest.Axis) {
	t.Helper()
	killed := make(chan error, 1)
	axis.Fail(lgsptest.Get, 1, func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		killed <- a.Kill()
		panic(http.ErrAbortHandler)
	})
	id := "G22,2026/11/23,15/UBND-VP"
	axis.Repeat(axis.Put(ministry, codeA, "edoc", connectortest.EdXML(ministry, codeA, id, "Chỉ đạo phòng chống bão")))
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	startAgainOffice(t, a)
	var in office.Document
	eventually(t, "the ministry's document", func() bool {
		page, err := a.API.Documents(t.Context(), office.Query{Box: office.In})
		if err != nil || len(page.Documents) == 0 {
			return false
		}
		in = page.Documents[0]
		return len(page.Documents) == 1
	})
	if in.EdXMLID != id || in.Seal != nil || in.Origin == nil || in.Origin.Via != "truc" {
		t.Errorf("it is filed as %+v", in)
	}
	if _, err := a.API.Accept(t.Context(), in.ID, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "our statuses at the ministry", func() bool {
		var codes []string
		for _, m := range axis.Messages() {
			if m.Kind == "status" && m.From == codeA && m.DocumentID == id {
				codes = append(codes, string(m.Status.Code))
			}
		}
		return slices.Equal(codes, []string{"01", "03"})
	})
	axis.Put(codeB, codeA, "edoc", connectortest.EdXML(codeB, codeA, "giả", "Giả mạo"))
	eventually(t, "the forgery set aside", func() bool {
		out, err := w.Run(t.Context(), "tram", "connector", "refused", "--data", a.Dir, "--json")
		var list []office.Aside
		return err == nil && json.Unmarshal(out, &list) == nil && len(list) == 1 && list[0].Sender == codeB && list[0].Kept
	})
	page, err := a.API.Documents(t.Context(), office.Query{Box: office.In})
	if err != nil || len(page.Documents) != 1 {
		t.Errorf("the inbox has %d documents, %v", len(page.Documents), err)
	}
	for _, m := range axis.Messages() {
		if s, ok := m.States[codeA]; ok && s != "DONE" && s != "FAIL" {
			t.Errorf("%s %s is left at the axis as %s", m.Kind, m.Ref, s)
		}
	}
}
