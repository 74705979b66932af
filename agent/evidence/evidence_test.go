package evidence_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/evidence"
	"tram/agent/seal"
)

var at = time.Date(2026, 3, 2, 8, 30, 0, 123e6, time.UTC)

// hub makes a CA and the sealer of a hub under it.
func hub(t testing.TB, code string) (*x509.CertPool, seal.Sealer) {
	t.Helper()
	issue := func(c, by *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
		c.NotBefore, c.NotAfter, c.BasicConstraintsValid = at.AddDate(-1, 0, 0), at.AddDate(1, 0, 0), true
		der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	ca, key := newKey(t), newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	root := issue(template, template, ca, ca)
	cert := issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), KeyUsage: x509.KeyUsageDigitalSignature,
		Subject: pkix.Name{CommonName: "Trạm tỉnh", SerialNumber: code, OrganizationalUnit: []string{"seal"}},
	}, root, key, ca)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool, seal.Sealer{Key: key, Cert: cert, Now: func() time.Time { return at }}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func record() evidence.Record {
	return evidence.Record{
		Document: uuid.MustParse("0192f3a4-5b6c-7d8e-9f00-112233445566"), Header: [32]byte{1, 2, 3}, From: "H40.12", Witness: "H40",
		Events: []evidence.Event{
			{Name: evidence.SubmissionAcceptance, At: at},
			{Name: evidence.ContentConsignmentFailure, At: at.Add(time.Hour), Office: "H40.15", Reason: evidence.Undeliverable, Code: 6},
		},
	}
}

func TestASealedRecordSaysWhatItsWitnessWrote(t *testing.T) {
	roots, s := hub(t, "H40")
	head, err := evidence.Seal(record(), s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := evidence.Open(head, seal.Only(roots), at)
	if err != nil || !reflect.DeepEqual(got, record()) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := evidence.Peek(head); err != nil || !reflect.DeepEqual(got, record()) {
		t.Errorf("peeked %+v, %v", got, err)
	}
}

func TestNobodyTestifiesForAnother(t *testing.T) {
	roots, s := hub(t, "H40")
	strangers, _ := hub(t, "H40")
	_, other := hub(t, "H41")
	mine, err := evidence.Seal(record(), s)
	if err != nil {
		t.Fatal(err)
	}
	r := record()
	r.Witness = "H41"
	pretended, err := evidence.Seal(r, s)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := evidence.Seal(record(), other)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		head  []byte
		roots *x509.CertPool
	}{"in the name of H41": {pretended, roots}, "of H41 in the name of H40": {foreign, roots}, "under an unknown CA": {mine, strangers}, "nobody known": {mine, nil}} {
		if _, err := evidence.Open(c.head, seal.Only(c.roots), at); !errors.Is(err, evidence.ErrWitness) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range mine {
		altered := append([]byte(nil), mine...)
		altered[i] ^= 0x10
		if got, err := evidence.Open(altered, seal.Only(roots), at); err == nil && !reflect.DeepEqual(got, record()) {
			t.Errorf("byte %d: %+v passes", i, got)
		}
	}
}

func TestFailuresAreFinalUnlessLate(t *testing.T) {
	for reason, final := range map[evidence.Reason]bool{evidence.Late: false, evidence.Expired: true, evidence.Undeliverable: true} {
		e := evidence.Event{Name: evidence.RelayFailure, Reason: reason}
		if !e.Failed() || e.Final() != final {
			t.Errorf("%s: failed %v, final %v", reason, e.Failed(), e.Final())
		}
	}
	if e := (evidence.Event{Name: evidence.ContentConsignment}); e.Failed() || e.Final() {
		t.Error("a delivery counts as failed")
	}
}

func TestMalformedRecordsAreRefused(t *testing.T) {
	_, s := hub(t, "H40")
	for name, change := range map[string]func(*evidence.Record){
		"no document": func(r *evidence.Record) { r.Document = uuid.Nil },
		"no sender":   func(r *evidence.Record) { r.From = "" },
		"no events":   func(r *evidence.Record) { r.Events = nil },
		"too many":    func(r *evidence.Record) { r.Events = make([]evidence.Event, evidence.MaxEvents+1) },
		"no time":     func(r *evidence.Record) { r.Events[0].At = time.Time{} },
		"bad office":  func(r *evidence.Record) { r.Events[0].Office = "a\nb" },
	} {
		r := record()
		change(&r)
		if _, err := evidence.Seal(r, s); !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, raw := range []string{"", "{}", `{"v":2}`, "null", "[]", example + "x", strings.Repeat(" ", evidence.MaxRecord+1)} {
		if _, err := evidence.Decode([]byte(raw)); !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%.20q: %v", raw, err)
		}
	}
}

// example stands in agent/README.md.
const example = `{
 "v": 1,
 "document": "0192f3a4-5b6c-7d8e-9f00-112233445566",
 "header": "0102030000000000000000000000000000000000000000000000000000000000",
 "from": "H40.12",
 "witness": "H40",
 "events": [
  {
   "event": "SubmissionAcceptance",
   "at": "2026-03-02T08:30:00.123Z"
  },
  {
   "event": "ContentConsignmentFailure",
   "at": "2026-03-02T09:30:00.123Z",
   "office": "H40.15",
   "reason": "undeliverable",
   "code": 6
  }
 ]
}`

func TestP12_TheExampleOfTheREADMEIsARecord(t *testing.T) {
	r, err := evidence.Decode([]byte(example))
	if err != nil || !reflect.DeepEqual(r, record()) {
		t.Errorf("got %+v, %v", r, err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), example) {
		t.Error("agent/README.md lacks the example")
	}
	for _, name := range []evidence.Name{
		evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.RelayRejection, evidence.RelayFailure, evidence.ContentConsignment,
		evidence.ContentConsignmentFailure, evidence.ContentHandover, evidence.ConsignmentAcceptance, evidence.ConsignmentRejection,
	} {
		if !strings.Contains(string(readme), fmt.Sprintf("| `%s` |", name)) {
			t.Errorf("agent/README.md does not explain %s", name)
		}
	}
}

// FuzzDecode: hostile bytes give an error, never a panic.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"v":1,"events":[{"at":"x"}]}`))
	_, s := hub(f, "H40")
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := evidence.Decode(raw)
		if err != nil {
			return
		}
		if _, err := evidence.Seal(r, s); err != nil && len(raw) < evidence.MaxSealed/4 {
			t.Errorf("a record that was read cannot be sealed: %v", err)
		}
	})
}
