package dossier

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tram/agent/dossier/code"
	"tram/agent/identity"
)

// asks calls the local interface and reads the answer into out.
func (d *desk) asks(method, path string, in, out any) int {
	d.t.Helper()
	mux := http.NewServeMux()
	Routes(mux, slog.New(slog.DiscardHandler), func() (*Store, error) { return d.Store, nil })
	var data bytes.Buffer
	if raw, ok := in.(string); ok {
		data.WriteString(raw)
	} else if in != nil {
		noError(d.t, json.NewEncoder(&data).Encode(in))
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, &data))
	if w.Code == http.StatusOK && out != nil {
		noError(d.t, json.Unmarshal(w.Body.Bytes(), out))
	}
	return w.Code
}

// TestScriptsHandInAndActOverTheLocalSocket, on one's own machine alone.
func TestScriptsHandInAndActOverTheLocalSocket(t *testing.T) {
	d := newDesk(t)
	at := when(t, "20/11 10:00")
	hand := Handing{Procedure: birth.Code, Applicant: Applicant{Kind: Citizen, Name: "Nguyễn Văn An"}, Channel: AtDesk, Copies: []int{1, 1, 0}, At: at, By: "Bộ phận một cửa"}
	var x Dossier
	if got := d.asks("POST", Path, hand, &x); got != 200 || x.Status != code.Received || !x.Accepted.Equal(at) {
		t.Fatalf("%d %+v", got, x)
	}
	for _, act := range []Act{
		{Kind: Started, Text: "Phạm Nam"}, {Kind: Noted, Text: "Đang xác minh"}, {Kind: Extended, Text: "Xin lỗi", Day: "2026-11-30"}, {Kind: Finished, Result: Result{Name: "Giấy khai sinh"}}, {Kind: Returned, Text: "Nguyễn Văn An"},
	} {
		act.Code, act.By = x.Code, "Phạm Nam"
		if got := d.asks("POST", Path+"/act", act, nil); got != 200 {
			t.Errorf("%s gave %d", act.Kind, got)
		}
	}
	var shown Dossier
	if got := d.asks("GET", Path+"/show?code="+x.Code.String(), nil, &shown); got != 200 || shown.Status != code.Returned || shown.Extensions != 1 || len(shown.Events) != 7 {
		t.Fatalf("%d %s %d events", got, shown.Status, len(shown.Events))
	}
	hand.Lacking, hand.At = "Thiếu giấy chứng sinh", at
	var lacking Dossier
	if got := d.asks("POST", Path, hand, &lacking); got != 200 || lacking.Status != code.Supplement {
		t.Errorf("lacking: %d %s", got, lacking.Status)
	}
	hand.Lacking, hand.Register = "", true
	var fresh Dossier
	if got := d.asks("POST", Path, hand, &fresh); got != 200 || fresh.Status != code.Registered {
		t.Errorf("registered: %d %s", got, fresh.Status)
	}
	for _, act := range []Act{{Kind: PaymentAsked, Text: "Nộp"}, {Kind: WithdrawalAsked}, {Kind: Erased}} {
		act.Code, act.By = fresh.Code, "Lan"
		if got, want := d.asks("POST", Path+"/act", act, nil), map[Kind]int{Erased: 422}[act.Kind]; got != max(want, 200) {
			t.Errorf("%s gave %d", act.Kind, got)
		}
	}
	var page Page
	if got := d.asks("GET", Path+"?words=nguyen+van&limit=2", nil, &page); got != 200 || len(page.Rows) != 2 || page.Next == "" || page.Rows[0].Applicant != "Nguyễn V. A." {
		t.Errorf("list: %d %+v", got, page)
	}
	word, err := d.Secret(t.Context(), x.Code)
	noError(t, err)
	var seen PublicStatus
	if got := d.asks("GET", Path+"/lookup?code="+x.Code.String()+"&word="+word, nil, &seen); got != 200 || seen.Status != code.Returned {
		t.Errorf("looked up: %d %+v", got, seen)
	}
	var m Month
	if got := d.asks("GET", Path+"/stats?month=2026-11", nil, &m); got != 200 || m.Sum.Taken != 1 || len(m.Procedures) != 1 {
		t.Errorf("figures: %d %+v", got, m)
	}
}

func TestWhatTheLocalSocketRefuses(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		method, path string
		in           any
		want         int
	}{
		{"GET", "?tab=khac", nil, 422}, {"GET", "?after=x", nil, 422}, {"GET", "/show?code=x", nil, 422}, {"GET", "/show?code=H40.12.7-261123-0001", nil, 404}, {"GET", "/lookup?code=x", nil, 422},
		{"GET", "/stats?month=11/2026", nil, 422}, {"POST", "", "{", 422}, {"POST", "", Handing{By: "x"}, 422}, {"POST", "/act", "[]", 422}, {"POST", "/act", Act{Kind: Noted}, 404},
		{"POST", "/catalogue", "{", 422}, {"POST", "/calendar", "{", 422}, {"POST", "/catalogue", strings.Repeat(" ", maxCall+1), 422},
	} {
		if got := d.asks(c.method, Path+c.path, c.in, nil); got != c.want {
			t.Errorf("%s %s gave %d, want %d", c.method, c.path, got, c.want)
		}
	}
	mux := http.NewServeMux()
	Routes(mux, slog.New(slog.DiscardHandler), func() (*Store, error) { return nil, identity.None("") })
	w := httptest.NewRecorder()
	if mux.ServeHTTP(w, httptest.NewRequest("GET", Path, nil)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("an office that is not enrolled: %d", w.Code)
	}
}
