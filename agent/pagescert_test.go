package agent_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"tram/agent/config"
	"tram/agent/lan"
	"tram/agent/problem"
)

// onLAN has the pages of office A served to its network under names.
func (p *province) onLAN(names ...string) {
	p.settings = func(code string, c *config.Office) {
		if code == codeA {
			c.UI.Address, c.UI.Names = "0.0.0.0:0", names
		}
	}
}

func (b *box) pages() lan.State {
	b.p.t.Helper()
	s, err := b.api.Status(b.p.t.Context())
	if err != nil {
		b.p.t.Fatal(err)
	}
	if s.Pages == nil {
		b.p.t.Fatal("the pages have no certificate")
	}
	return *s.Pages
}

// visit opens the pages by name, as a PC that trusts the root that the box hands
// out.
func (b *box) visit(name string) error {
	b.p.t.Helper()
	s, err := b.api.Status(b.p.t.Context())
	if err != nil {
		b.p.t.Fatal(err)
	}
	at, err := url.Parse(s.UI)
	if err != nil {
		b.p.t.Fatal(err)
	}
	root, err := b.api.LANRoot(b.p.t.Context())
	if err != nil {
		b.p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	pc := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+at.Port())
		},
	}}
	defer pc.CloseIdleConnections()
	resp, err := pc.Get("https://" + net.JoinHostPort(name, at.Port()) + "/dang-nhap")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.p.t.Errorf("the pages answer %s", resp.Status)
	}
	return nil
}

// TestPagesGetTheHubsCertificateByThemselves: nobody signs anything by hand; the
// box goes on with what it has while there is no hub, and asks when its names
// change.
func TestPagesGetTheHubsCertificateByThemselves(t *testing.T) {
	p := found(t)
	p.onLAN("tram.xa.local", "tram.gov.vn")
	p.startHub()
	a := p.join(codeA)
	p.eventually("the hub's certificate", func() bool { return a.pages().Source == lan.Hub })
	first := a.pages()
	if !slices.Contains(first.Names, "tram.xa.local") || !slices.Contains(first.Uncovered, "tram.gov.vn") || first.Root == "" {
		t.Errorf("%+v", first)
	}
	if err := a.visit("tram.xa.local"); err != nil {
		t.Error(err)
	}
	if err := a.visit("tram.gov.vn"); err == nil {
		t.Error("a name that is not covered is trusted")
	}
	p.stopHub()
	a.end(t)
	a.reopen()
	if s := a.pages(); s.Fingerprint != first.Fingerprint || s.Source != lan.Hub {
		t.Errorf("without a hub: %+v", s)
	}
	a.end(t)
	p.onLAN("tram.lan")
	a.reopen()
	p.startHub()
	p.eventually("a certificate for the new name", func() bool { return slices.Contains(a.pages().Names, "tram.lan") && a.pages().Source == lan.Hub })
	if s := a.pages(); s.Root != first.Root {
		t.Error("the root is another one after a restart of the hub")
	}
	if err := a.visit("tram.lan"); err != nil {
		t.Error(err)
	}
}

func TestPagesOfThisMachineAskForNoCertificate(t *testing.T) {
	p := found(t)
	p.startHub()
	b := p.join(codeB)
	if _, err := b.api.LANRoot(t.Context()); problem.From(err).Code != "lan.none" {
		t.Errorf("a root of nothing: %v", err)
	}
}
