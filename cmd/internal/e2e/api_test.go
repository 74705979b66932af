package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/world"
	"tram/storage"
)

// application is other software that calls an office's REST interface.
type application struct {
	t   *testing.T
	url string
	key string
}

// call makes one call. The answer is nil when the office was killed meanwhile.
func (a application) call(method, path string, body io.Reader, headers ...string) (*http.Response, []byte) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil
	}
	return resp, answer
}

// slow hands content out in pieces, so that a kill falls between them.
type slow struct{ *bytes.Reader }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.Reader.Read(p[:min(len(p), 16<<10)])
}

// killAfter kills an office after a while, if it is to, and says when it has, or
// that it does not.
func killAfter(o *world.Office, wanted bool, wait time.Duration) <-chan bool {
	killed := make(chan bool, 1)
	if !wanted {
		killed <- false
		return killed
	}
	time.AfterFunc(wait, func() {
		_ = o.Kill()
		killed <- true
	})
	return killed
}

// upload carries content to the office over three kills and returns the ID of the
// upload. What the office has once said that it has, it still has after each.
func (a application) upload(o *world.Office, content []byte) string {
	a.t.Helper()
	resp, answer := a.call("POST", "/uploads", nil, "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", "filename YS5wZGY=")
	var made struct{ ID string }
	if resp == nil || resp.StatusCode != http.StatusCreated || json.Unmarshal(answer, &made) != nil {
		a.t.Fatalf("upload not begun: %s", answer)
	}
	path, told := "/uploads/"+made.ID, int64(0)
	for kills := 0; told < int64(len(content)); kills++ {
		killed := killAfter(o, kills < 3, time.Duration(200+300*kills)*time.Millisecond)
		a.call("PATCH", path, slow{bytes.NewReader(content[told:])}, "Upload-Offset", strconv.FormatInt(told, 10), "Content-Type", "application/offset+octet-stream")
		if <-killed {
			startAgainOffice(a.t, o)
		}
		resp, _ := a.call("HEAD", path, nil)
		if resp == nil || resp.StatusCode != http.StatusOK {
			a.t.Fatalf("after kill %d the upload is gone", kills)
		}
		has, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
		if err != nil || has < told || has > int64(len(content)) {
			a.t.Fatalf("after kill %d the office has %d bytes, it had %d", kills, has, told)
		}
		if told = has; kills > 10 {
			a.t.Fatal("the upload does not end")
		}
	}
	return made.ID
}

// An upload goes on where it was after the office was killed, and a document that
// was sent while it was killed is sent once, however often it is asked for.
func TestP1_P2_P4_KillsDuringCallsOfOtherSoftware(t *testing.T) {
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	app := application{t: t, url: "http://" + a.Spec.UI + "/api/v1", key: maker{t: t}.at(w, a, "edocman", "--kind", "document").key}
	content := make([]byte, 6<<20)
	_, _ = rand.Read(content)
	upload := app.upload(a, content)

	draft := fmt.Sprintf(`{"to":[%q],"subject":"V/v họp giao ban","files":[{"upload":%q}]}`, codeB, upload)
	var saved struct{ ID storage.ID }
	for try := 0; saved.ID == (storage.ID{}); try++ {
		killed := killAfter(a, try < 3, time.Duration(3+15*try)*time.Millisecond)
		resp, answer := app.call("POST", "/documents", bytes.NewReader([]byte(draft)), "Content-Type", "application/json", "Idempotency-Key", "mot")
		switch {
		case resp != nil && resp.StatusCode == http.StatusCreated:
			if err := json.Unmarshal(answer, &saved); err != nil {
				t.Fatal(err)
			}
		case resp != nil && try > 40:
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		if <-killed {
			startAgainOffice(t, a)
		} else {
			time.Sleep(250 * time.Millisecond) // a new office and its key take a moment to be known
		}
	}
	if resp, answer := app.call("POST", "/documents", bytes.NewReader([]byte(draft)), "Content-Type", "application/json", "Idempotency-Key", "mot"); resp == nil ||
		resp.StatusCode != http.StatusCreated || !bytes.Contains(answer, []byte(saved.ID.String())) {
		t.Errorf("the same call again: %s", answer)
	}
	got := reaches(t, b, saved.ID, office.Arrived)
	if got.Attachments[0].SHA256 != digest(content) {
		t.Error("the file differs")
	}
	if page, err := b.API.Documents(t.Context(), office.Query{Box: office.In}); err != nil || page.Total != 1 {
		t.Errorf("the receiver has %d documents, %v", page.Total, err)
	}
}
