package broker

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"tram/sync/mqtt"
)

// MosquittoOptions describe a Mosquitto 2.0 or newer that replaces the embedded
// broker. All but CRLFile and User are required. Files must be readable by the
// user that Mosquitto runs as.
type MosquittoOptions struct {
	Addr     string   // "host:port" to listen on
	CAFile   string   // PEM of the authority that signed the client certificates
	CertFile string   // PEM of the broker's certificate
	KeyFile  string   // PEM of its key
	CRLFile  string   // PEM of the revocation list; optional
	ACLFile  string   // where the acl will be stored
	User     string   // user to run as when started by root; optional
	Hub      string   // code of the hub
	Offices  []string // codes of all offices; a new office means a new acl and SIGHUP
}

// Limits in the generated configuration, of each client.
const (
	mosquittoQueueMessages = 1000
	mosquittoQueueBytes    = DefaultQueueBytes
)

// MosquittoConfig gives a mosquitto.conf and its ACL file that keep the same
// rules as the embedded broker: certificates only, the common name is user name
// and client id at once, and topics belong to one office.
//
// The ACL names every office instead of using "pattern … %u": %u is the common
// name as it is in the certificate, H40.01, while the topic level is h40_01.
//
// Mosquitto differs from the embedded broker in that it does not tell a client
// that a publish was refused; it drops the message and writes a line in its log.
func MosquittoConfig(o MosquittoOptions) (conf, acl string, err error) {
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return "", "", fmt.Errorf("check options: %w", err)
	}
	for _, file := range []string{o.CAFile, o.CertFile, o.KeyFile, o.ACLFile, o.CRLFile, o.User} {
		if strings.ContainsAny(file, "\r\n") {
			return "", "", errors.New("check options: line break in a file or user name")
		}
	}
	acl, err = mosquittoACL(o)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Mosquitto as the broker of hub %s. Generated: changes will be overwritten.", o.Hub)
	line("per_listener_settings false")
	line("persistence false")
	line("sys_interval 0")
	line("allow_anonymous false")
	line("acl_file %s", o.ACLFile)
	line("max_packet_size %d", mqtt.MaxPacket+mosquittoHeader)
	line("max_queued_messages %d", mosquittoQueueMessages)
	line("max_queued_bytes %d", mosquittoQueueBytes)
	line("set_tcp_nodelay true")
	if o.User != "" {
		line("user %s", o.User)
	}
	line("")
	line("listener %s %s", port, host)
	line("cafile %s", o.CAFile)
	line("certfile %s", o.CertFile)
	line("keyfile %s", o.KeyFile)
	if o.CRLFile != "" {
		line("crlfile %s", o.CRLFile)
	}
	line("require_certificate true")
	line("use_identity_as_username true")
	line("use_username_as_clientid true")
	line("tls_version tlsv1.2")
	return b.String(), acl, nil
}

// mosquittoHeader is the fixed header, which Mosquitto counts as part of a packet.
const mosquittoHeader = 5

func mosquittoACL(o MosquittoOptions) (string, error) {
	topics, err := mqtt.TopicsOf(o.Hub)
	if err != nil {
		return "", fmt.Errorf("check options: %w", err)
	}
	hub, _ := mqtt.Level(o.Hub)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Topics of hub %s. Generated: changes will be overwritten.", o.Hub)
	line("user %s", o.Hub)
	line("topic read %s", topics.Up("+"))
	line("topic read %s", topics.Presence("+"))
	line("topic read %s", topics.Health("+"))
	line("topic write %s", topics.Down("+"))
	line("topic readwrite %s", topics.Presence(hub))
	seen := map[string]string{hub: o.Hub}
	for _, office := range o.Offices {
		level, err := mqtt.Level(office)
		if err != nil {
			return "", fmt.Errorf("check options: office %q: %w", office, err)
		}
		if other, twice := seen[level]; twice {
			return "", fmt.Errorf("check options: office %q is the same as %q", office, other)
		}
		seen[level] = office
		line("")
		line("user %s", office)
		line("topic write %s", topics.Up(level))
		line("topic write %s", topics.Presence(level))
		line("topic write %s", topics.Health(level))
		line("topic read %s", topics.Down(level))
		line("topic read %s", topics.Presence(hub))
	}
	return b.String(), nil
}
