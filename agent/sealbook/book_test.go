package sealbook

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealkey"
	"tram/agent/sealkey/tokentest"
	"tram/storage/keystore"
)

// office is a data folder with an identity whose hub is in the test.
type office struct {
	t    *testing.T
	dir  string
	id   *identity.Identity
	root *ecdsa.PrivateKey
	now  time.Time
	book *Book
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), now: time.Now().Truncate(time.Second)}
	var err error
	if o.root, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Tram CA H40"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: o.now.AddDate(-1, 0, 0), NotAfter: o.now.AddDate(9, 0, 0),
	}
	root := o.sign(ca, ca, o.root.Public())
	o.id = &identity.Identity{Code: "H40.12", Name: "UBND xã An Bình", Seal: own, Trust: identity.Trust{CA: root, Hub: "H40", HubName: "UBND tỉnh Minh Sơn"}}
	o.id.SealCert = o.certify(own.Public(), nil)
	if err := keystore.MakeFolder(filepath.Join(o.dir, identity.Folder)); err != nil {
		t.Fatal(err)
	}
	o.book = New(Options{Dir: o.dir, Identity: identity.NewLive(o.id), Helper: tokentest.Program, Now: func() time.Time { return o.now }})
	t.Cleanup(func() { _ = o.book.Close() })
	return o
}

func (o *office) sign(template, parent *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	o.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, o.root)
	if err != nil {
		o.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		o.t.Fatal(err)
	}
	return cert
}

// certify is what the hub does; change makes it wrong.
func (o *office) certify(pub crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: o.now.AddDate(0, -1, 0), NotAfter: o.now.AddDate(2, 0, 0),
		Subject: pkix.Name{CommonName: "UBND xã An Bình", SerialNumber: "H40.12", OrganizationalUnit: []string{"seal"},
			ExtraNames: seal.SubjectOf(seal.RoleLeader, "Nguyễn Văn A")},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(template)
	}
	return o.sign(template, o.id.Trust.CA, pub)
}

// grant takes a seal's request to the hub and back.
func (o *office) grant(added Added, change func(*x509.Certificate)) error {
	return o.book.Certify(added.Name, o.certify(o.requested(added), change))
}

// grantFrom has this office's hub certify a seal of another book.
func (o *office) grantFrom(added Added, book *Book) error {
	return book.Certify(added.Name, o.certify(o.requested(added), nil))
}

func (o *office) requested(added Added) crypto.PublicKey {
	o.t.Helper()
	data, err := os.ReadFile(added.Request)
	if err != nil {
		o.t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil {
		o.t.Fatalf("the request is no good: %v", err)
	}
	return request.PublicKey
}

func wantProblem(t *testing.T, what string, err error, code string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("%s: %v, want the problem %s", what, err, code)
		return
	}
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		if strings.Contains(p.Message(lang)+p.Next(lang), "problem.") || strings.ContainsAny(p.Message(lang)+p.Next(lang), "{}") {
			t.Errorf("%s: %q %q", code, p.Message(lang), p.Next(lang))
		}
	}
}

func TestP7_ACertificateThatReceiversRefuseIsRefusedHere(t *testing.T) {
	o := newOffice(t)
	added, err := o.book.Add(t.Context(), NewSeal{Seal: Seal{Name: "con-dau", Kind: KindFile, Actions: []Action{ActionDocument}}, RSA: true})
	if err != nil || added.Cert != nil {
		t.Fatalf("adding: %+v, %v", added, err)
	}
	_, _, err = o.book.For(t.Context(), ActionDocument)
	wantProblem(t, "without certificate", err, "seal.no-certificate")
	for code, change := range map[string]func(*x509.Certificate){
		"usage":   func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"device"} },
		"office":  func(c *x509.Certificate) { c.Subject.SerialNumber = "H40.15" },
		"expired": func(c *x509.Certificate) { c.NotAfter = o.now.Add(-time.Minute) },
		"not-yet": func(c *x509.Certificate) { c.NotBefore = o.now.Add(time.Minute) },
	} {
		wantProblem(t, code, o.grant(added, change), "seal.certificate-"+code)
	}
	wantProblem(t, "encipherment only", o.grant(added, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), "seal.certificate-usage")
	stranger := newOffice(t) // of another hub with the same names
	if err := stranger.grantFrom(added, o.book); err != nil {
		wantProblem(t, "another hub", err, "seal.certificate-issuer")
	} else {
		t.Error("another hub's certificate is taken")
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, "other key", o.book.Certify("con-dau", o.certify(other.Public(), nil)), "seal.certificate-key")
	if err := o.grant(added, nil); err != nil {
		t.Fatal(err)
	}
	sealer, ok, err := o.book.For(t.Context(), ActionDocument)
	if err != nil || !ok {
		t.Fatalf("with a good one: %v", err)
	}
	head, err := sealer.Seal(seal.Named{Name: seal.MessageName, Data: []byte("<x/>")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if role, person, err := seal.HeadSigner(head); role != seal.RoleLeader || person != "Nguyễn Văn A" || err != nil {
		t.Errorf("the seal shows %s %q, %v", role, person, err)
	}

	// Time goes by.
	o.now = o.now.AddDate(2, 0, -10)
	if c := o.book.Conditions(); len(c) != 2 || c[0].Code != "seal-expiring" || c[0].Args["days"] != 10 {
		t.Errorf("ten days before its end: %+v", c) // the enrolment's ends as well
	}
	o.now = o.now.AddDate(0, 0, 11)
	_, _, err = o.book.For(t.Context(), ActionDocument)
	wantProblem(t, "after its end", err, "seal.certificate-expired")
	if c := o.book.Conditions(); len(c) != 1 || c[0].Code != "seal-expired" {
		t.Errorf("after its end: %+v", c)
	}
}

func TestEachActionHasOneSeal(t *testing.T) {
	o := newOffice(t)
	for _, name := range []string{"con-dau", "sao-y"} {
		added, err := o.book.Add(t.Context(), NewSeal{Seal: Seal{Name: name, Kind: KindFile, Actions: []Action{ActionDocument}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.grant(added, nil); err != nil {
			t.Fatal(err)
		}
	}
	chosen := func(a Action) string {
		s, err := o.book.chosen(a)
		if err != nil {
			t.Fatal(err)
		}
		return s.Name
	}
	if chosen(ActionDocument) != "sao-y" || chosen(ActionCopy) != "sao-y" {
		t.Error("the seal added last does not sign what it was added for, and copies with it")
	}
	for _, step := range []struct {
		name           string
		actions        []Action
		document, copy string
	}{
		{"con-dau", []Action{ActionDocument}, "con-dau", "con-dau"},
		{"sao-y", []Action{ActionCopy}, "con-dau", "sao-y"},
		{"con-dau", nil, Enrolled, "sao-y"},
		{Enrolled, []Action{ActionCopy}, Enrolled, Enrolled},
	} {
		if err := o.book.Use(step.name, step.actions); err != nil {
			t.Fatal(err)
		}
		if d, c := chosen(ActionDocument), chosen(ActionCopy); d != step.document || c != step.copy {
			t.Errorf("after %+v: documents %s, copies %s", step, d, c)
		}
	}
	if _, ok, err := o.book.For(t.Context(), ActionCopy); ok || err != nil {
		t.Errorf("the enrolment's seal is given out here: %v", err)
	}
	if err := o.book.Remove("sao-y"); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder(o.dir), "sao-y*")); len(left) > 0 {
		t.Errorf("files of a removed seal are left: %v", left)
	}
	list, err := o.book.List()
	if err != nil || len(list) != 2 || list[0].Name != Enrolled || !slices.Equal(list[0].Actions, Actions) || list[0].Fault != nil {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

func TestMain(m *testing.M) { os.Exit(tokentest.Main(m)) }

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// A token is added, its PIN entered, and it is taken out and put back while the
// office runs.
func TestASealOnATokenThroughTheDay(t *testing.T) {
	const pin, library = "246810", "/usr/lib/softhsm/libsofthsm2.so"
	o := newOffice(t)
	work := t.TempDir()
	tokens, conf := filepath.Join(work, "tokens"), filepath.Join(work, "softhsm2.conf")
	if err := errors.Join(os.Mkdir(tokens, 0o700), os.WriteFile(conf, []byte("directories.tokendir = "+tokens+"\nlog.level = ERROR\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	tool(t, "softhsm2-util", "--init-token", "--free", "--label", "Con dau", "--pin", pin, "--so-pin", "13579000")
	tool(t, "pkcs11-tool", "--module", library, "--login", "--pin", pin, "--keypairgen", "--key-type", "rsa:2048", "--id", "0a", "--label", "seal")
	ask := func() ([]byte, error) { return []byte(pin), nil }
	token := Seal{Name: "con-dau", Kind: KindPKCS11, Module: library, Actions: []Action{ActionDocument}}
	_, err := o.book.Add(t.Context(), NewSeal{Seal: token, Ask: func() ([]byte, error) { return []byte("999999"), nil }})
	wantProblem(t, "added with a wrong PIN", err, "seal.pin-wrong-few")
	added, err := o.book.Add(t.Context(), NewSeal{Seal: token, Ask: ask})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.grant(added, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = o.book.For(t.Context(), ActionDocument)
	wantProblem(t, "in the morning", err, "seal.pin-needed")
	codes := func() (found []string) {
		o.book.look(t.Context())
		for _, c := range o.book.Conditions() {
			found = append(found, c.Code)
		}
		return found
	}
	if c := codes(); !slices.Equal(c, []string{"seal-waits-for-pin"}) {
		t.Errorf("in the morning: %v", c)
	}
	if err := o.book.Unlock(t.Context(), "con-dau", []byte(pin), false); err != nil {
		t.Fatal(err)
	}
	sealed := func() error {
		sealer, ok, err := o.book.For(t.Context(), ActionDocument)
		if err != nil {
			return err
		}
		_, err = sealer.Seal(seal.Named{Name: seal.MessageName, Data: []byte("<x/>")}, nil)
		return errors.Join(err, map[bool]error{false: errors.New("not its own seal")}[ok])
	}
	if err := sealed(); err != nil || len(codes()) > 0 {
		t.Errorf("unlocked: %v, %v", err, codes())
	}
	if err := os.Rename(tokens, tokens+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	first := sealed()
	if second := sealed(); first == nil && second == nil {
		t.Error("it seals without its token")
	}
	if c := codes(); !slices.Equal(c, []string{"seal-token-missing"}) {
		t.Errorf("taken out: %v", c)
	}
	if err := errors.Join(os.Remove(tokens), os.Rename(tokens+".away", tokens)); err != nil {
		t.Fatal(err)
	}
	if err := sealed(); err != nil || len(codes()) > 0 {
		t.Errorf("put back: %v, %v", err, codes())
	}
	if tested, err := o.book.Test(context.WithoutCancel(t.Context()), "con-dau", ask); err != nil || tested.Took <= 0 {
		t.Errorf("the test: %+v, %v", tested, err)
	}
}

func TestEveryFaultOfAKeyHasItsWords(t *testing.T) {
	for _, err := range []error{
		sealkey.ErrAbsent, sealkey.ErrNoKey, sealkey.ErrAmbiguous, sealkey.ErrTimeout, sealkey.ErrHelper, sealkey.ErrUnsuited,
		sealkey.ErrPassword, sealkey.ErrFormat, sealkey.ErrSource, errors.New("else"),
	} {
		var p *problem.Problem
		if errors.As(Explain("x", fmt.Errorf("a: %w", err)), &p) {
			wantProblem(t, err.Error(), p, p.Code)
		}
	}
	for _, state := range []sealkey.PINState{sealkey.PINNeeded, sealkey.PINWrong, sealkey.PINSpared, sealkey.PINLocked} {
		for _, tries := range []string{"", "many", "few", "last", "none"} {
			var p *problem.Problem
			if errors.As(Explain("x", &sealkey.PINError{State: state, Tries: tries}), &p) {
				wantProblem(t, string(state)+tries, p, p.Code)
			}
		}
	}
	if Explain("x", nil) != nil {
		t.Error("nothing wrong is explained")
	}
}

func FuzzParseBook(f *testing.F) {
	f.Add([]byte(`{"version":1,"seals":[{"name":"con-dau","kind":"pkcs11","actions":["document"],"module":"/l.so"}]}`))
	f.Add([]byte(`{"version":1,"seals":[{"name":"a","kind":"file"},{"name":"a","kind":"file"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		seals, err := parseBook(data)
		if err != nil {
			return
		}
		for _, s := range seals {
			if !filepath.IsLocal(s.Name) || strings.ContainsAny(s.Name, `/\.`) {
				t.Errorf("a name that leaves its folder: %q", s.Name)
			}
		}
	})
}
