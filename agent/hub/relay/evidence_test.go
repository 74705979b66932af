package relay_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// witness gives the stage's hub a seal and a time stamp key under a CA.
func (s *stage) witness(code string) *x509.CertPool {
	s.t.Helper()
	ca, key, stamp := newKey(s.t), newKey(s.t), newKey(s.t)
	issue := func(c, by *x509.Certificate, of, signer *ecdsa.PrivateKey) *x509.Certificate {
		c.NotBefore, c.NotAfter, c.BasicConstraintsValid = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0), true
		der, err := x509.CreateCertificate(rand.Reader, c, by, &of.PublicKey, signer)
		must(s.t, err)
		cert, err := x509.ParseCertificate(der)
		must(s.t, err)
		return cert
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA " + code}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	root := issue(template, template, ca, ca)
	usage, err := tsa.Usage()
	must(s.t, err)
	o := s.relay.Options()
	o.Seal = &seal.Sealer{Key: key, Cert: issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), KeyUsage: x509.KeyUsageDigitalSignature,
		Subject: pkix.Name{CommonName: "Trạm " + code, SerialNumber: code, OrganizationalUnit: []string{"seal"}},
	}, root, key, ca)}
	o.Stamps = &tsa.Authority{Key: stamp, Policy: tsa.ReservePolicy, Cert: issue(&x509.Certificate{
		SerialNumber: big.NewInt(3), KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage},
	}, root, stamp, ca)}
	s.relay = relay.New(o)
	s.queue.SetHooks(hooks(s))
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}

// testified gives what the hub tells an office, as "event:office:reason".
func (s *stage) testified(office string, id storage.ID, roots *x509.CertPool) (list []string, stamps []relay.Stamped) {
	s.t.Helper()
	must(s.t, s.relay.Testify(s.t.Context()))
	for _, out := range s.outgoing(office) {
		if bundle.Kind(out.Kind) != bundle.KindNotice {
			continue
		}
		var n relay.Notice
		must(s.t, json.Unmarshal(s.read(out, office), &n))
		stamps = append(stamps, n.Stamps...)
		for _, head := range n.Evidence {
			r, err := evidence.Open(head, seal.Only(roots), time.Now())
			must(s.t, err)
			if r.Document != id || r.From != "A" {
				s.t.Errorf("evidence about %s of %s", r.Document, r.From)
			}
			for _, e := range r.Events {
				list = append(list, fmt.Sprintf("%s:%s:%s", e.Name, e.Office, e.Reason))
			}
		}
	}
	return list, stamps
}

func TestP10_TheHubTestifiesWhatItTookAndDelivered(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := s.witness(hubCode)
	id := s.arrive("B")
	s.routed()
	if got, _ := s.testified("A", id, roots); !slices.Equal(got, []string{"SubmissionAcceptance::"}) {
		t.Errorf("the sender is told %q", got)
	}
	if got, _ := s.testified("B", id, roots); len(got) != 0 {
		t.Errorf("the recipient is told %q of a document that it does not have", got)
	}
	s.custody("B", id)
	if got, _ := s.testified("B", id, roots); !slices.Equal(got, []string{"SubmissionAcceptance::"}) {
		t.Errorf("the recipient is told %q", got)
	}
	if got, _ := s.testified("A", id, roots); !slices.Equal(got, []string{"SubmissionAcceptance::", "ContentConsignment:B:"}) {
		t.Errorf("the sender is told %q", got)
	}
}

func TestP10_SilenceIsTestified(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := s.witness(hubCode)
	id := s.arrive("B", "NOWHERE")
	s.routed()
	s.late = relay.DeliverBy[2] - time.Minute // of its urgency
	if got, _ := s.testified("A", id, roots); !slices.Equal(got, []string{"SubmissionAcceptance::", "ContentConsignmentFailure:NOWHERE:undeliverable"}) {
		t.Errorf("in time the sender is told %q", got)
	}
	s.late = relay.DeliverBy[2] + time.Minute
	want := []string{"SubmissionAcceptance::", "ContentConsignmentFailure:NOWHERE:undeliverable", "ContentConsignmentFailure:B:late"}
	for range 2 { // once
		if got, _ := s.testified("A", id, roots); !slices.Equal(got, want) {
			t.Errorf("late the sender is told %q", got)
		}
	}
	s.late = 40 * 24 * time.Hour
	must(t, s.relay.Expire(t.Context()))
	got, _ := s.testified("A", id, roots)
	if len(got) == 0 || got[len(got)-1] != "ContentConsignmentFailure:B:expired" {
		t.Errorf("at the end the sender is told %q", got)
	}
}

func TestARefusalIsTestified(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := s.witness(hubCode)
	id := s.arrive("B")
	s.routed()
	must(t, s.queue.Settle(t.Context(), "B", id, storage.Outcome{Code: uint16(wire.CodeTooLarge), Text: "too large", At: time.Now()}))
	if got, _ := s.testified("A", id, roots); !slices.Contains(got, "ContentConsignmentFailure:B:undeliverable") {
		t.Errorf("the sender is told %q", got)
	}
	if got, _ := s.testified("B", id, roots); len(got) != 0 {
		t.Errorf("the recipient is told %q of a document that it refused", got)
	}
}

func TestTheHubStampsTheSealOfItsOfficesOnly(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := s.witness(hubCode)
	s.stamp = [32]byte{7}
	id := s.arrive("B")
	s.routed()
	_, stamps := s.testified("A", id, roots)
	if len(stamps) != 1 || stamps[0].Document != id {
		t.Fatalf("stamps are %+v", stamps)
	}
	token, err := tsa.ParseToken(stamps[0].Token)
	must(t, err)
	if err := token.Verify(tsa.SHA256(s.stamp), tsa.Anchors{Roots: roots, Now: time.Now()}); err != nil || !token.Reserve() {
		t.Errorf("token: %v, reserve %v", err, token.Reserve())
	}
	if _, other := s.testified("B", id, roots); len(other) != 0 {
		t.Error("the recipient gets the sender's time stamp")
	}
}

func TestEvidenceOfAnotherHubGoesBackTheWayOfTheDocument(t *testing.T) {
	s := newStage(t, time.Time{})
	s.witness(hubCode)
	id := s.arrive("B")
	s.routed()
	head := s.foreign(id)
	must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return s.relay.TakeEvidence(tx, "LOWER", [][]byte{head, s.foreign(uuid.New())})
	}))
	must(t, s.relay.Testify(t.Context()))
	found := 0
	for _, out := range s.outgoing("A") {
		var n relay.Notice
		must(t, json.Unmarshal(s.read(out, "A"), &n))
		for _, e := range n.Evidence {
			if slices.Equal(e, head) {
				found++
			}
		}
	}
	if found != 1 {
		t.Errorf("the other hub's evidence was passed on %d times", found)
	}
}

// foreign is evidence of another hub.
func (s *stage) foreign(id storage.ID) []byte {
	s.t.Helper()
	other := newStage(s.t, time.Time{})
	other.witness("LOWER")
	head, err := evidence.Seal(evidence.Record{
		Document: id, From: "A", Witness: "LOWER", Events: []evidence.Event{{Name: evidence.RelayAcceptance, At: time.Now()}},
	}, *other.relay.Options().Seal)
	must(s.t, err)
	return head
}

// TestP10_AnOfficeWithoutKeysHoldsUpNobodysEvidence: one that was revoked has
// none until it enrols anew.
func TestP10_AnOfficeWithoutKeysHoldsUpNobodysEvidence(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := s.witness(hubCode)
	id := s.arrive("B")
	s.routed()
	s.custody("B", id)
	card, err := s.registry.Lookup("A")
	must(t, err)
	keyless := card
	keyless.Device, keyless.Recipient = nil, ""
	issue := func(c registry.Card) {
		must(t, s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := s.registry.Issue(tx, c, s.authority)
			return err
		}))
	}
	issue(keyless)
	if got, _ := s.testified("B", id, roots); !slices.Equal(got, []string{"SubmissionAcceptance::"}) {
		t.Errorf("the recipient is told %q", got)
	}
	issue(card)
	if got, _ := s.testified("A", id, roots); !slices.Equal(got, []string{"SubmissionAcceptance::", "ContentConsignment:B:"}) {
		t.Errorf("with keys again the sender is told %q", got)
	}
}
