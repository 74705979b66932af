package broker_test

import (
	"crypto/x509/pkix"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"tram/sync/broker"
)

func configOptions() broker.ConfigOptions {
	return broker.ConfigOptions{Addr: "0.0.0.0:8883", Dir: "/etc/tram", Hub: "H40", Offices: []string{"H40.01", "H40.02"}}
}

// all gives every file of a configuration in one text.
func all(t *testing.T, kind broker.Kind, o broker.ConfigOptions) string {
	t.Helper()
	config, err := broker.Config(kind, o)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	if config.Start == "" || config.Reload == "" {
		t.Errorf("%s: does not say how it is started and reloaded", kind)
	}
	var text strings.Builder
	for _, f := range config.Files {
		text.Write(f.Data)
	}
	return text.String()
}

// TestP7_EveryConfigurationAsksForCertificates holds what no configuration may
// lack; that it works is shown by the suite in linktest.
func TestP7_EveryConfigurationAsksForCertificates(t *testing.T) {
	t.Parallel()
	for kind, want := range map[broker.Kind][]string{
		broker.Mosquitto: {"require_certificate true\n", "use_identity_as_username true\n", "allow_anonymous false\n",
			"max_packet_size 328709\n", "persistence false\n",
			"user H40.01\ntopic write tram/1/h40/up/h40_01\ntopic write tram/1/h40/presence/h40_01\n" +
				"topic write tram/1/h40/health/h40_01\ntopic read tram/1/h40/down/h40_01\ntopic read tram/1/h40/presence/h40\n"},
		broker.NATS: {"verify_and_map: true", "max_payload: 328704\n", `write_deadline: "10m0s"`,
			`default_permissions: {publish: {deny: ">"}, subscribe: {deny: ">"}}`,
			`{user: "CN=H40.01", allowed_connection_types: [MQTT], permissions: {publish: {allow: ["tram.1.h40.up.h40_01", ` +
				`"tram.1.h40.presence.h40_01", "tram.1.h40.health.h40_01"]}, subscribe: {allow: ["tram.1.h40.down.h40_01", "tram.1.h40.presence.h40"]}}}`},
		broker.RabbitMQ: {"ssl_options.verify = verify_peer\n", "ssl_options.fail_if_no_peer_cert = true\n", "mqtt.ssl_cert_login = true\n",
			"mqtt.allow_anonymous = false\n", "listeners.tcp = none\n", "mqtt.listeners.tcp = none\n", "max_message_size = 328704\n"},
		broker.EMQX: {"verify = verify_peer\n", "fail_if_no_peer_cert = true\n", "peer_cert_as_username = cn\n", "no_match = deny\n",
			"max_packet_size = 328709\n", "listeners.tcp.default.enable = false\n",
			`{allow, {username, "H40.01"}, subscribe, ["tram/1/h40/down/h40_01", "tram/1/h40/presence/h40"]}.`, "{deny, all}.\n"},
	} {
		text := all(t, kind, configOptions())
		for _, line := range want {
			if !strings.Contains(text, line) {
				t.Errorf("%s: lacks %q:\n%s", kind, line, text)
			}
		}
	}
}

// TestP7_RabbitMQTopicsAreExact reads the regular expressions as RabbitMQ does.
func TestP7_RabbitMQTopicsAreExact(t *testing.T) {
	t.Parallel()
	config, err := broker.Config(broker.RabbitMQ, configOptions())
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Topics []struct{ User, Write, Read string } `json:"topic_permissions"`
	}
	for _, f := range config.Files {
		if f.Name == "definitions.json" {
			if err := json.Unmarshal(f.Data, &file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(file.Topics) != 3 || file.Topics[0].User != "H40" || file.Topics[1].User != "H40.01" {
		t.Fatalf("topic permissions of %+v", file.Topics)
	}
	hub, office := file.Topics[0], file.Topics[1]
	for _, c := range []struct {
		rule, key string
		want      bool
	}{
		{hub.Write, "tram.1.h40.down.h40_01", true}, {hub.Write, "tram.1.h40.presence.h40", true},
		{hub.Write, "tram.1.h40.down.h40_01.x", false}, {hub.Write, "tram.1.h40.up.h40_01", false},
		{hub.Read, "tram.1.h40.up.*", true}, {hub.Read, "tram.1.h40.#", false},
		{office.Write, "tram.1.h40.up.h40_01", true}, {office.Write, "tram.1.h40.up.h40_02", false},
		{office.Write, "tram.1.h40.up.h40_01x", false}, {office.Write, "tramx1.h40.up.h40_01", false},
		{office.Read, "tram.1.h40.down.h40_01", true}, {office.Read, "tram.1.h40.down.*", false}, {office.Read, "#", false},
	} {
		if got := regexp.MustCompile(c.rule).MatchString(c.key); got != c.want {
			t.Errorf("%s allows %s: %v, want %v", c.rule, c.key, got, c.want)
		}
	}
}

func TestConfigurationOfNATS(t *testing.T) {
	t.Parallel()
	o := configOptions()
	o.Subject = func(code string) pkix.Name {
		return pkix.Name{CommonName: code, Organization: []string{`Sở "Nội vụ", Huế`}, OrganizationalUnit: []string{"device"}}
	}
	if want := `{user: "CN=H40.01,OU=device,O=Sở \\\"Nội vụ\\\"\\, Huế", `; !strings.Contains(all(t, broker.NATS, o), want) {
		t.Errorf("lacks %s:\n%s", want, all(t, broker.NATS, o))
	}
	o.Cluster = &broker.Cluster{Name: "province", Server: "n1", Listen: "10.0.0.1:6222", Routes: []string{"10.0.0.1:6222", "10.0.0.2:6222", "10.0.0.3:6222"}}
	for _, want := range []string{`server_name: "n1"`, "stream_replicas: 3\n", `routes: ["tls://10.0.0.1:6222", "tls://10.0.0.2:6222", "tls://10.0.0.3:6222"]`} {
		if !strings.Contains(all(t, broker.NATS, o), want) {
			t.Errorf("lacks %s", want)
		}
	}
}

func TestConfigurationRefusesWhatWouldBeReadOtherwise(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*broker.ConfigOptions){
		"office with a line break": func(o *broker.ConfigOptions) { o.Offices = []string{"H40.01\ntopic readwrite #"} },
		"office with a quote":      func(o *broker.ConfigOptions) { o.Offices = []string{`H40"}`} },
		"two offices at one level": func(o *broker.ConfigOptions) { o.Offices = []string{"H40.01", "h40.01"} },
		"office is the hub":        func(o *broker.ConfigOptions) { o.Offices = []string{"h40"} },
		"hub is not a code":        func(o *broker.ConfigOptions) { o.Hub = "+" },
		"folder with a line break": func(o *broker.ConfigOptions) { o.Dir = "/a\nallow_anonymous true" },
		"folder with a quote":      func(o *broker.ConfigOptions) { o.Dir = `/a"b` },
		"folder is relative":       func(o *broker.ConfigOptions) { o.Dir = "tram" },
		"user with a line break":   func(o *broker.ConfigOptions) { o.User = "root\nallow_anonymous true" },
		"address without a port":   func(o *broker.ConfigOptions) { o.Addr = "localhost" },
		"port is not a number":     func(o *broker.ConfigOptions) { o.Addr = "localhost:mqtts" },
	} {
		for _, kind := range broker.Kinds() {
			o := configOptions()
			change(&o)
			if _, err := broker.Config(kind, o); err == nil {
				t.Errorf("%s: %s: accepted", kind, name)
			}
		}
	}
	if _, err := broker.Config("vernemq", configOptions()); err == nil {
		t.Error("an unknown broker was accepted")
	}
}
