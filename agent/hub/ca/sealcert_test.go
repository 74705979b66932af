package ca

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage/sqlite"
)

func (h *hub) issueSeal(t *testing.T, q SealRequest) (cert *x509.Certificate, err error) {
	t.Helper()
	err = h.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		cert, err = h.IssueSeal(tx, h.reg, q)
		return err
	})
	return cert, err
}

func TestP7_AFurtherSealSaysWhatTheHubVouchesFor(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{TTL: DefaultInviteLife}, "H40.12", "H40.15")
	k := newKeys(t)
	if _, err := h.redeem(t, request(t, made[0], k)); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	good := SealRequest{Code: "h40.12", Request: csr(t, key), Role: seal.RoleLeader, Person: " Nguyễn Văn A ", By: "cli"}
	cert, err := h.issueSeal(t, good)
	if err != nil {
		t.Fatal(err)
	}
	role, person := seal.SignerOf(cert)
	if role != seal.RoleLeader || person != "Nguyễn Văn A" || cert.Subject.SerialNumber != "H40.12" || !seal.IsSealCert(cert) ||
		!key.PublicKey.Equal(cert.PublicKey) || cert.CheckSignatureFrom(h.Root.Cert) != nil || len(cert.ExtKeyUsage) != 1 {
		t.Errorf("the certificate is of %s, %s %q", cert.Subject, role, person)
	}
	if n := h.actions(t)[actionCertificate]; n < 3 {
		t.Errorf("%d certificates are in the audit log", n)
	}
	for name, tt := range map[string]struct {
		change func(*SealRequest)
		code   string
	}{
		"unknown role":      {func(q *SealRequest) { q.Role = "king" }, "hub.seal-role"},
		"leader, no person": {func(q *SealRequest) { q.Person = " " }, "hub.seal-no-person"},
		"long person":       {func(q *SealRequest) { q.Person = strings.Repeat("a", MaxPerson+1) }, "hub.seal-person"},
		"control character": {func(q *SealRequest) { q.Person = "A\x00B" }, "hub.seal-person"},
		"unknown office":    {func(q *SealRequest) { q.Code = "H40.99" }, "hub.no-office"},
		"not enrolled":      {func(q *SealRequest) { q.Code = "H40.15" }, "hub.seal-not-ours"},
		"the hub itself":    {func(q *SealRequest) { q.Code = "H40" }, "hub.seal-not-ours"},
		"no request":        {func(q *SealRequest) { q.Request = []byte("x") }, "enroll.request"},
		"huge request":      {func(q *SealRequest) { q.Request = make([]byte, MaxSealRequest+1) }, "enroll.request"},
	} {
		q := good
		tt.change(&q)
		var p *problem.Problem
		if _, err := h.issueSeal(t, q); !errors.As(err, &p) || p.Code != tt.code {
			t.Errorf("%s: %v, want the problem %s", name, err, tt.code)
		}
	}
	if _, err := h.redeem(t, request(t, made[1], newKeys(t))); err != nil {
		t.Fatal(err)
	}
	q := good
	q.Code = "H40.15"
	var p *problem.Problem
	if _, err := h.issueSeal(t, q); !errors.As(err, &p) || p.Code != "enroll.shared-key" {
		t.Errorf("one key for two offices: %v", err)
	}
}
