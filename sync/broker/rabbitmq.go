package broker

import (
	"encoding/json"
	"regexp"
	"strings"

	"tram/sync/mqtt"
)

// rabbitVhost is where all of it lives: topic permissions belong to a vhost.
const rabbitVhost = "/"

// rabbitVersion goes into the definitions, which name the version of their form.
const rabbitVersion = "3.10.8"

// rabbitConfig is for RabbitMQ 3.10 (Debian 12) and newer 3.x with its MQTT
// plugin, after rabbitmq.com/docs (MQTT plugin, TLS, access control, schema
// definitions); tested with 3.10.8.
//
// The plugin routes a topic through amq.topic with '.' for '/' and '*' for '+',
// and topic permissions are regular expressions over that. Each client has one
// queue, named after its client id, which its own user may make and no other.
// Nobody has a password, so nobody can log in but with a certificate.
//
// A user without topic permissions may write everywhere, and RabbitMQ listens while it
// reads definitions. So what a user needs to come in at all stands in a file of its
// own, which is read after that with the topics (P7).
//
// RabbitMQ does not hand out retained messages for a wildcard: a hub that comes
// back learns presence from the offices, which announce themselves again (see
// package mqtt). It cannot read a revocation list from one file: an office is
// cut off by deleting its user. The packet limit holds after the packet has been
// read. A client id is not tied to the certificate, see natsConfig.
func rabbitConfig(s *site) Configured {
	var c lines
	c.add("# %s", s.generated("RabbitMQ as the broker"))
	c.add("# Only MQTT with TLS is spoken.")
	c.add("listeners.tcp = none")
	c.add("listeners.ssl = none")
	c.add("definitions.import_backend = local_filesystem\ndefinitions.local.path = %s", s.path(rabbitTopicsFile))
	c.add("definitions.skip_if_unchanged = true")
	c.add("max_message_size = %d", mqtt.MaxPacket)
	c.add("connection_max = %d", DefaultMaxConnections)
	c.add("ssl_handshake_timeout = %d", configHandshakeSeconds*1000)
	c.add("ssl_options.cacertfile = %s", s.path(CAFile))
	c.add("ssl_options.certfile = %s", s.path(CertFile))
	c.add("ssl_options.keyfile = %s", s.path(KeyFile))
	c.add("ssl_options.verify = verify_peer")
	c.add("ssl_options.fail_if_no_peer_cert = true")
	c.add("ssl_options.versions.1 = tlsv1.3\nssl_options.versions.2 = tlsv1.2")
	c.add("ssl_cert_login_from = common_name")
	c.add("mqtt.listeners.tcp = none")
	c.add("mqtt.listeners.ssl.1 = %s", s.listen())
	c.add("mqtt.ssl_cert_login = true")
	c.add("mqtt.allow_anonymous = false")
	c.add("mqtt.login_timeout = %d", configHandshakeSeconds*1000)
	c.add("mqtt.vhost = %s", rabbitVhost)
	c.add("mqtt.exchange = amq.topic")
	c.add("mqtt.prefetch = %d", configQueueMessages)
	c.add("mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_ets")
	c.add("mqtt.tcp_listen_options.nodelay = true")
	c.add("mqtt.tcp_listen_options.backlog = 1024")

	var plugins lines
	plugins.add("[rabbitmq_mqtt].")
	topics, permissions := rabbitDefinitions(s)
	read := func(file string) string { return "rabbitmqctl import_definitions " + s.path(file) }
	return Configured{
		Files: []File{
			c.file("rabbitmq.conf"), plugins.file("enabled_plugins"), {Name: rabbitTopicsFile, Data: topics}, {Name: rabbitPermissionsFile, Data: permissions},
		},
		Start: "RABBITMQ_CONFIG_FILE=" + s.path("rabbitmq.conf") +
			" RABBITMQ_ENABLED_PLUGINS_FILE=" + s.path("enabled_plugins") + " rabbitmq-server -detached && rabbitmqctl await_startup && " + read(rabbitPermissionsFile),
		Reload: read(rabbitTopicsFile) + " && " + read(rabbitPermissionsFile),
	}
}

// Files of definitions: who may do what to which topics, and who may come in.
const (
	rabbitTopicsFile      = "definitions.json"
	rabbitPermissionsFile = "permissions.json"
)

// Forms of the definitions file.
type (
	rabbitUser struct {
		Name     string   `json:"name"`
		Password string   `json:"password_hash"` // empty: login with a password is not possible
		Hashing  string   `json:"hashing_algorithm"`
		Tags     []string `json:"tags"`
	}
	rabbitPermission struct {
		User      string `json:"user"`
		Vhost     string `json:"vhost"`
		Configure string `json:"configure"`
		Write     string `json:"write"`
		Read      string `json:"read"`
	}
	rabbitTopics struct {
		User     string `json:"user"`
		Vhost    string `json:"vhost"`
		Exchange string `json:"exchange"`
		Write    string `json:"write"`
		Read     string `json:"read"`
	}
	rabbitPolicy struct {
		Vhost      string         `json:"vhost"`
		Name       string         `json:"name"`
		Pattern    string         `json:"pattern"`
		ApplyTo    string         `json:"apply-to"`
		Priority   int            `json:"priority"`
		Definition map[string]any `json:"definition"`
	}
)

// rabbitDefinitions are the two files of definitions.
func rabbitDefinitions(s *site) (topics, permissions []byte) {
	file := struct {
		Version  string           `json:"rabbit_version"`
		Vhosts   []map[string]any `json:"vhosts"`
		Users    []rabbitUser     `json:"users"`
		Topics   []rabbitTopics   `json:"topic_permissions"`
		Policies []rabbitPolicy   `json:"policies"`
	}{Version: rabbitVersion, Vhosts: []map[string]any{{"name": rabbitVhost}}}
	entry := struct {
		Version     string             `json:"rabbit_version"`
		Permissions []rabbitPermission `json:"permissions"`
	}{Version: rabbitVersion}
	for i, r := range s.all {
		queue := "mqtt-subscription-" + regexp.QuoteMeta(r.level) + "qos[01]"
		file.Users = append(file.Users, rabbitUser{Name: r.code, Hashing: "rabbit_password_hashing_sha256", Tags: []string{}})
		entry.Permissions = append(entry.Permissions, rabbitPermission{
			User: r.code, Vhost: rabbitVhost,
			Configure: "^" + queue + "$", Write: `^(amq\.topic|` + queue + ")$", Read: `^(amq\.topic|` + queue + ")$",
		})
		file.Topics = append(file.Topics, rabbitTopics{
			User: r.code, Vhost: rabbitVhost, Exchange: "amq.topic",
			Write: routes(r.write, `[^.*#]+`), Read: routes(r.read, `[*]`),
		})
		size := DefaultQueueBytes
		if i == 0 {
			size = DefaultHubQueueBytes
			file.Policies = append(file.Policies, rabbitQueue("hub", "^"+queue+"$", 1, size))
		}
	}
	file.Policies = append(file.Policies, rabbitQueue("office", "^mqtt-subscription-", 0, DefaultQueueBytes))
	return indented(file), indented(entry)
}

func indented(v any) []byte {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic("broker: definitions do not encode: " + err.Error()) // they hold strings and numbers only
	}
	return append(data, '\n')
}

// rabbitQueue bounds what waits for a client; the oldest goes first.
func rabbitQueue(name, pattern string, priority, bytes int) rabbitPolicy {
	return rabbitPolicy{
		Vhost: rabbitVhost, Name: "tram-" + name, Pattern: pattern, ApplyTo: "queues", Priority: priority,
		Definition: map[string]any{"max-length-bytes": bytes, "overflow": "drop-head"},
	}
}

// routes is a regular expression for the routing keys of MQTT filters: of a
// publish, where anything may stand for the wildcard, or of a subscription,
// where the wildcard itself stands.
func routes(filters []string, wildcard string) string {
	var keys []string
	for _, filter := range filters {
		key := regexp.QuoteMeta(strings.ReplaceAll(filter, "/", "."))
		keys = append(keys, strings.ReplaceAll(key, `\+`, wildcard))
	}
	return "^(" + strings.Join(keys, "|") + ")$"
}
