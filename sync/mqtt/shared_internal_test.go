package mqtt

import "testing"

// TestAHubThatSharesItsBrokerHasAClientIDOfItsOwn: a broker ends the older of
// two connections with one id, and the relay is on it as an office as well.
func TestAHubThatSharesItsBrokerHasAClientIDOfItsOwn(t *testing.T) {
	o := HubOptions{Servers: []string{"127.0.0.1:1"}, Hub: "H40.R2", Lookup: func(string) (string, bool) { return "", false }}
	alone, err := NewHub(o)
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	o.SharedBroker = true
	shared, err := NewHub(o)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	asOffice, err := Dial(Options{Servers: o.Servers, Hub: "H40", Office: "H40.R2"})
	if err != nil {
		t.Fatal(err)
	}
	defer asOffice.Close()
	if alone.wanted().id != asOffice.spec.id {
		t.Errorf("an only hub has the id %q, not its level", alone.wanted().id)
	}
	if shared.wanted().id == asOffice.spec.id {
		t.Errorf("two connections have the id %q", asOffice.spec.id)
	}
	alone.ShareBroker() // it joined another hub while it was running
	if alone.wanted().id != shared.wanted().id || alone.wanted().presence != shared.wanted().presence {
		t.Errorf("id %q, want %q", alone.wanted().id, shared.wanted().id)
	}
}
