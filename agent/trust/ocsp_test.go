package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"tram/agent/docsign"
)

// service is an OCSP service of an authority.
type service struct {
	*httptest.Server
	asked  int
	answer ocsp.Response // of which the serial number is that of the question
	fails  bool
}

func serveOCSP(t *testing.T, by *node) *service {
	s := &service{answer: ocsp.Response{Status: ocsp.Good, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked++
		if s.fails {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		q, err := ocsp.ParseRequest(raw)
		if err != nil {
			t.Error(err)
			return
		}
		answer := s.answer
		answer.SerialNumber = q.SerialNumber
		der, err := ocsp.CreateResponse(by.cert, by.cert, answer, by.key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(der)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestOCSPIsAskedOnceAndASilentServiceIsLeftAlone(t *testing.T) {
	root := issue(t, nil, "root", 1)
	good, bad := serveOCSP(t, root), serveOCSP(t, root)
	bad.fails = true
	allowed := true
	a := newAsker(func() bool { return allowed }, time.Now)
	leaf := issue(t, root, "leaf", 3, ocspAt(bad.URL, good.URL))
	for range 3 {
		if der, err := a.ask(t.Context(), leaf.cert, root.cert); err != nil || len(der) == 0 {
			t.Fatal(err)
		}
	}
	other := issue(t, root, "other", 4, ocspAt(bad.URL, good.URL))
	if _, err := a.ask(t.Context(), other.cert, root.cert); err != nil {
		t.Fatal(err)
	}
	if good.asked != 2 || bad.asked != 1 {
		t.Errorf("asked %d times, the silent one %d times", good.asked, bad.asked)
	}
	a.retry()
	if !a.isQuiet(bad.Listener.Addr().String()) {
		t.Error("a line that comes up right after a failure makes it be asked again")
	}
	allowed = false
	if _, err := a.ask(t.Context(), issue(t, root, "third", 5, ocspAt(good.URL)).cert, root.cert); !errors.Is(err, errSilent) {
		t.Errorf("asked though it may not: %v", err)
	}
	allowed = true
	for _, odd := range []string{"file:///etc/passwd", "ldap://ca/", "http://user:secret@" + good.Listener.Addr().String(), "http:///x", ":"} {
		if _, err := a.ask(t.Context(), issue(t, root, "odd", 6, ocspAt(odd)).cert, root.cert); !errors.Is(err, errSilent) || good.asked != 2 {
			t.Errorf("asked %s: %v", odd, err)
		}
	}
}

// TestAnAnswerThatSaysNothingIsNoneAndTheListIsFetched asks services that answer
// with something of no use.
func TestAnAnswerThatSaysNothingIsNoneAndTheListIsFetched(t *testing.T) {
	for name, answer := range map[string]ocsp.Response{
		"unknown":         {Status: ocsp.Unknown, ThisUpdate: time.Now()},
		"from the future": {Status: ocsp.Good, ThisUpdate: time.Now().Add(time.Hour), NextUpdate: time.Now().Add(2 * time.Hour)},
		"run out":         {Status: ocsp.Good, ThisUpdate: time.Now().Add(-3 * time.Hour), NextUpdate: time.Now().Add(-2 * time.Hour)},
		"old, no end":     {Status: ocsp.Good, ThisUpdate: time.Now().Add(-2 * docsign.RevocationAge)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := serveOCSP(t, w.root)
			o.answer = answer
			leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"), func(c *x509.Certificate) { c.OCSPServer = []string{o.URL} })
			w.serve(w.root.crl(t, time.Now()))
			e := w.lookup(leaf)
			if len(e) != 1 || e[0].CRL == nil || o.asked != 1 {
				t.Errorf("got %v after %d questions", e, o.asked)
			}
			if e = w.lookup(leaf); len(e) != 1 || o.asked != 1 {
				t.Errorf("asked again at once: %d times", o.asked)
			}
		})
	}
}

func TestARevokedAnswerCountsHoweverOld(t *testing.T) {
	w := newWorld(t)
	o := serveOCSP(t, w.root)
	o.answer = ocsp.Response{Status: ocsp.Revoked, RevokedAt: time.Now().Add(-9 * time.Hour), ThisUpdate: time.Now().Add(-3 * time.Hour), NextUpdate: time.Now().Add(-2 * time.Hour)}
	leaf := issue(t, w.root, "leaf", 7, ocspAt(o.URL))
	if e := w.lookup(leaf); len(e) != 1 || e[0].Origin != docsign.OriginNetwork {
		t.Errorf("got %v", e)
	}
}

// TestAServiceThatHangsIsLeftAlone although the check that found it out had less
// time than a question has; one that had none at all says nothing of it.
func TestAServiceThatHangsIsLeftAlone(t *testing.T) {
	root := issue(t, nil, "root", 1)
	free := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-free }))
	defer hangs.Close()
	defer close(free)
	host := hangs.Listener.Addr().String()
	leaf := issue(t, root, "leaf", 3, ocspAt(hangs.URL))
	a := newAsker(func() bool { return true }, time.Now)
	for patience, quiet := range map[time.Duration]bool{0: false, askTimeout/2 + 200*time.Millisecond: true} {
		ctx, stop := context.WithTimeout(t.Context(), patience)
		if _, err := a.ask(ctx, leaf.cert, root.cert); err == nil || a.isQuiet(host) != quiet {
			t.Errorf("after %v: error %v, left alone %v", patience, err, a.isQuiet(host))
		}
		stop()
		a.heard(host)
	}
}

func TestAnAnswerSparesTheList(t *testing.T) {
	w := newWorld(t)
	o := serveOCSP(t, w.root)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"), func(c *x509.Certificate) { c.OCSPServer = []string{o.URL} })
	w.serve(w.root.crl(t, time.Now()))
	if e := w.lookup(leaf); len(e) != 1 || e[0].OCSP == nil || len(w.requests()) != 0 {
		t.Errorf("got %v, and %d requests for the list", e, len(w.requests()))
	}
}
