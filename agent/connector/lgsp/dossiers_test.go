package lgsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/connector/lgsp/lgsptest"
	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
	"tram/agent/dossier/dongbo/dongbotest"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

const (
	inEnvelope = `,"dossiers":{"path":"v1/dossiers"}`
	asked      = `,"dossiers":{"path":"v1/dossiers","lookup":"TraCuuHoSo"}`
	asList     = `,"dossiers":{"path":"v1/bare","form":"list","progress_path":"v1/steps"}`
)

// dossierRig is a rig whose office has dossiers.
type dossierRig struct {
	*rig
	src *dongbotest.Source
	set string
}

func newDossierRig(t *testing.T, settings string) *dossierRig {
	r := &dossierRig{newRig(t), dongbotest.New(), settings}
	r.start()
	return r
}

func (r *dossierRig) start() {
	env := r.env(r.set, r.desk)
	env.Dossiers = r.src
	r.with(env)
}

// restart ends the process and begins it again.
func (r *dossierRig) restart() {
	r.t.Helper()
	if err := r.c.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.start()
}

func entryOf(id storage.ID) office.Entry {
	return office.Entry{Type: connector.DossierChanged, Document: id}
}

func (r *dossierRig) deliver(id storage.ID) error {
	return r.c.Deliver(r.t.Context(), connector.Delivery{Entry: entryOf(id)})
}

func TestP2_DossiersAreBroughtToTheAxisOnce(t *testing.T) {
	for name, settings := range map[string]string{"envelope": inEnvelope, "asked": asked, "list": asList} {
		t.Run(name, func(t *testing.T) {
			r := newDossierRig(t, settings)
			if !r.c.TakesDossiers() {
				t.Fatal("it does not take dossiers")
			}
			id := r.src.Add(1)
			for range 2 {
				if err := r.deliver(id); err != nil {
					t.Fatal(err)
				}
			}
			r.src.Step(id, code.Processing)
			r.src.Step(id, code.Returned)
			for range 2 {
				if err := r.deliver(id); err != nil {
					t.Fatal(err)
				}
				r.restart()
			}
			h, steps, there := r.axis.Portal().Dossier("H40.12-261126-0001")
			if !there || h.TrangThaiHoSo != code.Returned || !slices.Equal(steps, []code.Status{code.Received, code.Processing, code.Returned}) {
				t.Errorf("the portal has %v, %v, %v", there, h.TrangThaiHoSo, steps)
			}
			for key, n := range r.axis.Portal().Seen {
				if n != 1 || len(key) < 32 {
					t.Errorf("%d calls came under the key %q", n, key)
				}
			}
			if got := r.src.Receipts(); len(got) != 2 || got[1].Revision != 3 || got[1].Via != connectortest.Name {
				t.Errorf("receipts are %+v", got)
			}
		})
	}
}

func TestP2_ALostAnswerBringsADossierTwiceAtMost(t *testing.T) {
	for name, settings := range map[string]string{"envelope": inEnvelope, "asked": asked, "list": asList} {
		for lost := 1; lost <= 2; lost++ { // the payload, or its steps
			t.Run(fmt.Sprint(name, lost), func(t *testing.T) {
				r := newDossierRig(t, settings)
				id := r.src.Add(1)
				path := map[bool]string{true: lgsptest.Dossiers, false: lgsptest.Bare}[settings != asList]
				if settings == asList && lost == 2 {
					path = lgsptest.Steps
				} else if lost == 2 {
					r.axis.Fail(path, 1, lgsptest.Slow(0))
				}
				r.axis.Fail(path, 1, lgsptest.Lost)
				if err := r.deliver(id); err == nil || connector.IsPermanent(err) {
					t.Fatalf("%v", err)
				}
				r.restart()
				if err := r.deliver(id); err != nil {
					t.Fatal(err)
				}
				_, steps, there := r.axis.Portal().Dossier("H40.12-261126-0001")
				if !there || len(steps) != 1 {
					t.Errorf("the portal has %v, %v", there, steps)
				}
				twice := 0
				for _, n := range r.axis.Portal().Seen {
					twice += n - 1
				}
				if twice > 1 {
					t.Errorf("%v", r.axis.Portal().Seen)
				}
			})
		}
	}
}

func TestAnswersAboutDossiers(t *testing.T) {
	for _, c := range []struct {
		name      string
		fault     lgsptest.Fault
		since     time.Duration // of the first try
		permanent bool
		code      string
	}{
		{"refused", lgsptest.Decline("17"), 0, false, "lgsp.dossier"},
		{"refused for days", lgsptest.Decline("17"), dossierLife + time.Hour, true, "lgsp.dossier"},
		{"refused for good", lgsptest.Decline("37"), 0, true, "lgsp.dossier"},
		{"bad request", lgsptest.HTTPStatus(400), 0, true, "lgsp.dossier"},
		{"unprocessable", lgsptest.HTTPStatus(422), 0, true, "lgsp.dossier"},
		{"too large", lgsptest.HTTPStatus(413), 0, true, "lgsp.dossier"},
		{"credentials", lgsptest.Code("15"), dossierLife + time.Hour, false, "lgsp.code.15"},
		{"forbidden", lgsptest.HTTPStatus(403), dossierLife + time.Hour, false, "lgsp.code.15"},
		{"fault of the axis", lgsptest.Code("20"), dossierLife + time.Hour, false, "lgsp.code.20"},
		{"server fault", lgsptest.HTTPStatus(503), dossierLife + time.Hour, false, "lgsp.status"},
		{"no such call", lgsptest.HTTPStatus(404), 0, false, "lgsp.no-call"},
		{"a page", lgsptest.Garbage("<html>"), 0, false, "lgsp.garbled"},
		{"neither yes nor no", lgsptest.Garbage("{}"), 0, false, "lgsp.garbled"},
		{"redirect", lgsptest.HTTPStatus(307, "Location", "http://127.0.0.1:1/"), 0, false, "lgsp.redirect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newDossierRig(t, `,"dossiers":{"path":"v1/dossiers","final":["37"]}`)
			id := r.src.Add(1)
			r.axis.Fail(lgsptest.Dossiers, 2, c.fault) // as a new one, and as one that is there
			d := connector.Delivery{Entry: entryOf(id)}
			if c.since > 0 {
				d.Since = r.now.Add(-c.since)
			}
			err := r.c.Deliver(t.Context(), d)
			if err == nil || connector.IsPermanent(err) != c.permanent || problem.From(err).Code != c.code {
				t.Fatalf("%v", err)
			}
			if text := problem.From(err).Message(i18n.Vietnamese); strings.Contains(text, "{") || strings.Contains(err.Error(), asciiSecret) {
				t.Errorf("it says %q", text)
			}
			for !r.axis.Portal().Has("H40.12-261126-0001") {
				if err := r.deliver(id); err != nil && problem.From(err).Code != c.code {
					t.Fatalf("after it was mended: %v", err)
				}
			}
			if err := r.deliver(id); err != nil || len(r.src.Receipts()) != 1 {
				t.Errorf("%v, %+v", err, r.src.Receipts())
			}
		})
	}
}

func TestADossierThatTheFormatCannotHoldIsSetAsideWithTheReason(t *testing.T) {
	r := newDossierRig(t, inEnvelope)
	id := r.src.Add(1)
	r.src.Edit(id, func(i *dongbo.Item) { i.HoSo.MaTTHC = "TTHC" })
	err := r.deliver(id)
	if !connector.IsPermanent(err) || problem.From(err).Field != "MaTTHC" || r.calls(lgsptest.Dossiers) != 0 {
		t.Errorf("%v, %d calls", err, r.calls(lgsptest.Dossiers))
	}
	r.src.Edit(id, func(i *dongbo.Item) { i.HoSo.MaTTHC = "1.000656" })
	if err := r.deliver(id); err != nil || !r.axis.Portal().Has("H40.12-261126-0001") {
		t.Errorf("after it was mended: %v", err)
	}
	r.src.Drop(id)
	if err := r.deliver(id); !connector.IsPermanent(err) {
		t.Errorf("one that is gone: %v", err)
	}
	r.axis.SetAway(true)
	if err := r.deliver(r.src.Add(2)); err == nil || connector.IsPermanent(err) {
		t.Errorf("the axis is away: %v", err)
	}
}

func TestTheTokenOfTheAccountGoesIntoTheEnvelope(t *testing.T) {
	r := &dossierRig{newRig(t), dongbotest.New(), `,"username":"dvcqg","dossiers":{"path":"v1/dossiers","session":"session","unit":"` + connectortest.Office + `"}`}
	r.axis.SetAccount("dvcqg mật-khẩu")
	env := r.env(r.set, r.desk)
	env.Secret, env.Dossiers = []byte(asciiSecret+"\nmật-khẩu"), r.src
	r.with(env)
	if err := r.deliver(r.src.Add(1)); err != nil || !r.axis.Portal().Has("H40.12-261126-0001") {
		t.Errorf("%v", err)
	}
}

func TestSettingsOfDossiers(t *testing.T) {
	for _, c := range []struct{ dossiers, field string }{
		{`{"path":"https://elsewhere/"}`, "dossiers.path"}, {`{"path":"../x"}`, "dossiers.path"}, {`{"path":"-"}`, "dossiers.path"},
		{`{"path":"a","form":"xml"}`, "dossiers.form"}, {`{"path":"a","form":"list"}`, "dossiers.progress_path"},
		{`{"path":"a","form":"list","progress_path":"-","lookup":"x"}`, "dossiers.lookup"}, {`{"path":"a","progress_path":"//x/y"}`, "dossiers.progress_path"},
		{`{"path":"a","session":"session"}`, "dossiers.session"}, {`{"path":"a","final":[` + strings.Repeat(`"1",`, maxFinal) + `"1"]}`, "dossiers.final"},
	} {
		r := newRig(t)
		env := r.env(`,"dossiers":`+c.dossiers, r.desk)
		env.Dossiers = dongbotest.New()
		_, err := check(env)
		var list problem.List
		if !errors.As(err, &list) || list[0].Field != c.field {
			t.Errorf("%s: %v", c.dossiers, err)
		}
		if env.Settings = json.RawMessage(strings.Replace(string(env.Settings), c.dossiers, `{}`, 1)); c.field != "" {
			if _, err := check(env); err != nil {
				t.Errorf("without dossiers: %v", err)
			}
		}
	}
	r := newRig(t)
	if _, err := check(r.env(inEnvelope, r.desk)); problem.From(err).Code != "lgsp.no-dossiers" {
		t.Errorf("an office without dossiers: %v", err)
	}
	if c := r.open("").c; c.TakesDossiers() || r.calls(lgsptest.Dossiers) > 0 {
		t.Error("it takes dossiers that nobody asked for")
	}
}

func TestWithoutTheCallStepsStayHere(t *testing.T) {
	r := newDossierRig(t, `,"dossiers":{"path":"v1/bare","form":"list","progress_path":"-"}`)
	if err := r.deliver(r.src.Add(1)); err != nil {
		t.Fatal(err)
	}
	if _, steps, there := r.axis.Portal().Dossier("H40.12-261126-0001"); !there || len(steps) != 0 || len(r.src.Receipts()) != 1 {
		t.Errorf("%v, %v, %v", there, steps, r.src.Receipts())
	}
}
