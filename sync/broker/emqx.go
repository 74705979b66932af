package broker

import (
	"fmt"
	"strings"
)

// emqxConfig is for EMQX 5.8, after docs.emqx.com/en/emqx/v5.8 (configuration
// manual: listeners, MQTT; access control: authorization, ACL file; network:
// TLS). It is checked against that documentation only: EMQX does not run in our
// tests. Since 5.9 EMQX is under the Business Source License.
//
// The common name becomes user name and client id, so a second connection of an
// office replaces the first. A refused publish ends the connection. EMQX looks
// through the ACL from the top for each new topic of a client and remembers the
// answer; its documentation advises against files of more than some hundred
// rules, which is a reason to take another broker for a province.
//
// EMQX reads revocation lists only from an address that stands in the
// certificates; ours name none. An office is cut off by taking it out of the ACL.
func emqxConfig(s *site) Configured {
	var c, acl lines
	c.add("# %s", s.generated("EMQX as the broker"))
	c.add("# Only MQTT with TLS is spoken.")
	for _, off := range []string{"tcp", "ws", "wss"} {
		c.add("listeners.%s.default.enable = false", off)
	}
	c.add("listeners.ssl.default {\n  enable = true\n  bind = %s\n  max_connections = %d", quote(s.listen()), DefaultMaxConnections)
	c.add("  ssl_options {\n    cacertfile = %s\n    certfile = %s\n    keyfile = %s",
		quote(s.path(CAFile)), quote(s.path(CertFile)), quote(s.path(KeyFile)))
	c.add("    verify = verify_peer\n    fail_if_no_peer_cert = true\n    versions = [\"tlsv1.3\", \"tlsv1.2\"]\n    handshake_timeout = %ds\n  }\n}", configHandshakeSeconds)
	c.add("dashboard.listeners.http.bind = \"127.0.0.1:18083\"")
	c.add("mqtt {\n  max_packet_size = %d\n  max_qos_allowed = 1\n  max_mqueue_len = %d", packetLimit, configQueueMessages)
	c.add("  idle_timeout = %ds\n  peer_cert_as_username = cn\n  peer_cert_as_clientid = cn\n  shared_subscription = false\n}", configHandshakeSeconds)
	c.add("retainer {\n  enable = true\n  max_payload_size = 1KB\n  backend { type = built_in_database, storage_type = ram, max_retained_messages = %d }\n}", DefaultMaxConnections)
	c.add("authorization {\n  no_match = deny\n  deny_action = disconnect\n  sources = [{ type = file, enable = true, path = %s }]\n}", quote(s.path("acl.conf")))

	acl.add("%%%% %s", s.generated("Topics"))
	for _, r := range s.all {
		acl.add("{allow, {username, %s}, publish, %s}.", quote(r.code), emqxTopics(r.write))
		acl.add("{allow, {username, %s}, subscribe, %s}.", quote(r.code), emqxTopics(r.read))
	}
	acl.add("{deny, all}.")
	return Configured{
		Files:  []File{c.file("emqx.conf"), acl.file("acl.conf")},
		Start:  "cp " + s.path("emqx.conf") + " /etc/emqx/emqx.conf && systemctl start emqx",
		Reload: "emqx ctl conf reload --replace",
	}
}

// emqxTopics writes filters as Erlang terms. A subscription has to ask for the
// very filter; for a publish a filter stands for the topics that it covers.
func emqxTopics(filters []string) string {
	var list []string
	for _, filter := range filters {
		list = append(list, fmt.Sprintf("%q", filter))
	}
	return "[" + strings.Join(list, ", ") + "]"
}
