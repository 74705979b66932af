package agent_test

import (
	"net/http"
	"testing"

	"tram/agent/api"
	"tram/agent/identity"
	"tram/agent/probe"
)

// TestTheLineIsTestedOverItsOwnSession with the hub there and gone, and leaves the
// session as it is.
func TestTheLineIsTestedOverItsOwnSession(t *testing.T) {
	p := found(t)
	p.startHub()
	a := p.join(codeA)
	test := func() (s probe.Session) {
		t.Helper()
		if err := a.api.Call(t.Context(), http.MethodPost, probe.Path, nil, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	var before api.Status
	p.eventually("the line", func() bool {
		var err error
		before, err = a.api.Status(t.Context())
		return err == nil && before.Link.Up
	})
	if s := test(); !s.Connected || !s.Up || !s.Answered || s.RTT <= 0 || s.Segments == 0 {
		t.Errorf("with a hub: %+v", s)
	}
	id, err := identity.Load(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := probe.Run(t.Context(), probe.Options{Server: p.config.MQTT.Address, Identity: id}); r.Broken() != nil {
		t.Errorf("walked: %+v", r)
	}
	if s, err := a.api.Status(t.Context()); err != nil || !s.Link.Up || !s.Link.Since.Equal(before.Link.Since) {
		t.Errorf("the session was up since %v, then %+v (error %v)", before.Link.Since, s.Link, err)
	}
	p.stopHub()
	p.eventually("the end of the line", func() bool { return !test().Connected })
	if s := test(); s.Error == "" || s.Steps() != nil {
		t.Errorf("without a hub: %+v", s)
	}
}
