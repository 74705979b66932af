package lgsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

// rig is a connector at work between a desk and an axis.
type rig struct {
	t    *testing.T
	desk *connectortest.Desk
	axis system
	url  string
	dir  string
	now  time.Time
	c    *axis
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, desk: connectortest.NewDesk(), dir: t.TempDir(), now: time.Now()}
	r.axis, r.url = newSystem(t)
	return r
}

func (r *rig) env(settings string, desk connector.Desk) connector.Env {
	return connector.Env{
		Name: connectortest.Name, Office: office.Party{Code: connectortest.Office, Name: "UBND xã Mẫu"}, Secret: []byte(asciiSecret),
		Settings: json.RawMessage(fmt.Sprintf(`{"url":%q,"system_id":%q%s}`, r.url, connectortest.Office, settings)),
		Desk:     desk, Dir: r.dir, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return r.now },
	}
}

// open opens the connector with more settings.
func (r *rig) open(settings string) *rig {
	r.t.Helper()
	return r.with(r.env(settings, r.desk))
}

func (r *rig) with(env connector.Env) *rig {
	r.t.Helper()
	c, err := open(env)
	if err != nil {
		r.t.Fatal(err)
	}
	r.c = c.(*axis)
	r.t.Cleanup(func() { _ = c.Close() })
	return r
}

// leave has the office send a document to the ministry.
func (r *rig) leave(subject string) connector.Delivery {
	doc := r.desk.Address(subject, []byte("%PDF-1.4 "+subject))
	return connector.Delivery{Entry: office.Entry{
		Type: office.DocumentSaved, Document: doc.ID, EdXMLID: doc.EdXMLID, Box: office.Out, State: office.Saved, Via: []string{connectortest.Name},
	}}
}

func (r *rig) state(d connector.Delivery) office.Recipient {
	r.t.Helper()
	doc, err := r.desk.Get(r.t.Context(), d.Entry.Document)
	if err != nil {
		r.t.Fatal(err)
	}
	return doc.To[0]
}

func (r *rig) offer(id string) string {
	return r.axis.Put(connectortest.Foreign, connectortest.Office, kindDocument, connectortest.EdXML(connectortest.Foreign, connectortest.Office, id, "Báo cáo"))
}

func (r *rig) calls(path string) int {
	n := 0
	for _, c := range r.axis.Calls() {
		if strings.HasSuffix(c, " "+path) {
			n++
		}
	}
	return n
}

func TestEachCodeIsWordedAndActedOn(t *testing.T) {
	for _, c := range []struct {
		code  string
		final bool
	}{
		{"10", true}, {"15", false}, {"18", true}, {"19", false}, {"20", false}, {"21", false}, {"22", true}, {"23", true}, {"99", false}, {"lạ lùng", false},
	} {
		t.Run(c.code, func(t *testing.T) {
			r := newRig(t).open("")
			d := r.leave("Công văn")
			r.axis.Fail(lgsptest.Send, 1, lgsptest.Code(c.code))
			err := r.c.Deliver(t.Context(), d)
			if err == nil || connector.IsPermanent(err) != c.final {
				t.Fatalf("%v", err)
			}
			var p *problem.Problem
			if !errors.As(err, &p) {
				t.Fatalf("%v is not for people", err)
			}
			for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
				if text := p.Message(lang) + p.Next(lang); !strings.Contains(text, c.code) || strings.Contains(text, "{") || strings.Contains(text, "problem.") {
					t.Errorf("%s: %q", lang, text)
				}
			}
			want := office.Saved
			if c.final {
				want = office.Failed
			}
			if got := r.state(d); got.State != want || c.final && got.Why == nil {
				t.Errorf("it stands at %s", got.State)
			}
			if err := r.c.Deliver(t.Context(), d); err != nil || r.state(d).State != office.AtHub || len(r.axis.Received()) != 1 {
				t.Errorf("after it was mended: %v, %s, %q", err, r.state(d).State, r.axis.Received())
			}
		})
	}
}

func TestP2_ALostAnswerSendsNothingTwice(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings string
		copies   int // without the call to ask, the axis gets it again
	}{
		{"the axis is asked", "", 1}, {"it has no such call", `,"paths":{"sent":"v1/none"}`, 2}, {"it is not asked", `,"paths":{"sent":"-"}`, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t).open(c.settings)
			d := r.leave("Công văn")
			r.axis.Fail(lgsptest.Send, 1, lgsptest.Lost)
			if err := r.c.Deliver(t.Context(), d); err == nil || connector.IsPermanent(err) {
				t.Fatalf("%v", err)
			}
			if err := r.c.Close(); err != nil { // the process ends and begins again
				t.Fatal(err)
			}
			r.open(c.settings)
			for range 2 {
				if err := r.c.Deliver(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.axis.Received(); len(got) != c.copies || r.state(d).State != office.AtHub {
				t.Errorf("the axis has %q, it stands at %s", got, r.state(d).State)
			}
		})
	}
}

func TestP4_WhatBreaksWhileItIsSentIsSentAgain(t *testing.T) {
	for name, fault := range map[string]lgsptest.Fault{
		"cut in the middle": lgsptest.CutRequest(700), "server fault": lgsptest.HTTPStatus(503), "not a word": lgsptest.Garbage(""), "a page": lgsptest.Garbage("<html>"),
		"neither yes nor no": lgsptest.Garbage("{}"), "too long": lgsptest.Garbage(`{"message":"` + strings.Repeat("x", 2<<20) + `"}`),
		"redirect": lgsptest.HTTPStatus(307, "Location", "http://127.0.0.1:1/"), "no such call": lgsptest.HTTPStatus(404), "forbidden": lgsptest.HTTPStatus(403),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).open("")
			d := r.leave("Công văn")
			r.axis.Fail(lgsptest.Send, 1, fault)
			err := r.c.Deliver(t.Context(), d)
			var p *problem.Problem
			if err == nil || connector.IsPermanent(err) || !errors.As(err, &p) || p.Message(i18n.Vietnamese) == "" {
				t.Fatalf("%v", err)
			}
			if err := r.c.Deliver(t.Context(), d); err != nil || len(r.axis.Received()) != 1 {
				t.Errorf("again: %v %q", err, r.axis.Received())
			}
			if left, _ := filepath.Glob(filepath.Join(r.dir, spoolPattern)); len(left) > 0 {
				t.Errorf("files are left: %q", left)
			}
		})
	}
}

func TestTheSecretGoesNowhereElse(t *testing.T) {
	r := newRig(t).open("")
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		elsewhere = append(elsewhere, q.Header.Get("X-SecretKey"))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		r.axis.Fail(lgsptest.Send, 1, lgsptest.HTTPStatus(status, "Location", other.URL))
		err := r.c.Deliver(t.Context(), r.leave("Công văn"))
		if problem.From(err).Code != "lgsp.redirect" {
			t.Errorf("%d: %v", status, err)
		}
		if err != nil && strings.Contains(err.Error(), asciiSecret) {
			t.Error("the secret stands in an error")
		}
	}
	if len(elsewhere) > 0 {
		t.Errorf("another server was asked with %q", elsewhere)
	}
}

func TestAnExpiredDocumentIsNotSent(t *testing.T) {
	r := newRig(t).open("")
	d := r.leave("Công văn")
	r.now = r.now.Add(2 * time.Hour)
	if err := r.c.Deliver(t.Context(), d); err != nil || len(r.axis.Received()) != 0 {
		t.Errorf("%v %q", err, r.axis.Received())
	}
}
