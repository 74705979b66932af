// Package ca is the hub's half of trust: its certificate authority, the
// invites by which offices join, the enrolment service, and the backup from
// which the same hub can be raised again.
//
// It promises that a certificate says only what the hub knows, never what a
// request asks for; that an invite admits one set of keys once, and the same
// keys again when the answer was lost; that the private keys it keeps never
// leave the key folder except inside an encrypted backup; and that every
// certificate and every use of an invite stands in the audit log.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/keystore"
)

// Pair is a private key with its certificate.
type Pair struct {
	Key  *ecdsa.PrivateKey
	Cert *x509.Certificate
}

// CA is the trust of one hub, loaded from its key folder. Its methods may be
// called from several goroutines.
type CA struct {
	Code, Name   string   // of the hub
	Enroll, MQTT []string // host:port, as offices are told
	Root         Pair     // self-signed, issues everything else
	Authority    Pair     // signs invites, cards and enrolment answers
	Age          *age.X25519Identity
	Brokers      []*x509.Certificate // CAs of an external broker's nodes, which offices are told; set before use
	Policy       Policy              // set before use

	others    succession // beside Root
	folder    string
	hosts     []string
	inviteKey []byte
	// WorkFactor is the log2 of the work on the passphrase of a backup; zero is
	// scryptWorkFactor, tests lower it.
	WorkFactor int

	mu         sync.RWMutex // guards what follows
	device     Pair         // Refresh replaces this one and the next
	server     Pair
	revoked    map[string]Revocation // by key
	serials    map[string]bool       // of revoked certificates, hex
	revokedAll []Revocation
}

// Options describe a new hub.
type Options struct {
	Code, Name string
	Hosts      []string // names and addresses of the server certificate beside the local ones
	Enroll     []string // host:port told to offices; their hosts join Hosts
	MQTT       []string
	Now        func() time.Time // nil is time.Now
}

// Files of the key folder, beside those that identity names.
const (
	settingsFile  = "hub.json"
	inviteKeyFile = "invite.key"
	ageFile       = "hub.age"
	restoredDir   = "restored" // cards out of a backup, until Register took them in
)

// Settings is, in the data folder, the file that says that a hub is set up there.
const Settings = identity.Folder + "/" + settingsFile

// Names of the pairs: NAME.key and NAME.crt.
const (
	rootName      = "ca"
	authorityName = "authority"
	deviceName    = "device"
	serverName    = "server"
)

type settings struct {
	Version int      `json:"version"`
	Code    string   `json:"code"`
	Name    string   `json:"name"`
	Hosts   []string `json:"hosts"`
	Enroll  []string `json:"enroll"`
	MQTT    []string `json:"mqtt"`
}

const settingsVersion = 1 // of the JSON files

// earliest is before the first release: a clock that shows less is dead.
var earliest = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Exists reports whether data folder dir holds a hub.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, Settings))
	return err == nil
}

// Init makes a hub in data folder dir, all or nothing. When the hub of the
// same code is already there it is loaded and left as it is; problem hub.other
// when there is one of another code.
func Init(dir string, o Options) (*CA, error) {
	if Exists(dir) {
		c, err := Load(dir)
		if err != nil {
			return nil, err
		}
		if registry.Key(c.Code) != registry.Key(o.Code) {
			return nil, problem.New(problem.Conflict, "hub.other", "code", i18n.Args{"dir": dir, "code": c.Code})
		}
		return c, nil
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	stage := filepath.Join(dir, identity.Folder+".new")
	if err := os.RemoveAll(stage); err != nil {
		return nil, fmt.Errorf("initialise hub: %w", err)
	}
	if err := keystore.MakeFolder(stage); err != nil {
		return nil, fmt.Errorf("initialise hub: %w", err)
	}
	if err := o.generate(stage); err != nil {
		return nil, fmt.Errorf("initialise hub: %w", err)
	}
	if err := identity.Publish(stage, filepath.Join(dir, identity.Folder)); err != nil {
		return nil, fmt.Errorf("initialise hub: %w", err)
	}
	return Load(dir)
}

func (o *Options) check() error {
	if o.Now == nil {
		o.Now = time.Now
	}
	var found problem.List
	if err := registry.CheckCode(o.Code); err != nil {
		found = append(found, problem.New(problem.Usage, "office.code", "code", i18n.Args{"value": o.Code, "max": registry.MaxCode}).Because(err))
	}
	if err := registry.CheckName(o.Name); err != nil {
		found = append(found, problem.New(problem.Usage, "office.name", "name", i18n.Args{"max": registry.MaxName}).Because(err))
	}
	for _, e := range o.Enroll {
		found = append(found, checkEndpoint("enroll", e)...)
	}
	for _, e := range o.MQTT {
		found = append(found, checkEndpoint("mqtt", e)...)
	}
	if now := o.Now(); now.Before(earliest) {
		found = append(found, problem.New(problem.BadClock, "clock.dead", "", i18n.Args{"now": now.Format(time.DateTime)}))
	}
	return found.Err()
}

// checkEndpoint refuses what an office could not dial, such as 0.0.0.0.
func checkEndpoint(field, endpoint string) problem.List {
	err := invite.CheckEndpoint(endpoint)
	if ip := net.ParseIP(identity.Host(endpoint)); err == nil && ip != nil && ip.IsUnspecified() {
		err = errors.New("address of all interfaces is no destination")
	}
	if err == nil {
		return nil
	}
	return problem.List{problem.New(problem.Usage, "hub.endpoint", field, i18n.Args{"value": endpoint}).Because(err)}
}

// generate makes all keys and certificates of a new hub in folder.
func (o *Options) generate(folder string) error {
	c := &CA{Code: o.Code, Name: o.Name, Enroll: o.Enroll, MQTT: o.MQTT, folder: folder, hosts: allHosts(o.Hosts, o.Enroll, o.MQTT)}
	now := o.Now()
	keys := map[string]*ecdsa.PrivateKey{}
	for _, name := range []string{rootName, authorityName, deviceName, serverName} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		keys[name] = key
	}
	var err error
	if c.Root, err = c.makeRoot(keys[rootName], 1, time.Time{}, now); err != nil {
		return err
	}
	pairs := map[string]func() (Pair, error){
		authorityName: func() (Pair, error) { return c.makeAuthority(keys[authorityName], now) },
		deviceName:    func() (Pair, error) { return c.makeHubDevice(keys[deviceName], now) },
		serverName:    func() (Pair, error) { return c.makeServer(keys[serverName], now) },
		rootName:      func() (Pair, error) { return c.Root, nil },
	}
	for name, make := range pairs {
		pair, err := make()
		if err != nil {
			return err
		}
		if err := pair.save(folder, name); err != nil {
			return err
		}
	}
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	if err := keystore.Save(filepath.Join(folder, inviteKeyFile), key); err != nil {
		return err
	}
	if c.Age, err = age.GenerateX25519Identity(); err != nil {
		return err
	}
	if err := keystore.Save(filepath.Join(folder, ageFile), []byte(c.Age.String()+"\n")); err != nil {
		return err
	}
	return c.saveSettings()
}

func (c *CA) saveSettings() error {
	return c.writeJSON(settingsFile, settings{
		Version: settingsVersion, Code: c.Code, Name: c.Name, Hosts: c.hosts, Enroll: c.Enroll, MQTT: c.MQTT,
	})
}

func (p Pair) save(folder, name string) error {
	if err := keystore.SaveKey(filepath.Join(folder, name+".key"), p.Key); err != nil {
		return err
	}
	return keystore.SaveCert(filepath.Join(folder, name+".crt"), p.Cert)
}

// Load reads the hub of data folder dir. Problems: hub.none, key.permissions,
// identity.damaged.
func Load(dir string) (*CA, error) {
	folder := filepath.Join(dir, identity.Folder)
	if err := settle(dir); err != nil {
		return nil, fmt.Errorf("load hub: %w", err)
	}
	if !Exists(dir) {
		return nil, problem.New(problem.NotEnrolled, "hub.none", "data", i18n.Args{"dir": dir})
	}
	c := &CA{folder: folder}
	if err := c.load(); err != nil {
		return nil, identity.Explain(fmt.Errorf("load hub: %w", err), folder)
	}
	return c, nil
}

func (c *CA) load() error {
	var s settings
	err := c.readJSON(settingsFile, &s, &s.Version)
	if err != nil {
		return err
	}
	c.Code, c.Name, c.hosts, c.Enroll, c.MQTT = s.Code, s.Name, s.Hosts, s.Enroll, s.MQTT
	for name, pair := range map[string]*Pair{rootName: &c.Root, authorityName: &c.Authority, deviceName: &c.device, serverName: &c.server} {
		if *pair, err = loadPair(c.folder, name); err != nil {
			return err
		}
	}
	if c.inviteKey, err = keystore.Load(filepath.Join(c.folder, inviteKeyFile)); err != nil {
		return err
	}
	if len(c.inviteKey) != sha256.Size {
		return fmt.Errorf("read invite key: has %d bytes, want %d", len(c.inviteKey), sha256.Size)
	}
	if c.Age, err = identity.LoadAge(filepath.Join(c.folder, ageFile)); err != nil {
		return err
	}
	known, err := c.loadRevoked()
	if err != nil {
		return err
	}
	c.remember(known)
	if err := c.check(); err != nil {
		return err
	}
	return c.loadSuccession()
}

// readJSON reads a file of the key folder, whose version is in what it fills.
func (c *CA) readJSON(name string, into any, version *int) error {
	data, err := keystore.Load(filepath.Join(c.folder, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if *version != settingsVersion {
		return fmt.Errorf("read %s: version %d, this program reads %d", name, *version, settingsVersion)
	}
	return nil
}

// writeJSON writes such a file.
func (c *CA) writeJSON(name string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return keystore.Save(filepath.Join(c.folder, name), append(data, '\n'))
}

func loadPair(folder, name string) (Pair, error) {
	key, err := keystore.LoadKey(filepath.Join(folder, name+".key"))
	if err != nil {
		return Pair{}, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return Pair{}, fmt.Errorf("read %s.key: not an ECDSA P-256 key", name)
	}
	cert, err := keystore.LoadCert(filepath.Join(folder, name+".crt"))
	if err != nil {
		return Pair{}, err
	}
	if !ec.PublicKey.Equal(cert.PublicKey) {
		return Pair{}, fmt.Errorf("read %s.crt: does not fit its key", name)
	}
	return Pair{Key: ec, Cert: cert}, nil
}

func (c *CA) check() error {
	if err := identity.CheckAuthority(c.Root.Cert, c.Authority.Cert); err != nil {
		return err
	}
	if err := c.device.Cert.CheckSignatureFrom(c.Root.Cert); err != nil {
		return fmt.Errorf("check device certificate: %w", err)
	}
	if code, err := identity.DeviceCode(c.device.Cert); err != nil || code != c.Code {
		return fmt.Errorf("check device certificate: names %q, not %q", code, c.Code)
	}
	if err := c.server.Cert.CheckSignatureFrom(c.Root.Cert); err != nil {
		return fmt.Errorf("check server certificate: %w", err)
	}
	return nil
}

// Hash is the SHA-256 of the CA certificate, by which invites name it.
func (c *CA) Hash() [sha256.Size]byte { return HashOf(c.Root.Cert) }

// HashOf is that of another CA certificate.
func HashOf(cert *x509.Certificate) [sha256.Size]byte { return sha256.Sum256(cert.Raw) }

// Device is the hub's own office key: MQTT client, headers, receipts.
func (c *CA) Device() Pair {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.device
}

// Server is the TLS server key of broker and enrolment.
func (c *CA) Server() Pair {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.server
}

// Identity is the hub seen as an office. It has no seal. The card is the
// hub's own, as Register returned it.
func (c *CA) Identity(card []byte) *identity.Identity {
	device := c.Device()
	return &identity.Identity{
		Code: c.Code, Name: c.Name, Hub: c.Code, Device: device.Key, DeviceCert: device.Cert, Age: c.Age, Card: card,
		Trust: c.trust(),
	}
}

// SetEndpoints changes the addresses that offices are told from now on and
// stores them. The server certificate follows at the next Refresh. Call it
// before the CA is in use by others.
func (c *CA) SetEndpoints(enroll, mqtt []string) error {
	var found problem.List
	for _, e := range enroll {
		found = append(found, checkEndpoint("enroll", e)...)
	}
	for _, e := range mqtt {
		found = append(found, checkEndpoint("mqtt", e)...)
	}
	if err := found.Err(); err != nil {
		return err
	}
	if slices.Equal(enroll, c.Enroll) && slices.Equal(mqtt, c.MQTT) {
		return nil
	}
	c.Enroll, c.MQTT = enroll, mqtt
	c.hosts = allHosts(c.hosts, enroll, mqtt)
	return c.saveSettings()
}

// allHosts joins hosts and those of the endpoints with the local ones, each
// once.
func allHosts(hosts []string, endpoints ...[]string) []string {
	all := append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
	for _, list := range endpoints {
		for _, e := range list {
			all = append(all, identity.Host(e))
		}
	}
	var once []string
	for _, h := range all {
		if h != "" && !slices.Contains(once, h) {
			once = append(once, h)
		}
	}
	return once
}
