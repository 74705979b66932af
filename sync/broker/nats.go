package broker

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"tram/sync/mqtt"
)

// Limits of a NATS server.
const (
	// natsWriteDeadline is how long NATS may need to write what waits for one
	// client; its own 10 s end the connection of a slow one. DefaultQueueBytes
	// take 524 s at 64 kbit/s. NATS's write_timeout retry is no way out: after a
	// write that timed out a TLS connection cannot be used again.
	natsWriteDeadline = 10 * time.Minute
	// natsMemory and natsDisk bound JetStream, which keeps presence and sessions:
	// less than 2 kB an office, and a message is gone once it was handed on.
	natsMemory = "256MB"
	natsDisk   = "1GB"
)

// natsConfig is for NATS server 2.15, after docs.nats.io (running a server:
// configuration, MQTT, TLS, authorization); tested with 2.15.2. Older ones have
// open advisories on MQTT sessions and on subjects below $MQTT.
//
// An MQTT topic is a NATS subject with '.' for '/', '*' for '+'; our levels hold
// no '.'. The subscriptions of Trạm have QoS 0, so NATS makes no JetStream
// consumer for them and never delivers again or out of order; ack_wait and
// max_ack_pending are for other tools that subscribe with QoS 1.
//
// NATS cannot read a revocation list (an office that is taken out of the
// configuration is cut off by the reload), and does not tie the client id to the
// certificate: an office can end another one's connection by using its id, not
// read or write in its name.
func natsConfig(s *site) Configured {
	var c lines
	c.add("# %s", s.generated("NATS as the broker"))
	server := "tram-" + s.all[0].level
	if s.Cluster != nil {
		server = s.Cluster.Server
	}
	c.add("server_name: %s", quote(server))
	c.add("# Nobody uses NATS's own protocol: a random port, on this machine only.")
	c.add(`listen: "127.0.0.1:-1"`)
	natsTLS(&c, s, "")
	c.add("max_connections: %d", DefaultMaxConnections)
	c.add("max_payload: %d", mqtt.MaxPacket)
	c.add("max_pending: %d", DefaultHubQueueBytes)
	c.add("write_deadline: %s", quote(natsWriteDeadline.String()))
	c.add("jetstream {\n  store_dir: %s\n  max_memory_store: %s\n  max_file_store: %s\n}",
		quote(s.path("jetstream")), natsMemory, natsDisk)
	c.add("mqtt {\n  listen: %s", quote(s.listen()))
	natsTLS(&c, s, "  ")
	c.add("  ack_wait: %s\n  max_ack_pending: %d", quote(natsWriteDeadline.String()), configQueueMessages)
	if s.Cluster != nil {
		c.add("  stream_replicas: %d", min(len(s.Cluster.Routes), 3))
	}
	c.add("}")
	natsCluster(&c, s)
	c.add("authorization {\n  timeout: %d", configHandshakeSeconds)
	c.add(`  default_permissions: {publish: {deny: ">"}, subscribe: {deny: ">"}}`)
	c.add("  users: [")
	for _, r := range s.all {
		c.add("    {user: %s, allowed_connection_types: [MQTT], permissions: {publish: {allow: %s}, subscribe: {allow: %s}}}",
			quote(s.Subject(r.code).String()), subjects(r.write), subjects(r.read))
	}
	c.add("  ]\n}")
	return Configured{
		Files:  []File{c.file("nats.conf")},
		Start:  "nats-server -c " + s.path("nats.conf"),
		Reload: "nats-server --signal reload",
	}
}

// natsTLS asks for a certificate, whose subject is the user. NATS's own 2 s for
// the handshake are too short for a slow line.
func natsTLS(c *lines, s *site, indent string) {
	c.add(indent+"tls {cert_file: %s, key_file: %s, ca_file: %s, verify_and_map: true, timeout: %d}",
		quote(s.path(CertFile)), quote(s.path(KeyFile)), quote(s.path(CAFile)), configHandshakeSeconds)
}

func natsCluster(c *lines, s *site) {
	if s.Cluster == nil {
		return
	}
	c.add("cluster {\n  name: %s\n  listen: %s", quote(s.Cluster.Name), quote(s.Cluster.Listen))
	c.add("  tls {cert_file: %s, key_file: %s, ca_file: %s, verify: true, timeout: %d}",
		quote(s.path(CertFile)), quote(s.path(KeyFile)), quote(s.path(CAFile)), configHandshakeSeconds)
	var routes []string
	for _, at := range s.Cluster.Routes {
		routes = append(routes, "tls://"+at)
	}
	c.add("  routes: %s\n}", quoteAll(routes))
}

// subjects translates MQTT filters.
func subjects(filters []string) string {
	translate := strings.NewReplacer("/", ".", "+", "*")
	list := make([]string, 0, len(filters))
	for _, filter := range filters {
		list = append(list, translate.Replace(filter))
	}
	return quoteAll(list)
}

// quote writes a string as NATS reads it: like JSON, but with letters as they are.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func quoteAll(list []string) string {
	quoted := make([]string, 0, len(list))
	for _, s := range list {
		quoted = append(quoted, quote(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
