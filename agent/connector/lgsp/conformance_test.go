package lgsp

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"

	"tram/agent/connector/connectortest"
	"tram/agent/connector/lgsp/lgsptest"
)

// asciiSecret is what goes into a header.
const asciiSecret = "s3cret-for-tests"

// system is an axis in the suite, with the office and a ministry on it.
type system struct{ *lgsptest.Axis }

func (s system) Received() []string {
	ids := []string{}
	for _, m := range s.Messages() {
		if slices.Contains(m.To, connectortest.Foreign) && m.Kind == kindDocument {
			ids = append(ids, m.DocumentID)
		}
	}
	return ids
}

func (s system) Offer(raw []byte) {
	s.Put(connectortest.Foreign, connectortest.Office, kindDocument, raw)
}

func (s system) Left() int {
	n := 0
	for _, m := range s.Messages() {
		if state, ok := m.States[connectortest.Office]; ok && state != "DONE" && state != "FAIL" {
			n++
		}
	}
	return n
}

func (system) Refused() []string { return nil } // the office shows them

// newSystem starts an axis and says how to reach it.
func newSystem(t testing.TB) (system, string) {
	t.Helper()
	a := lgsptest.New(t.TempDir(), map[string]string{connectortest.Office: asciiSecret, connectortest.Foreign: "other", connectortest.Other: "third"})
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return system{a}, server.URL
}

func TestConformance(t *testing.T) {
	for _, form := range []string{lgsptest.FormJSON, lgsptest.FormPart} {
		t.Run(form, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
				s, url := newSystem(t)
				s.SetForm(form)
				good := func(more string) json.RawMessage {
					return json.RawMessage(fmt.Sprintf(`{"url":%q,"system_id":%q,"every":"1s"%s}`, url, connectortest.Office, more))
				}
				return connectortest.Fixture{
					Kind: Kind(), Settings: good(`,"reaches":["G*"]`), Secret: []byte(asciiSecret + "\n"), System: s, Delivers: true, Collects: true, Foreign: true,
					Bad: []json.RawMessage{
						json.RawMessage(`{}`), good(`,"days":-1`), good(`,"every":"0s"`), good(`,"statuses":"mail"`), good(`,"ca":"/no/such.pem"`),
						good(`,"reaches":["*.*"]`), good(`,"username":"u"`), good(`,"paths":{"send":"https://elsewhere/"}`), good(`,"paths":{"get":"-"}`), good(`,"paths":{"send":"../x"}`),
						json.RawMessage(fmt.Sprintf(`{"url":"http://truc.example","system_id":%q}`, connectortest.Office)),
						json.RawMessage(fmt.Sprintf(`{"url":%q,"system_id":"H99"}`, url)),
						json.RawMessage(fmt.Sprintf(`{"url":"https://a:b@truc.example","system_id":%q}`, connectortest.Office)),
					},
				}
			})
		})
	}
}
