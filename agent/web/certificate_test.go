package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tram/agent/lan"
	"tram/agent/problem"
)

// pagesCertificate is one of the hub when root is not "".
type pagesCertificate struct{ root string }

func (c pagesCertificate) State() lan.State {
	s := lan.State{Source: lan.SelfMade, Fingerprint: "AB:CD", Names: []string{"tram.local", "192.168.1.5"}, Issuer: "CN=Tram", Until: time.Date(2027, 12, 24, 3, 0, 0, 0, time.UTC)}
	if c.root != "" {
		s.Source, s.Root, s.Uncovered = lan.Hub, "12:34", []string{"tram.gov.vn"}
	}
	return s
}

func (c pagesCertificate) Root() ([]byte, error) {
	if c.root == "" {
		return nil, problem.New(problem.NotFound, "lan.no-root", "", nil)
	}
	return []byte(c.root), nil
}

func TestTheITOfficerIsOfferedTheRoot(t *testing.T) {
	b := start(t, false, fixed)
	it := b.as("it")
	if res, body := it.get("/chung-thu"); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "chỉ mở trên máy này") {
		t.Errorf("pages of this machine only: %d", res.StatusCode)
	}
	if _, body := it.get("/nguoi-dung"); strings.Contains(body, "/chung-thu") {
		t.Error("a way to a certificate that is not there")
	}
	b.site.Certificate = pagesCertificate{"-----BEGIN CERTIFICATE-----\n"}
	if _, body := it.get("/nguoi-dung"); !strings.Contains(body, `href="/chung-thu"`) {
		t.Error("no way to the certificate")
	}
	words := map[string][]string{
		"vi": {"trung tâm cấp", "chỉ tin thêm các trang có địa chỉ hoặc tên của mạng nội bộ", "Tải chứng thư gốc", "Không dành cho"},
		"en": {"given by the hub", "addresses and names of local networks alone", "Download the root", "Not for"},
	}
	for lang, want := range words {
		it.post("/ngon-ngu", url.Values{"lang": {lang}})
		_, body := it.get("/chung-thu")
		checkMarkup(t, "certificate in "+lang, body)
		for _, word := range append(want, "AB:CD", "12:34", "tram.local 192.168.1.5", "tram.gov.vn", "24/12/2027", `href="/chung-thu/goc.crt"`) {
			if !strings.Contains(body, word) {
				t.Errorf("in %s the page does not say %q", lang, word)
			}
		}
	}
	res, body := it.get("/chung-thu/goc.crt")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-x509-ca-cert" || body != "-----BEGIN CERTIFICATE-----\n" ||
		!strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment;") {
		t.Errorf("%d, %v, %q", res.StatusCode, res.Header, body)
	}

	b.site.Certificate = pagesCertificate{}
	it.post("/ngon-ngu", url.Values{"lang": {"vi"}})
	if _, body := it.get("/chung-thu"); !strings.Contains(body, "máy tự tạo") || strings.Contains(body, "goc.crt") {
		t.Errorf("of a self-made certificate: %s", body)
	}
	if res, body := it.get("/chung-thu/goc.crt"); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "không do trung tâm cấp") {
		t.Errorf("the root of a self-made certificate: %d", res.StatusCode)
	}
}
