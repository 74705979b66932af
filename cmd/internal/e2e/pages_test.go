package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"tram/cmd/internal/world"
	"tram/sync/linktest"
)

// TestPagesBeyondLoopbackAnswerABrowser that would rather speak HTTP/2, by the
// program as it is shipped.
func TestPagesBeyondLoopbackAnswerABrowser(t *testing.T) {
	t.Parallel()
	port := func() string {
		_, port, err := net.SplitHostPort(linktest.FreeAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	ui, documents := port(), port()
	startHub(t, world.Options{Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"}, Offices: []world.Spec{{
		Code: codeA, Name: "UBND xã An Bình", UI: "0.0.0.0:" + ui,
		Env: []string{"TRAM_UI_DOCUMENTS=0.0.0.0:" + documents, "TRAM_UI_NAMES=tram.lan"},
	}}})
	browser := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "tram.lan"}, //nolint:gosec
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1:"+ui+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "tram.lan:" + ui
	req.Header.Set("Accept", "text/html")
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		r.URL.Host, r.Host = "127.0.0.1:"+ui, "tram.lan:"+ui
		return nil
	}
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "UBND xã An Bình") {
		t.Errorf("%s, %s, error %v:\n%.300s", resp.Proto, resp.Status, err, body)
	}
}
