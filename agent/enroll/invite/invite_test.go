package invite

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"tram/sync/bundle"
)

func newAuthority(t testing.TB) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func sample(cert *x509.Certificate) *Invite {
	return &Invite{
		ID: ID{1, 2}, Secret: Secret{3, 4}, Code: "H40.01", Name: "UBND xã Kỳ Sơn", Parent: "H40", Kind: "xa", Hub: "H40", HubName: "UBND tỉnh",
		Enroll: []string{"tram.example.vn:8884", "[2001:db8::1]:8884"}, MQTT: []string{"10.0.0.1:8883"}, CA: sha256.Sum256([]byte("ca")),
		NotBefore: time.Unix(1700000000, 0).UTC(), NotAfter: time.Unix(1800000000, 0).UTC(), Authority: cert,
	}
}

func TestInviteComesBackAndIsMadeTheSameAgain(t *testing.T) {
	key, cert := newAuthority(t)
	want := sample(cert)
	raw, err := Sign(want, key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got.NotAfter) != fmt.Sprintf("%+v", want.NotAfter) || got.ID != want.ID || got.Secret != want.Secret || got.Code != want.Code ||
		got.Name != want.Name || !slices.Equal(got.Enroll, want.Enroll) || !slices.Equal(got.MQTT, want.MQTT) || got.CA != want.CA || !got.Authority.Equal(cert) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	again, err := Sign(got, key)
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("signed again it differs: %v", err)
	}
	if len(raw) > 1200 {
		t.Errorf("an invite has %d bytes, too many for a QR code", len(raw))
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	inv := sample(nil)
	for _, text := range []string{fmt.Sprint(inv.Secret), fmt.Sprintf("%v %+v %#v %s", inv, inv, inv.Secret, inv.Secret)} {
		if strings.Contains(text, "3 4 0") || strings.Contains(text, "0x3") || strings.Contains(text, "0304") {
			t.Errorf("the secret shows: %s", text)
		}
	}
}

func TestSignChecksWhatItSigns(t *testing.T) {
	key, cert := newAuthority(t)
	tests := map[string]func(*Invite){
		"code":        func(i *Invite) { i.Code = "a/b" },
		"name":        func(i *Invite) { i.Name = "" },
		"parent":      func(i *Invite) { i.Parent = "#" },
		"kind":        func(i *Invite) { i.Kind = "a\nb" },
		"hub":         func(i *Invite) { i.Hub = "" },
		"hub name":    func(i *Invite) { i.HubName = "" },
		"enroll":      func(i *Invite) { i.Enroll = nil },
		"mqtt":        func(i *Invite) { i.MQTT = []string{"host"} },
		"port":        func(i *Invite) { i.MQTT = []string{"host:0"} },
		"host":        func(i *Invite) { i.MQTT = []string{"a/b:1"} },
		"too many":    func(i *Invite) { i.MQTT = slices.Repeat([]string{"a:1"}, MaxEndpoints+1) },
		"ends early":  func(i *Invite) { i.NotAfter = i.NotBefore.Add(-time.Second) },
		"before 1970": func(i *Invite) { i.NotBefore = time.Unix(-1, 0) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			inv := sample(cert)
			change(inv)
			if _, err := Sign(inv, key); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseNamesTheVersion(t *testing.T) {
	key, _ := newAuthority(t)
	data, err := encoding.Marshal(map[int]any{1: 2, 99: "later"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bundle.SignCOSE(bundle.AADInvite, data, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(raw); !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
}

func TestSignaturesOfOtherPurposesAreNoInvites(t *testing.T) {
	key, cert := newAuthority(t)
	raw, err := Sign(sample(cert), key)
	if err != nil {
		t.Fatal(err)
	}
	data, err := bundle.PayloadCOSE(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, aad := range []string{bundle.AADCard, bundle.AADHeader, bundle.AADReceipt, answerAAD} {
		other, err := bundle.SignCOSE(aad, data, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(other); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", aad, err)
		}
	}
}

func goodRequest(t testing.TB) *Request {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Invite: ID{9}, Code: "H40.01", DeviceCSR: []byte("device"), SealCSR: []byte("seal"), Recipient: id.Recipient().String(),
		Time: time.Unix(1700000000, 0).UTC()}
	if err := r.Prove(Secret{1}, [32]byte{2}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRequestComesBackAndIsProven(t *testing.T) {
	r := goodRequest(t)
	body, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Proven(Secret{1}, [32]byte{2}) {
		t.Error("not proven")
	}
	if got.Proven(Secret{2}, [32]byte{2}) || got.Proven(Secret{1}, [32]byte{3}) {
		t.Error("proven with another secret or CA")
	}
	// Values that run into each other must not look alike.
	moved := *got
	moved.DeviceCSR, moved.SealCSR = []byte("devices"), []byte("eal")
	if moved.Proven(Secret{1}, [32]byte{2}) {
		t.Error("the transcript is ambiguous")
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	body, err := goodRequest(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		field string
		value any
		want  error
	}{
		"version":       {"version", 2, ErrVersion},
		"short invite":  {"invite", "00", ErrMalformed},
		"invite no hex": {"invite", strings.Repeat("x", 32), ErrMalformed},
		"code":          {"code", "a+b", ErrMalformed},
		"no device":     {"device_csr", "", ErrMalformed},
		"large seal":    {"seal_csr", make([]byte, MaxCSR+1), ErrMalformed},
		"recipient":     {"recipient", "age1abc", ErrMalformed},
		"time":          {"time", int64(1) << 60, ErrMalformed},
		"negative time": {"time", -1, ErrMalformed},
		"proof":         {"proof", []byte{1}, ErrMalformed},
		"wrong type":    {"proof", 1.5, ErrMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			m[tt.field] = tt.value
			changed, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeRequest(changed); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	got := Fingerprint(sha256.Sum256(nil))
	if want := "e3b0 c442 98fc 1c14 9afb f4c8 996f b924"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWords has the examples of the paper: 127.0.0.1 and 63.84.220.193.
func TestWords(t *testing.T) {
	sum := [32]byte{127, 0, 0, 1, 63, 84, 220, 193}
	if got, want := Words(sum), "lusab babad gutih tugad babab babab"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// seed has a fuzzer begin with a signed thing, its payload, and the least
// COSE_Sign1.
func seed(f *testing.F, raw []byte) {
	f.Helper()
	data, err := bundle.PayloadCOSE(raw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(data)
	f.Add([]byte{0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x40, 0x40})
}

func FuzzParseInvite(f *testing.F) {
	key, cert := newAuthority(f)
	raw, err := Sign(sample(cert), key)
	if err != nil {
		f.Fatal(err)
	}
	seed(f, raw)
	f.Fuzz(func(t *testing.T, in []byte) {
		if inv, err := Parse(in); err == nil && (inv.Authority == nil || len(inv.Enroll) == 0) {
			t.Fatalf("accepted %+v", inv)
		}
		// The payload alone, so that fuzzing gets behind the signature.
		var p payload
		if decode(in, &p) != nil {
			return
		}
		inv, err := p.invite()
		if err != nil {
			return
		}
		inv.Authority = cert
		again, err := Sign(inv, key)
		if err != nil {
			t.Fatalf("%+v does not sign again: %v", inv, err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("%+v does not parse again: %v", inv, err)
		}
	})
}

// FuzzParseRenewal: what is taken is signed by the certificate inside.
func FuzzParseRenewal(f *testing.F) {
	key, cert := newAuthority(f)
	for _, seal := range []*x509.Certificate{nil, cert} {
		raw, err := (&Renewal{Certificate: cert, Seal: seal, Time: time.Unix(1, 0)}).Sign(key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ParseRenewal(in)
		if err != nil {
			return
		}
		if r.Certificate == nil || r.Transcript() != sha256.Sum256(in) {
			t.Fatalf("accepted %+v", r)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	body, err := goodRequest(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"version":2,"invite":null}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := DecodeRequest(in)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		r2, err := DecodeRequest(again)
		if err != nil {
			t.Fatalf("%s does not decode again: %v", again, err)
		}
		one, err := r.Transcript([32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if two, err := r2.Transcript([32]byte{}); err != nil || one != two {
			t.Fatalf("transcripts differ: %v", err)
		}
	})
}
