package enroll

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/sqlite"
	"tram/sync/mqtt"
)

// enrolled is the data folder of an office of h.
func (h *hub) enrolled(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	r, err := Enroll(t.Context(), Options{Dir: dir, Invite: h.invite(t, ca.InviteOptions{}, code)[0]})
	if err != nil || r.State != Enrolled {
		t.Fatalf("%+v, %v", r, err)
	}
	return dir
}

// TestWhenABoxAsksByItself counts the requests of an hour and a half without a
// line to the enrolment port, by what is known of the line to the broker.
func TestWhenABoxAsksByItself(t *testing.T) {
	dir := newHub(t, "H40").enrolled(t, "H40.01")
	id := load(t, dir)
	unknown := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}, UnverifiedCertificates: []*x509.Certificate{newHub(t, "H41").Server().Cert}}
	refused := fmt.Errorf("connect: %w", mqtt.ErrRefused)
	const far = 90 * 24 * time.Hour
	for name, c := range map[string]struct {
		left   time.Duration // of the certificate's life at the start
		line   func(at time.Duration) (mqtt.Status, time.Duration)
		within time.Duration
		want   int
	}{
		"a good line": {far, func(time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Connected: true, Up: true}, 0
		}, 90 * time.Minute, 0},
		"no line": {far, func(time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Err: syscall.ECONNREFUSED}, 0
		}, 90 * time.Minute, 0},
		"refused": {far, func(time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Err: refused}, 0
		}, 10*time.Minute - time.Second, 10},
		"a broker of a CA that is not known": {far, func(time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Err: unknown}, 0
		}, 10*time.Minute - time.Second, 10},
		"refused, before another session was agreed": {far, func(time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Connected: true, Up: true, Err: refused}, 0
		}, 90 * time.Minute, 0},
		"no answer for nine minutes": {far, func(at time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Connected: true, Up: true}, at % (9 * time.Minute)
		}, 90 * time.Minute, 0},
		"no answer": {far, func(at time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Connected: true, Up: true}, at
		}, 65 * time.Minute, 6},
		"each connection is ended": {far, func(at time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Since: time.Now().Add(-at), Err: fmt.Errorf("read: %w", io.EOF)}, 0
		}, 35 * time.Minute, 3},
		"nearly over": {30 * 24 * time.Hour, func(time.Duration) (mqtt.Status, time.Duration) {
			return mqtt.Status{Connected: true, Up: true}, 0
		}, 10*time.Minute - time.Second, 10},
		"over, and the hub comes back": {-time.Hour, func(at time.Duration) (mqtt.Status, time.Duration) {
			if at < 22*time.Second {
				return mqtt.Status{Err: syscall.ECONNREFUSED}, 0
			}
			return mqtt.Status{Err: refused}, 0
		}, 30 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, asked := time.Now(), 0
				r := NewRenewer(RenewerOptions{
					Options: Options{
						Dir: dir, Now: func() time.Time { return id.DeviceCert.NotAfter.Add(time.Since(start) - c.left) },
						Dial: func(context.Context, string, string) (net.Conn, error) {
							asked++
							return nil, errors.New("network is unreachable")
						},
					},
					Identity: func() *identity.Identity { return id },
					Line:     func() (mqtt.Status, time.Duration) { return c.line(time.Since(start)) },
					Use:      func(Renewed) error { return nil },
				})
				ctx, cancel := context.WithTimeout(t.Context(), c.within)
				defer cancel()
				if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("ended with %v", err)
				}
				if asked != c.want {
					t.Errorf("asked %d times, want %d", asked, c.want)
				}
			})
		})
	}
}

// TestARefusalIsRememberedUntilTheHubTakesTheBox asks a hub that has revoked the
// box.
func TestARefusalIsRememberedUntilTheHubTakesTheBox(t *testing.T) {
	h := newHub(t, "H40")
	dir := h.enrolled(t, "H40.01")
	used := 0
	r := NewRenewer(RenewerOptions{Options: Options{Dir: dir}, Use: func(Renewed) error { used++; return nil }})
	if err := r.Ask(t.Context()); err != nil || used != 1 || r.Refusal() != nil {
		t.Fatalf("asked a hub that gives: %v, used %d times, refusal %v", err, used, r.Refusal())
	}
	if err := h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := h.Revoke(tx, h.reg, "H40.01", ca.ReasonLost, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, r.Ask(t.Context()), problem.Denied, "cert.revoked")
	if p := r.Refusal(); p == nil || p.Code != "cert.revoked" || used != 1 {
		t.Errorf("refusal is %v, used %d times", p, used)
	}
	r.Taken()
	if p := r.Refusal(); p != nil {
		t.Errorf("refusal is still %v", p)
	}
	r = NewRenewer(RenewerOptions{Options: Options{Dir: dir, Dial: dead}})
	wantProblem(t, r.Ask(t.Context()), problem.LinkDown, "enroll.unreachable")
	if p := r.Refusal(); p != nil {
		t.Errorf("without a line the refusal is %v", p)
	}
}
