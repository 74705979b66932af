package config

import (
	"bytes"
	"slices"
	"time"

	"tram/agent/hours"
)

// HubFile is the name of the hub program's settings file in its data folder.
const HubFile = "tram-hub.toml"

// Bounds of alerts.
const (
	maxURL   = 2000 // characters
	minPulse = 10 * time.Second
	maxPulse = 24 * time.Hour
)

func printables(all []string) bool {
	return !slices.ContainsFunc(all, func(s string) bool { return !isPrintable(s) })
}

// hubEnv starts the names of environment variables of the hub program.
const hubEnv = "TRAM_HUB_"

// Hub is the settings of tram-hub. Make one with DefaultHub or LoadHub.
type Hub struct {
	Code     string // the hub's office code; set by init
	Name     string // the hub's name; set by init
	MQTT     HubMQTT
	Enroll   HubEnroll
	Console  HubConsole
	Language string // "vi" or "en"
	Log      Log
	Limits   HubLimits
	Upstream HubUpstream
	Storage  Storage
	Alerts   HubAlerts
	Metrics  Metrics

	origins map[string]Origin
}

// HubMQTT is the broker that offices connect to.
type HubMQTT struct {
	Embedded  bool          // run the broker inside tram-hub
	Address   string        // host:port where the embedded broker listens
	Server    []string      // host:port of each node of an external broker; needed when Embedded is false
	CRL       string        // file in which the hub keeps its revocation list for an external broker; "" for none
	CA        string        // PEM file with the CAs of that broker's certificates, in the data folder; "" when this hub's CA made them
	Advertise []string      // host:port list that offices are told; empty means Address or Server
	Keepalive time.Duration // longest silence of the hub's own connection to an external broker
	// KeyExchange is "economical" or "post-quantum", see identity.KeyExchange.
	KeyExchange string
}

// HubEnroll is where offices enrol.
type HubEnroll struct {
	Address   string   // host:port where enrolment listens
	Advertise []string // host:port list written into invites; empty means Address
	// Life is that of the offices' device certificates; they are renewed at two
	// thirds of it.
	Life time.Duration
	// Grace is how long after its end a certificate that was not revoked may
	// still be used to renew itself; 0 is none.
	Grace time.Duration
}

// HubConsole is where the province's console is served.
type HubConsole struct {
	Address string // host:port; beyond loopback it is served over TLS alone
	// Names are further host names and IP addresses under which browsers come,
	// for the certificate.
	Names []string
	SSO   HubSSO
}

// HubSSO is the provider of OpenID Connect that people may sign in to the console
// with.
type HubSSO struct {
	Issuer string   // https address of the provider, as it writes it itself; "" for none
	Client string   // this hub's name there
	Secret string   // file with its secret; "" for a client without one
	CA     string   // file with authorities in PEM; "" for the system's
	Origin string   // under which browsers open the console
	Name   string   // on the button; "" for the provider's host
	Scopes []string // that are asked for, besides openid
	User   string   // claim that accounts are named after
	Groups string   // claim with the groups
	Roles  []string // "GROUP = ROLE", see package sso; the first that fits counts
}

// HubLimits bounds what one office may leave at the hub.
type HubLimits struct {
	Quota Size // bytes in custody per sending office; above it the hub asks the office to wait
}

// HubUpstream is the line to the hub above, for a hub that has joined one.
type HubUpstream struct {
	Servers   []string      // host:port of its broker; empty means those that the hub above told
	Keepalive time.Duration // longest silence of the line
}

// HubAlerts is of whom and how people are told what is wrong.
type HubAlerts struct {
	Rules   []string   // changes of rules, see incident.Rules.Override
	OnCall  hours.Week // when somebody takes what is critical; empty: always
	Webhook HubWebhook
	Mail    HubMail
	Command []string // program with its arguments; empty for none
	Pulse   HubPulse
}

// HubWebhook is where alerts are posted to.
type HubWebhook struct {
	URL    string // "" for none
	Secret string // file with the secrets that messages are signed with
	CA     string // file with authorities in PEM; "" for the system's
}

// HubMail is the mail server for alerts.
type HubMail struct {
	Server   string // HOST or HOST:PORT; "" for none
	TLS      string // "starttls", "tls", or "" by the port
	From     string
	To       []string
	Security []string // who gets what is about signatures; empty: To
	User     string   // "" signs in nowhere
	Password string   // file with the password
	CA       string   // file with authorities in PEM; "" for the system's
}

// HubPulse is the sign of life to a watcher outside.
type HubPulse struct {
	File  string // file with its address; "" for none
	Every time.Duration
	CA    string // file with authorities in PEM; "" for the system's
}

// DefaultHub returns the settings of a hub where nobody set anything.
func DefaultHub() *Hub {
	return &Hub{
		MQTT:     HubMQTT{Embedded: true, Address: "127.0.0.1:8883", Keepalive: time.Minute, KeyExchange: "economical"},
		Enroll:   HubEnroll{Address: "127.0.0.1:8884", Life: 180 * 24 * time.Hour, Grace: 365 * 24 * time.Hour},
		Console:  HubConsole{Address: "127.0.0.1:8800", SSO: HubSSO{Scopes: []string{"profile"}, User: "preferred_username", Groups: "groups"}},
		Language: "vi",
		Log:      Log{Level: "info", Format: "text"},
		Limits:   HubLimits{Quota: 20 * GB},
		Upstream: HubUpstream{Keepalive: time.Minute},
		Storage:  Storage{Reserve: 500 * MB},
		Alerts:   HubAlerts{Pulse: HubPulse{Every: 5 * time.Minute}},
	}
}

func (h *Hub) fields() []field {
	return append([]field{
		officeCode("code", &h.Code),
		text("name", &h.Name, maxName),
		toggle("mqtt.embedded", &h.MQTT.Embedded),
		address("mqtt.address", &h.MQTT.Address),
		addresses("mqtt.server", &h.MQTT.Server),
		text("mqtt.ca", &h.MQTT.CA, maxName),
		text("mqtt.crl", &h.MQTT.CRL, maxName),
		addresses("mqtt.advertise", &h.MQTT.Advertise),
		duration("mqtt.keepalive", &h.MQTT.Keepalive, minKeepalive, maxKeepalive),
		choice("mqtt.keyexchange", &h.MQTT.KeyExchange, "economical", "post-quantum"),
		address("enroll.address", &h.Enroll.Address),
		addresses("enroll.advertise", &h.Enroll.Advertise),
		duration("enroll.life", &h.Enroll.Life, minLife, maxLife),
		duration("enroll.grace", &h.Enroll.Grace, 0, maxLife),
		address("console.address", &h.Console.Address),
		hostNames("console.names", &h.Console.Names),
		text("console.sso.issuer", &h.Console.SSO.Issuer, maxURL),
		text("console.sso.client", &h.Console.SSO.Client, maxName),
		optionalPath("console.sso.file", &h.Console.SSO.Secret),
		optionalPath("console.sso.ca", &h.Console.SSO.CA),
		text("console.sso.origin", &h.Console.SSO.Origin, maxURL),
		text("console.sso.name", &h.Console.SSO.Name, maxName),
		list("console.sso.scopes", "SCOPE, …", &h.Console.SSO.Scopes, printables),
		text("console.sso.user", &h.Console.SSO.User, maxName),
		text("console.sso.groups", &h.Console.SSO.Groups, maxName),
		list("console.sso.roles", "GROUP = operator | GROUP = security | GROUP = officer CLUSTER, …", &h.Console.SSO.Roles, printables),
		choice("language", &h.Language, "vi", "en"),
		choice("log.level", &h.Log.Level, "debug", "info", "warn", "error"),
		choice("log.format", &h.Log.Format, "text", "json"),
		size("limits.quota", &h.Limits.Quota, 10*MB, 100_000*GB),
		addresses("upstream.servers", &h.Upstream.Servers),
		duration("upstream.keepalive", &h.Upstream.Keepalive, minKeepalive, maxKeepalive),
		size("storage.reserve", &h.Storage.Reserve, 10*MB, 1000*GB),
		list("alerts.rules", "[CLUSTER: ]RULE SEVERITY LIMIT | [CLUSTER: ]RULE off, …", &h.Alerts.Rules, printables),
		week("alerts.oncall", &h.Alerts.OnCall),
		text("alerts.webhook.url", &h.Alerts.Webhook.URL, maxURL),
		optionalPath("alerts.webhook.file", &h.Alerts.Webhook.Secret),
		optionalPath("alerts.webhook.ca", &h.Alerts.Webhook.CA),
		text("alerts.mail.server", &h.Alerts.Mail.Server, maxName),
		choice("alerts.mail.tls", &h.Alerts.Mail.TLS, "", "starttls", "tls"),
		text("alerts.mail.from", &h.Alerts.Mail.From, maxName),
		list("alerts.mail.to", "NAME@DOMAIN, …", &h.Alerts.Mail.To, printables),
		list("alerts.mail.security", "NAME@DOMAIN, …", &h.Alerts.Mail.Security, printables),
		text("alerts.mail.user", &h.Alerts.Mail.User, maxName),
		optionalPath("alerts.mail.file", &h.Alerts.Mail.Password),
		optionalPath("alerts.mail.ca", &h.Alerts.Mail.CA),
		list("alerts.command", "/…, ARGUMENT, …", &h.Alerts.Command, printables),
		optionalPath("alerts.pulse.file", &h.Alerts.Pulse.File),
		duration("alerts.pulse.every", &h.Alerts.Pulse.Every, minPulse, maxPulse),
		optionalPath("alerts.pulse.ca", &h.Alerts.Pulse.CA),
	}, h.Metrics.fields()...)
}

// Validate checks every value and returns all faults as a problem.List, or nil.
func (h *Hub) Validate() error {
	faults := check(h.fields(), h.origins)
	if !h.MQTT.Embedded && len(h.MQTT.Server) == 0 {
		faults = append(faults, badValue("mqtt.server", "", "HOST:PORT (mqtt.embedded = false)", h.origins))
	}
	return append(faults, h.Metrics.faults(h.origins)...).Err()
}

// Values lists every effective setting with where it came from, in a fixed
// order.
func (h *Hub) Values() []Value { return values(h.fields(), h.origins) }

// Save writes the settings that differ from their defaults to the file in dir,
// durably. Comments in an older file are lost.
func (h *Hub) Save(dir string) error {
	return save(dir, HubFile, h.fields(), DefaultHub().fields())
}

// MQTTEndpoints returns the host:port list that offices are told for MQTT.
func (h *Hub) MQTTEndpoints() []string {
	switch {
	case len(h.MQTT.Advertise) > 0:
		return h.MQTT.Advertise
	case h.MQTT.Embedded:
		return []string{h.MQTT.Address}
	default:
		return h.MQTT.Server
	}
}

// EnrollEndpoints returns the host:port list that invites carry.
func (h *Hub) EnrollEndpoints() []string {
	if len(h.Enroll.Advertise) > 0 {
		return h.Enroll.Advertise
	}
	return []string{h.Enroll.Address}
}

// LoadHub reads the settings of the hub whose data folder is dir. A missing
// file is no fault. The error is a problem.List with every fault found.
func LoadHub(dir string, flags Flags) (*Hub, error) {
	h := DefaultHub()
	origins, err := load(source{dir: dir, file: HubFile, env: hubEnv, flags: flags}, h.fields())
	if err != nil {
		return nil, err
	}
	h.origins = origins
	if err := h.Validate(); err != nil {
		return nil, err
	}
	return h, nil
}

// ExampleHub returns a settings file with every key at its default, each
// commented out, to start from.
func ExampleHub() []byte {
	var b bytes.Buffer
	example(&b, DefaultHub().fields())
	return b.Bytes()
}
