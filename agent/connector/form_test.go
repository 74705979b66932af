package connector_test

import (
	"encoding/json"
	"testing"

	"tram/agent/connector"
	"tram/agent/problem"
)

func TestAFormOfSettingsIsWhatTheKindDecodes(t *testing.T) {
	type settings struct {
		Dir   string          `json:"dir"`
		Keep  int             `json:"keep"`
		Proof bool            `json:"proof"`
		To    connector.Words `json:"to"`
		Paths struct {
			Send string `json:"send"`
		} `json:"paths"`
		hidden int
	}
	k := connector.Kind{Name: "k", Settings: settings{hidden: 1}}
	entered := map[string]string{"dir": " /srv/x ", "keep": "7", "proof": "1", "to": "a@x.vn\n\n b@x.vn\r\n", "paths.send": "/v2"}
	raw, err := k.Fill(func(name string) string { return entered[name] })
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.Dir != "/srv/x" || got.Keep != 7 || !got.Proof || len(got.To) != 2 || got.To[1] != "b@x.vn" || got.Paths.Send != "/v2" {
		t.Errorf("got %+v from %s", got, raw)
	}
	if raw, err := k.Fill(func(string) string { return " " }); err != nil || string(raw) != "{}" {
		t.Errorf("an empty form gives %s, %v", raw, err)
	}
	_, err = k.Fill(func(name string) string { return map[string]string{"keep": "bảy"}[name] })
	if p := problem.From(err); p.Code != "connector.setting" || p.Field != "keep" {
		t.Errorf("a word for a number: %v", err)
	}
}
