package broker

// mosquittoConfig is for Mosquitto 2.0.11 (Debian 12) and newer, after
// mosquitto.conf(5); tested with 2.0.11. Avoid 2.0.12 to 2.0.18 with
// per_listener_settings true: they lose sessions.
//
// The ACL names every office instead of using "pattern … %u": %u is the common
// name as it is in the certificate, H40.01, while the topic level is h40_01.
//
// Mosquitto does not tell a client that a publish was refused; it drops the
// message and writes a line in its log. A reload reads the ACL and the
// revocation list, as the account that it runs as, and ends no connection: what
// is not in the ACL any more is mute, what is on the list does not come in anew.
func mosquittoConfig(s *site) Configured {
	var c, acl lines
	c.add("# %s", s.generated("Mosquitto as the broker"))
	c.add("per_listener_settings false")
	c.add("persistence false")
	c.add("sys_interval 0")
	c.add("allow_anonymous false")
	c.add("acl_file %s", s.path("acl"))
	c.add("max_packet_size %d", packetLimit)
	c.add("max_queued_messages %d", configQueueMessages)
	c.add("max_queued_bytes %d", DefaultQueueBytes)
	c.add("set_tcp_nodelay true")
	if s.User != "" {
		c.add("user %s", s.User)
	}
	c.add("")
	c.add("listener %d %s", s.port, s.host)
	c.add("max_connections %d", DefaultMaxConnections)
	c.add("cafile %s", s.path(CAFile))
	c.add("certfile %s", s.path(CertFile))
	c.add("keyfile %s", s.path(KeyFile))
	if s.CRL {
		c.add("crlfile %s", s.path(CRLFile))
	}
	c.add("require_certificate true")
	c.add("use_identity_as_username true")
	c.add("use_username_as_clientid true")
	c.add("tls_version tlsv1.2")

	acl.add("# %s", s.generated("Topics"))
	for _, r := range s.all {
		acl.add("\nuser %s", r.code)
		for _, topic := range r.write {
			acl.add("topic write %s", topic)
		}
		for _, topic := range r.read {
			acl.add("topic read %s", topic)
		}
	}
	rules := acl.file("acl")
	rules.Secret = true // Mosquitto warns of an ACL that others can read
	return Configured{
		Files:  []File{c.file("mosquitto.conf"), rules},
		Start:  "mosquitto -c " + s.path("mosquitto.conf"),
		Reload: "kill -HUP $(pidof mosquitto)",
	}
}
