package lan

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/problem"
)

// hubAuthority is the hub's authority for pages.
type hubAuthority struct {
	authority // that issues
	root      *x509.Certificate
}

func newHubAuthority(t *testing.T, change func(root, issuer *x509.Certificate)) hubAuthority {
	t.Helper()
	template := func(name string, below int) *x509.Certificate {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, MaxPathLen: below, MaxPathLenZero: below == 0,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(20 * 365 * 24 * time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		Confine(c)
		return c
	}
	root, issuer := template("gốc", 1), template("cấp", 0)
	if change != nil {
		change(root, issuer)
	}
	above, a := newAuthority(t), newAuthority(t)
	above.cert = nil
	above.cert = above.sign(root, above.key.Public())
	a.cert = above.sign(issuer, a.key.Public())
	return hubAuthority{a, above.cert}
}

// give issues for what k asks for.
func (a hubAuthority) give(k *Keeper, change func(*x509.Certificate)) []*x509.Certificate {
	a.t.Helper()
	request, _, err := k.HubRequest()
	if err != nil {
		a.t.Fatal(err)
	}
	leaf := a.answer(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), change)
	return []*x509.Certificate{leaf, a.cert, a.root}
}

func (a hubAuthority) install(k *Keeper) {
	a.t.Helper()
	if err := k.Take(a.give(k, nil), now); err != nil {
		a.t.Fatal(err)
	}
}

func TestTheHubsCertificateReplacesTheSelfMadeOneAndStays(t *testing.T) {
	dir := t.TempDir()
	k, a := keeper(t, dir, "tram", "192.168.1.5", "tram.local", "tram.gov.vn"), newHubAuthority(t, nil)
	own := k.State().Fingerprint
	if _, err := k.Root(); problem.From(err).Code != "lan.no-root" {
		t.Errorf("the root of a self-made certificate: %v", err)
	}
	if _, left, err := k.HubRequest(); err != nil || !slices.Equal(left, []string{"tram", "tram.gov.vn"}) {
		t.Errorf("left out: %v, %v", left, err)
	}
	a.install(k)
	for name, k := range map[string]*Keeper{"at once": k, "after a restart": keeper(t, dir, "tram", "192.168.1.5", "tram.local", "tram.gov.vn")} {
		s := k.State()
		if s.Source != Hub || !slices.Equal(s.Names, []string{"tram.local", "192.168.1.5"}) || s.Root != fingerprint(a.root) ||
			!slices.Equal(s.Uncovered, []string{"tram", "tram.gov.vn"}) {
			t.Errorf("%s: %+v", name, s)
		}
		if c, _ := k.current(); len(c.Certificate) != 2 {
			t.Errorf("%s: %d certificates are sent", name, len(c.Certificate))
		}
		for _, as := range []string{"192.168.1.5", "tram.local"} {
			if err := shakeHands(t, k, as, a.root); err != nil {
				t.Errorf("%s, as %s: %v", name, as, err)
			}
		}
		root, err := k.Root()
		if block, _ := pem.Decode(root); err != nil || block == nil || !slices.Equal(block.Bytes, a.root.Raw) {
			t.Errorf("%s: the root is %q, %v", name, root, err)
		}
		if k.Due() {
			t.Errorf("%s: another one is due", name)
		}
	}
	// A box that moved goes back to its own certificate until the hub has answered.
	moved := keeper(t, dir, "192.168.7.7")
	if s := moved.State(); s.Source != SelfMade || s.Fingerprint == own || s.Root != "" || !moved.Due() {
		t.Errorf("after a move: %+v, due %v", s, moved.Due())
	}
}

func TestWhatPeopleLookAfterIsNeverReplacedByTheHub(t *testing.T) {
	dir := t.TempDir()
	k, a, province := keeper(t, dir, "tram.local"), newHubAuthority(t, nil), newAuthority(t)
	a.install(k)
	request, err := k.Request()
	if err != nil {
		t.Fatal(err)
	}
	cert := province.answer(request, nil)
	if err := k.Install(encodeChain([]*x509.Certificate{cert, province.cert})); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keeper{"at once": k, "after a restart": keeper(t, dir, "tram.local")} {
		if err := k.Take(a.give(k, nil), now); err != nil {
			t.Error(err)
		}
		if s := k.State(); s.Source != Issued || s.Fingerprint != fingerprint(cert) || s.Root != "" || k.Due() {
			t.Errorf("%s: %+v, due %v", name, s, k.Due())
		}
	}
	files, err := Open(Options{Dir: t.TempDir(), Names: []string{"tram.local"}, CertPath: filepath.Join(dir, CertFile), KeyPath: filepath.Join(dir, KeyFile),
		Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Take(a.give(files, nil), now); err != nil || files.State().Source != Files || files.Due() {
		t.Errorf("files of the settings: %+v, %v, due %v", files.State(), err, files.Due())
	}
}

func TestWhenTheHubIsAsked(t *testing.T) {
	dir, a := t.TempDir(), newHubAuthority(t, nil)
	clock := now
	open := func(names ...string) *Keeper {
		t.Helper()
		k, err := Open(Options{Dir: dir, Names: names, Now: func() time.Time { return clock }})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := open("tram.local")
	a.install(k)
	life := a.give(k, nil)[0]
	whole := life.NotAfter.Sub(life.NotBefore)
	for name, c := range map[string]struct {
		at    time.Time
		names []string
		want  bool
	}{
		"fresh":                       {now, []string{"tram.local"}, false},
		"before two thirds":           {life.NotBefore.Add(whole*2/3 - time.Hour), []string{"tram.local"}, false},
		"after two thirds":            {life.NotBefore.Add(whole*2/3 + time.Hour), []string{"tram.local"}, true},
		"run out":                     {life.NotAfter.Add(time.Hour), []string{"tram.local"}, true},
		"the clock is dead":           {time.Unix(0, 0), []string{"tram.local"}, false},
		"another name":                {now, []string{"tram.local", "10.0.0.1"}, true},
		"another name, not coverable": {now, []string{"tram.local", "tram.gov.vn"}, false},
		"fewer names":                 {now, []string{"tram.local"}, false},
		"no name that can be given":   {now, []string{"tram.gov.vn"}, false},
	} {
		clock = c.at
		if got := open(c.names...).Due(); got != c.want {
			t.Errorf("%s: due %v", name, got)
		}
	}
}

// TestWhatTheHubGivesIsJudged: nothing of it is believed for itself, above all no
// root that PCs would have to trust with the internet.
func TestWhatTheHubGivesIsJudged(t *testing.T) {
	k, good := keeper(t, t.TempDir(), "tram.local", "192.168.1.5"), newHubAuthority(t, nil)
	foreign := keeper(t, t.TempDir(), "tram.local")
	before := k.State()
	_, all, err := net.ParseCIDR("0.0.0.0/0")
	if err != nil {
		t.Fatal(err)
	}
	from := func(change func(root, issuer *x509.Certificate)) []*x509.Certificate {
		return newHubAuthority(t, change).give(k, nil)
	}
	leaf := func(change func(*x509.Certificate)) []*x509.Certificate { return good.give(k, change) }
	chain := good.give(k, nil)
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		word  string
	}{
		"nothing":                    {nil, "0 certificates"},
		"without the root":           {chain[:2], "2 certificates"},
		"other key":                  {good.give(foreign, nil), "another key"},
		"an authority":               {leaf(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "more than a server"},
		"for mail":                   {leaf(func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b.vn"} }), "more than a server"},
		"no names":                   {leaf(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }), "names"},
		"a name more":                {leaf(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "khac.local") }), "names"},
		"for clients":                {leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "usage"},
		"run out":                    {leaf(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), "expired"},
		"another issuer":             {[]*x509.Certificate{newHubAuthority(t, nil).give(k, nil)[0], chain[1], chain[2]}, "another authority"},
		"another root":               {[]*x509.Certificate{chain[0], chain[1], newHubAuthority(t, nil).root}, "unknown authority"},
		"a root that is none":        {[]*x509.Certificate{chain[0], chain[1], chain[1]}, "the root is none"},
		"issuer open":                {from(func(_, c *x509.Certificate) { c.PermittedDNSDomains = nil }), "not confined"},
		"root open":                  {from(func(c, _ *x509.Certificate) { c.PermittedDNSDomains = nil }), "not confined"},
		"addresses open":             {from(func(c, _ *x509.Certificate) { c.PermittedIPRanges = nil }), "not confined"},
		"all addresses":              {from(func(_, c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{all} }), "not confined"},
		"a public domain":            {from(func(c, _ *x509.Certificate) { c.PermittedDNSDomains = append(c.PermittedDNSDomains, "vn") }), "not confined"},
		"constraints may be skipped": {from(func(c, _ *x509.Certificate) { c.PermittedDNSDomainsCritical = false }), "not confined"},
		"for signing programs":       {from(func(c, _ *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) }), "not confined"},
		"for everything":             {from(func(_, c *x509.Certificate) { c.ExtKeyUsage = nil }), "not confined"},
		"authorities below":          {from(func(_, c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false }), "not confined"},
	} {
		if err := k.Take(c.chain, now); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want %q", name, err, c.word)
		}
	}
	if s := k.State(); s.Fingerprint != before.Fingerprint || s.Source != SelfMade {
		t.Errorf("what was refused is in use: %+v", s)
	}
	if _, err := os.Stat(k.path(HubFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was refused was kept: %v", err)
	}
}

// TestDamagedFilesLeaveACertificate: after a cut or a fault of the disk there is
// always one.
func TestDamagedFilesLeaveACertificate(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  Source
	}{
		"hub's cut short":  {func(t *testing.T, dir string) { cut(t, filepath.Join(dir, HubFile)) }, SelfMade},
		"hub's empty":      {func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, HubFile), nil) }, SelfMade},
		"own cut short":    {func(t *testing.T, dir string) { cut(t, filepath.Join(dir, CertFile)) }, Hub},
		"key made anew":    {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, KeyFile)) }, SelfMade},
		"a stray new file": {func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, HubFile+".tmp"), []byte("x")) }, Hub},
	} {
		t.Run(name, func(t *testing.T) {
			dir, a := t.TempDir(), newHubAuthority(t, nil)
			a.install(keeper(t, dir, "tram.local"))
			c.spoil(t, dir)
			k := keeper(t, dir, "tram.local")
			if s := k.State(); s.Source != c.want || k.Due() != (c.want == SelfMade) {
				t.Errorf("%+v, due %v", s, k.Due())
			}
			a.install(k)
			if err := shakeHands(t, k, "tram.local", a.root); err != nil {
				t.Error(err)
			}
		})
	}
}

func cut(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, data[:len(data)/2])
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestNamesOfLocalNetworks is the table of agent/README.md.
func TestNamesOfLocalNetworks(t *testing.T) {
	for name, want := range map[string]bool{
		"10.0.0.1": true, "10.255.255.255": true, "11.0.0.1": false, "9.255.255.255": false,
		"172.16.0.1": true, "172.31.255.255": true, "172.32.0.1": false, "172.15.0.1": false,
		"192.168.0.1": true, "192.169.0.1": false, "169.254.1.1": true, "100.64.0.1": true, "100.127.255.255": true, "100.128.0.1": false,
		"127.0.0.1": true, "::1": true, "::2": false, "fd12::1": true, "fc00::1": true, "fe80::1": true, "febf::1": true, "fec0::1": false,
		"2001:db8::1": false, "203.113.0.1": false, "8.8.8.8": false, "0.0.0.0": false, "::": false, "255.255.255.255": false, "224.0.0.1": false,
		"fe80::1%eth0": false, "::ffff:10.0.0.1": false, "::ffff:8.8.8.8": false,
		"tram.lan": true, "tram.local": true, "a.b.internal": true, "tram.home.arpa": true, "xn--tram-x.lan": true, "1.local": true,
		"tram": false, "lan": false, "local": false, "home.arpa": false, "arpa": false, "tram.arpa": false, "tram.vn": false, "tram.gov.vn": false,
		"tram.lan.vn": false, "tramlan": false, "xlocal": false, "tram.xlocal": false, "local.example.com": false,
		"": false, ".lan": false, "tram..lan": false, "tram.lan.": false, "*.lan": false, "TRAM.LAN": false, "-a.lan": false, "a-.lan": false,
		"a_b.lan": false, "a b.lan": false, "a\x00.lan": false, "trạm.lan": false, "10.0.0.1.lan": true, "10.0.0": false, "1.1.1.1.1": false,
		strings.Repeat("a", 63) + ".lan": true, strings.Repeat("a", 64) + ".lan": false,
		strings.Repeat("a.", 124) + "x.lan": true, strings.Repeat("a.", 125) + "x.lan": false,
	} {
		if got := Covered(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// TestVerifiersAgreeOnLocalNetworks issues without asking Covered: where that
// says no, Go's verifier refuses what the authority has signed all the same.
func TestVerifiersAgreeOnLocalNetworks(t *testing.T) {
	a := newHubAuthority(t, nil)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.root)
	between.AddCert(a.cert)
	for _, name := range []string{"10.0.0.1", "192.168.1.5", "169.254.1.1", "100.64.0.1", "fd12::1", "fe80::1", "127.0.0.1", "::1",
		"tram.lan", "a.b.local", "tram.internal", "tram.home.arpa",
		"11.0.0.1", "203.113.0.1", "172.32.0.1", "2001:db8::1", "tram", "tram.vn", "tram.gov.vn", "lan.vn", "xlocal", "home.arpa.vn", "*.gov.vn"} {
		c := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if ip, err := netip.ParseAddr(name); err == nil {
			c.IPAddresses = []net.IP{ip.AsSlice()}
		} else {
			c.DNSNames = []string{name}
		}
		_, err := a.sign(c, a.key.Public()).Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
		if (err == nil) != Covered(name) {
			t.Errorf("%s: covered %v, Go says %v", name, Covered(name), err)
		}
	}
}
