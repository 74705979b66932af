package broker

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tram/sync/mqtt"
)

// Kind names a broker for which a configuration can be generated.
type Kind string

// Brokers that can take the place of the embedded one.
const (
	Mosquitto Kind = "mosquitto"
	NATS      Kind = "nats"
	RabbitMQ  Kind = "rabbitmq"
	EMQX      Kind = "emqx"
)

// makers is the one table of brokers, in the order in which people see them.
var makers = []struct {
	kind Kind
	make func(*site) Configured
}{
	{Mosquitto, mosquittoConfig},
	{NATS, natsConfig},
	{RabbitMQ, rabbitConfig},
	{EMQX, emqxConfig},
}

// Kinds lists the brokers that Config knows.
func Kinds() []Kind {
	var kinds []Kind
	for _, m := range makers {
		kinds = append(kinds, m.kind)
	}
	return kinds
}

// Names of the files in ConfigOptions.Dir that the caller puts there himself.
const (
	CAFile   = "ca.crt"     // PEM of the authority that signed the client certificates
	CertFile = "server.crt" // PEM of the broker's certificate
	KeyFile  = "server.key" // PEM of its key
)

// Limits of every generated configuration that hold for one client, like those
// of the embedded broker.
const (
	// configQueueMessages bounds what waits for one client; a broker drops what
	// finds no room, and the exchange sends it again.
	configQueueMessages = 1000
	// configHandshakeSeconds is how long a client has for TLS and CONNECT: the
	// brokers' own limits, some of them 2 s, are for quicker lines.
	configHandshakeSeconds = 30
)

// ConfigOptions describe a broker that replaces the embedded one. Addr, Dir and
// Hub are required.
type ConfigOptions struct {
	Addr    string   // "host:port" to listen on
	Dir     string   // absolute path of the folder where the files will lie
	Hub     string   // code of the hub
	Offices []string // codes of all offices; when one joins, write again and reload
	User    string   // system user that Mosquitto runs as when root starts it; optional
	// CRL says that Dir holds a revocation list crl.pem, for brokers that can
	// read one: Mosquitto. Elsewhere, take the office out of Offices.
	CRL bool
	// Subject gives the subject of an office's client certificate, which NATS
	// compares as a whole; nil means that it is the common name alone.
	Subject func(code string) pkix.Name
	// Cluster joins several NATS servers; nil is a single one.
	Cluster *Cluster
}

// CRLFile is the name of the revocation list in ConfigOptions.Dir.
const CRLFile = "crl.pem"

// Cluster describes one server of a NATS cluster. Servers prove themselves to
// each other with the certificates in their Dir, which then need both extended
// key usages, server and client.
type Cluster struct {
	Name   string   // of the cluster
	Server string   // name of this server, another for each
	Listen string   // "host:port" for the other servers
	Routes []string // "host:port" of all servers
}

// File is one file of a configuration.
type File struct {
	Name   string // in ConfigOptions.Dir
	Data   []byte
	Secret bool // only the broker's user may read it
}

// Configured is a complete configuration, apart from the certificates.
type Configured struct {
	Files []File
	// Start and Reload are commands, one a line: how the broker is started with
	// these files, and how it takes over new ones after an office has joined or
	// gone, without ending the connections of the others.
	Start, Reload string
}

// Config generates the configuration of a broker. All of them keep the same
// rules as the embedded one: certificates of one authority only, the common name
// is the office, topics belong to one office, and limits on packets and queues.
// What a broker cannot do is said in its own file and in the README of sync.
func Config(kind Kind, o ConfigOptions) (Configured, error) {
	at := slices.Index(Kinds(), kind)
	if at < 0 {
		return Configured{}, fmt.Errorf("check options: no broker %q", kind)
	}
	s, err := newSite(o)
	if err != nil {
		return Configured{}, err
	}
	return makers[at].make(s), nil
}

// site is what every configuration is made from: options that have been checked.
type site struct {
	ConfigOptions
	host string
	port int
	all  []rights // the hub first
}

func newSite(o ConfigOptions) (*site, error) {
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("check options: %w", err)
	}
	s := &site{ConfigOptions: o, host: host}
	if s.port, err = strconv.Atoi(port); err != nil || s.port < 1 || s.port > 65535 {
		return nil, fmt.Errorf("check options: port %q is not a number from 1 to 65535", port)
	}
	// What stands in a file between quotes or at the end of a line is checked
	// here once, for all formats.
	for _, text := range []string{host, o.Dir, o.User} {
		if strings.ContainsAny(text, "\"'\r\n\x00") {
			return nil, errors.New("check options: quote or line break in address, folder or user")
		}
	}
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("check options: folder %q is not absolute", o.Dir)
	}
	if s.Subject == nil {
		s.Subject = func(code string) pkix.Name { return pkix.Name{CommonName: code} }
	}
	s.all, err = everybody(o.Hub, o.Offices)
	return s, err
}

// path gives the path of a file in Dir; slashes also on Windows, which all the
// brokers understand.
func (s *site) path(name string) string { return filepath.ToSlash(filepath.Join(s.Dir, name)) }

// listen gives the address with a host that is never empty.
func (s *site) listen() string {
	host := s.host
	if host == "" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, strconv.Itoa(s.port))
}

// generated is the first line of every file, after the mark of a comment.
func (s *site) generated(what string) string {
	return fmt.Sprintf("%s of hub %s. Generated by tram-hub broker config: changes will be overwritten.", what, s.Hub)
}

// lines collects a text file.
type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

func (l *lines) file(name string) File { return File{Name: name, Data: []byte(l.String())} }

// packetLimit is the largest packet in bytes, the fixed header counted, which
// some brokers do.
const packetLimit = mqtt.MaxPacket + 5
