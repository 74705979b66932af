package broker_test

import (
	"strings"
	"testing"

	"tram/sync/broker"
)

func TestMosquittoConfig(t *testing.T) {
	t.Parallel()
	o := broker.MosquittoOptions{
		Addr: "0.0.0.0:8883", CAFile: "/etc/tram/ca.crt", CertFile: "/etc/tram/server.crt",
		KeyFile: "/etc/tram/server.key", ACLFile: "/etc/tram/acl", Hub: "H40", Offices: []string{"H40.01"},
	}
	conf, acl, err := broker.MosquittoConfig(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"listener 8883 0.0.0.0\n", "require_certificate true\n", "use_identity_as_username true\n",
		"use_username_as_clientid true\n", "persistence false\n", "acl_file /etc/tram/acl\n", "max_packet_size ",
	} {
		if !strings.Contains(conf, want) {
			t.Errorf("configuration lacks %q", want)
		}
	}
	const want = `
user H40.01
topic write tram/1/h40/up/h40_01
topic write tram/1/h40/presence/h40_01
topic write tram/1/h40/health/h40_01
topic read tram/1/h40/down/h40_01
topic read tram/1/h40/presence/h40
`
	if !strings.Contains(acl, want) {
		t.Errorf("acl lacks the rules of the office:\n%s", acl)
	}

	for name, change := range map[string]func(*broker.MosquittoOptions){
		"office with a line break": func(o *broker.MosquittoOptions) { o.Offices = []string{"H40.01\ntopic readwrite #"} },
		"two offices at one level": func(o *broker.MosquittoOptions) { o.Offices = []string{"H40.01", "h40.01"} },
		"office is the hub":        func(o *broker.MosquittoOptions) { o.Offices = []string{"h40"} },
		"file with a line break":   func(o *broker.MosquittoOptions) { o.CAFile = "a\nallow_anonymous true" },
		"address without a port":   func(o *broker.MosquittoOptions) { o.Addr = "localhost" },
	} {
		bad := o
		change(&bad)
		if _, _, err := broker.MosquittoConfig(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
