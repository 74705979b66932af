package lgsp

import (
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

func TestWhatTheAxisCouldNotBringFails(t *testing.T) {
	r := newRig(t).open("")
	d, good := r.leave("Một"), r.leave("Hai")
	for _, d := range []connector.Delivery{d, good} {
		if err := r.c.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range r.axis.Messages() {
		if m.DocumentID == d.Entry.EdXMLID {
			r.axis.Change(m.Ref, func(m *lgsptest.Message) { m.States[connectortest.Foreign] = "FAIL" })
		}
	}
	if err := r.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.state(d); got.State != office.Failed || got.Why == nil || r.state(good).State != office.AtHub {
		t.Errorf("%+v, the other %s", got, r.state(good).State)
	}
}

func TestP1_WhatBreaksWhileItIsFetchedStaysAtTheAxis(t *testing.T) {
	for name, fault := range map[string]lgsptest.Fault{
		"cut in the middle": lgsptest.Cut(900), "cut at once": lgsptest.Cut(0), "server fault": lgsptest.HTTPStatus(500), "a code": lgsptest.Code("20"),
		"nothing": lgsptest.Garbage(""), "no message": lgsptest.Garbage(`{"success":true}`), "half JSON": lgsptest.Garbage(`{"data":{"edxml":"<edXML`),
		"bad escape": lgsptest.Garbage(`{"data":{"edxml":"\u12"}}`), "broken base64": lgsptest.Garbage(`{"data":{"edxml":"` + strings.Repeat("QUFB", 30) + `Q==QQ"}}`),
		"two messages": lgsptest.Garbage(`{"edxml":"<a/>","data":{"edxml":"<a/>"}}`), "nested": lgsptest.Garbage(`{"x":` + strings.Repeat("[", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).open("")
			ref := r.offer("D-1")
			r.axis.Fail(lgsptest.Get, 1, fault)
			err := r.c.Collect(t.Context())
			var p *problem.Problem
			if err == nil || !errors.As(err, &p) || p.Message(i18n.English) == "" {
				t.Fatalf("%v", err)
			}
			if len(r.desk.Saved()) != 0 || len(r.desk.Aside()) != 0 || r.axis.Left() != 1 {
				t.Fatalf("taken %q, aside %q, %d left", r.desk.Saved(), r.desk.Aside(), r.axis.Left())
			}
			r.now = r.now.Add(time.Minute)
			if err := r.c.Collect(t.Context()); err != nil || r.axis.Left() != 0 || !slices.Equal(r.desk.Saved(), []string{"D-1"}) {
				t.Errorf("again: %v, %d left, %q", err, r.axis.Left(), r.desk.Saved())
			}
			for _, m := range r.axis.Messages() {
				if m.Ref == ref && !slices.Contains(m.Updates, connectortest.Office+" done") {
					t.Errorf("the axis was told %q", m.Updates)
				}
			}
		})
	}
}

// TestWrongDigestsAreNotTakenIn also holds the pauses of what fails.
func TestWrongDigestsAreNotTakenIn(t *testing.T) {
	for name, spoil := range map[string]func(*lgsptest.Message){
		"digest": func(m *lgsptest.Message) { m.SHA256 = strings.Repeat("0", 64) }, "length": func(m *lgsptest.Message) { m.Length++ },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).open("")
			ref := r.offer("D-1")
			r.offer("D-2")
			r.axis.Change(ref, spoil)
			for i, wait := range append(slices.Clone(pauses), laterPause, laterPause) {
				if err := r.c.Collect(t.Context()); problem.From(err).Code != "lgsp.differs" {
					t.Fatalf("round %d: %v", i, err)
				}
				before := r.calls(lgsptest.Get)
				r.now = r.now.Add(wait - time.Second)
				if err := r.c.Collect(t.Context()); err != nil || r.calls(lgsptest.Get) != before {
					t.Fatalf("round %d: tried again before its pause: %v", i, err)
				}
				r.now = r.now.Add(2 * time.Second)
			}
			if !slices.Equal(r.desk.Saved(), []string{"D-2"}) || len(r.desk.Aside()) != 0 || r.axis.Left() != 1 {
				t.Errorf("taken %q, aside %q, %d left", r.desk.Saved(), r.desk.Aside(), r.axis.Left())
			}
		})
	}
}

func TestAMessageWithoutADigestIsTakenIn(t *testing.T) {
	r := newRig(t).open("")
	r.axis.Change(r.offer("D-1"), func(m *lgsptest.Message) { m.Length = -1 })
	if err := r.c.Collect(t.Context()); err != nil || len(r.desk.Saved()) != 1 {
		t.Errorf("%v %q", err, r.desk.Saved())
	}
}

func TestP2_RepeatedMessagesAreTakenOnce(t *testing.T) {
	r := newRig(t).open("")
	ref := r.offer("D-1")
	r.axis.Repeat(ref)
	r.axis.Repeat(ref)
	r.axis.Fail(lgsptest.Update, 2, lgsptest.HTTPStatus(500)) // the axis does not learn that they were taken
	for range 4 {
		_ = r.c.Collect(t.Context()) // the first ones fail
		r.now = r.now.Add(10 * time.Minute)
	}
	if !slices.Equal(r.desk.Saved(), []string{"D-1"}) || r.axis.Left() != 0 {
		t.Errorf("%q, %d left", r.desk.Saved(), r.axis.Left())
	}
	if got := r.calls(lgsptest.Get); got != 3 {
		t.Errorf("%d downloads of three entries: what the office has is not fetched again", got)
	}
}

func TestOneBadMessageDoesNotStopTheOthers(t *testing.T) {
	r := newRig(t).open("")
	bad := r.axis.Put(connectortest.Foreign, connectortest.Office, kindDocument, []byte("this is no XML"))
	r.offer("D-1")
	if err := r.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.desk.Aside()) != 1 || !slices.Equal(r.desk.Saved(), []string{"D-1"}) || r.axis.Left() != 0 {
		t.Errorf("aside %q, taken %q", r.desk.Aside(), r.desk.Saved())
	}
	for _, m := range r.axis.Messages() {
		if m.Ref == bad && m.States[connectortest.Office] != "FAIL" {
			t.Errorf("the axis shows %v", m.States)
		}
	}
}

func TestAWrongSecretStopsTheRoundAndIsNamed(t *testing.T) {
	r := newRig(t)
	env := r.env("", r.desk)
	env.Secret = []byte("wrong")
	r.with(env)
	r.offer("D-1")
	err := r.c.Collect(t.Context())
	if problem.From(err).Code != "lgsp.code.15" || r.calls(lgsptest.Get) != 0 || strings.Contains(err.Error(), "wrong\n") {
		t.Errorf("%v", err)
	}
}

// arrived takes a document in and returns entries of statuses about it.
func (r *rig) arrived() func(code edxml.StatusCode, note string) connector.Delivery {
	r.t.Helper()
	r.offer("D-1")
	if err := r.c.Collect(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	id := r.desk.ID("D-1")
	return func(code edxml.StatusCode, note string) connector.Delivery {
		return connector.Delivery{Entry: office.Entry{Document: id, Box: office.In, Code: code, Note: note, At: r.now, Via: []string{connectortest.Name}}}
	}
}

func TestStatusesGoBackThroughTheAxis(t *testing.T) {
	for _, how := range []string{byUpdate, byMessage} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t).open(`,"statuses":"` + how + `"`)
			entry := r.arrived()
			for _, code := range told[:6] {
				d := entry(code, "Sai nơi nhận")
				if !r.c.Wants(d.Entry) {
					t.Errorf("%s is not wanted", code)
				}
				r.axis.Fail(lgsptest.Update, 1, lgsptest.HTTPStatus(502))
				r.axis.Fail(lgsptest.Send, 1, lgsptest.HTTPStatus(502))
				if err := r.c.Deliver(t.Context(), d); err == nil || connector.IsPermanent(err) {
					t.Errorf("%s while the axis fails: %v", code, err)
				}
				if err := r.c.Deliver(t.Context(), d); err != nil {
					t.Errorf("%s: %v", code, err)
				}
			}
			var codes []string
			for _, m := range r.axis.Messages() {
				if m.Kind == kindStatus && m.From == connectortest.Office && m.DocumentID == "D-1" && m.To[0] == connectortest.Foreign {
					codes = append(codes, string(m.Status.Code))
					if how == byMessage && m.Status.Description != "Sai nơi nhận" {
						t.Errorf("the words are gone: %+v", m.Status)
					}
				}
			}
			if !slices.Equal(codes, []string{"01", "02", "03", "04", "05", "06"}) {
				t.Errorf("the ministry gets %q", codes)
			}
		})
	}
}

func TestWantsOnlyWhatIsForIt(t *testing.T) {
	r := newRig(t).open("")
	for _, e := range []office.Entry{
		{Box: office.Out, Type: office.DocumentSaved}, {Box: office.Out, Type: office.DocumentSaved, Via: []string{"other"}},
		{Box: office.Out, Type: office.DocumentAtHub, Via: []string{"test"}}, {Box: office.In, Code: "13", Via: []string{"test"}}, {Box: office.In, Via: []string{"test"}},
	} {
		if r.c.Wants(e) {
			t.Errorf("%+v is wanted", e)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, code string
		want          bool
	}{
		{"G*", "G22", true}, {"G*", "g22.01", true}, {"G*", "H22", false}, {"*.G22", "000.00.00.G22", true}, {"*.G22", "G22", false},
		{"*.G22", "000.00.00.G221", false}, {"H*.05", "H40.01.05", true}, {"G22", "G22", true}, {"G22", "G2", false}, {"*", "any", true}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "ac", false},
	} {
		s := checked{Settings: Settings{Reaches: []string{c.pattern}}}
		if got, _ := s.covers(c.code); got != c.want {
			t.Errorf("%s of %s: %t", c.pattern, c.code, got)
		}
	}
}

func TestTheAxisIsBelievedByItsCertificate(t *testing.T) {
	r := newRig(t)
	server := httptest.NewTLSServer(r.axis)
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	r.url = server.URL
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r.offer("D-1")
	if err := r.open("").c.Collect(t.Context()); problem.From(err).Code != "lgsp.away" || len(r.axis.Calls()) != 0 {
		t.Errorf("an axis with a certificate of nobody: %v", err)
	}
	r.dir = t.TempDir()
	if err := r.open(`,"ca":"` + ca + `"`).c.Collect(t.Context()); err != nil || len(r.desk.Saved()) != 1 {
		t.Errorf("with its CA: %v", err)
	}
}

func TestAnAccountIsSignedInWhereTheAxisWantsOne(t *testing.T) {
	r := newRig(t)
	r.axis.SetAccount("tram mật-khẩu")
	env := r.env(`,"username":"tram","application":"QLVB"`, r.desk)
	env.Secret = []byte(asciiSecret + "\nmật-khẩu\n")
	r.with(env)
	r.offer("D-1")
	if err := r.c.Collect(t.Context()); err != nil || len(r.desk.Saved()) != 1 || r.calls(lgsptest.Login) != 1 {
		t.Errorf("%v, %d sign-ins", err, r.calls(lgsptest.Login))
	}
	r.axis.Fail(lgsptest.Received, 1, lgsptest.HTTPStatus(401)) // the token has run out
	_ = r.c.Collect(t.Context())
	if err := r.c.Collect(t.Context()); err != nil || r.calls(lgsptest.Login) != 2 {
		t.Errorf("after the token has run out: %v, %d sign-ins", err, r.calls(lgsptest.Login))
	}
}

func TestAnythingLongEndsWithItsContext(t *testing.T) {
	r := newRig(t).open("")
	r.offer("D-1")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r.axis.Fail(lgsptest.Get, 1, lgsptest.Slow(time.Minute))
	began := time.Now()
	if err := r.c.Collect(ctx); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if r.axis.Left() != 1 || len(r.desk.Saved()) != 0 {
		t.Error("it was taken")
	}
}

// TestP8_WhatCameWhileThereWasNoLineIsFound asks as far back as the last round.
func TestP8_WhatCameWhileThereWasNoLineIsFound(t *testing.T) {
	r := newRig(t).open(`,"days":3`)
	if err := r.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := r.now
	r.now = r.now.AddDate(0, 4, 0)
	from, err := r.c.since(t.Context(), kindDocument)
	if want := last.AddDate(0, 0, -3); err != nil || from.After(want.Add(time.Second)) {
		t.Errorf("a round looks back to %s, want %s: %v", from, want, err)
	}
}

func TestARecallGoesToTheAxisAsAMessage(t *testing.T) {
	r := newRig(t).open("")
	d := r.leave("Công văn")
	if err := r.c.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	ask := connector.Delivery{Entry: office.Entry{
		Type: office.DocumentStatus, Code: edxml.StatusTakeBack, Document: d.Entry.Document, Box: office.Out, Office: connectortest.Foreign,
		Note: "Gửi nhầm", At: r.now, Via: []string{connectortest.Name},
	}}
	other := ask
	other.Entry.Office = connectortest.Other // over Trạm
	for _, a := range []connector.Delivery{ask, other} {
		if !r.c.Wants(a.Entry) {
			t.Error("a recall is not wanted")
		}
		if err := r.c.Deliver(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	for _, m := range r.axis.Messages() {
		if m.Kind == kindStatus {
			asked = append(asked, m.To[0]+" "+string(m.Status.Code)+" "+m.Status.Description+" "+m.DocumentID)
		}
	}
	if want := connectortest.Foreign + " 13 Gửi nhầm " + d.Entry.EdXMLID; !slices.Equal(asked, []string{want}) {
		t.Errorf("asked %q", asked)
	}
}
