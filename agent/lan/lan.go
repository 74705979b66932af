// Package lan keeps the certificate under which an office's pages are reached
// from the office's own network.
//
// It promises:
//
//   - There is always one. Until the hub gives one, the province's certificate is
//     installed, or a pair of files is named in the settings, it is one that the
//     box made for itself; people compare its fingerprint, which State gives.
//   - What people have installed or named goes before what the hub gives. Of the
//     hub no root is taken that PCs would have to trust with more than local
//     networks.
//   - The private key is made on the box, never leaves it, and stays the same
//     when the certificate changes. What goes out is a request (PKCS #10).
//   - A certificate is installed only when it fits the key, is valid now, is for
//     servers, and names this box; what is wrong is said. The file on the disk
//     is replaced whole, and connections made from then on see the new one.
//   - It is no certificate of the office's identity: it opens nothing at a hub.
package lan

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// Files in the data folder.
const (
	KeyFile  = "pages.key"
	CertFile = "pages.crt"
)

const (
	// maxPEM bounds a certificate file, bytes; maxChain its certificates.
	maxPEM   = 64 << 10
	maxChain = 5
	// reloadEvery is how often files named in the settings are looked at.
	reloadEvery = time.Minute
	// Soon is how long before its end a certificate that others look after is worth
	// a warning: programs that renew one by themselves have done it by then.
	Soon = 14 * 24 * time.Hour
)

// The life of a certificate that the box makes for itself. Nobody but a person
// who compares the fingerprint trusts it, so its end would protect nothing, and
// a box whose clock is dead has to make one that is valid today.
var (
	selfFrom  = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	selfUntil = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Source says where a certificate comes from.
type Source string

// Sources.
const (
	SelfMade Source = "self-made"
	Hub      Source = "hub"    // given by the hub
	Issued   Source = "issued" // installed after a request
	Files    Source = "files"  // named in the settings
)

// State is the certificate in use.
type State struct {
	Source      Source    `json:"source"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the certificate, as browsers show it
	Names       []string  `json:"names"`       // host names and IP addresses that it is for
	Issuer      string    `json:"issuer"`
	Until       time.Time `json:"until"`
	// Root is the fingerprint of the root that PCs are to trust, and Uncovered
	// the names of the box that the certificate is not for; of one of the hub.
	Root      string   `json:"root,omitempty"`
	Uncovered []string `json:"uncovered,omitempty"`
}

// Options of Open.
type Options struct {
	Dir string // data folder
	// Names are the host names and IP addresses under which browsers come.
	Names []string
	Title string // the office's name, for people who look at the certificate
	// CertPath and KeyPath are a pair of PEM files that somebody else looks
	// after; both empty for none.
	CertPath, KeyPath string
	Logger            *slog.Logger
	Now               func() time.Time
}

// Keeper keeps the certificate. Safe for concurrent use.
type Keeper struct {
	o Options

	change sync.Mutex // held while a certificate is replaced

	mu     sync.Mutex
	pair   *tls.Certificate
	source Source
	root   *x509.Certificate // of a certificate of the hub
	looked time.Time         // at the files of the settings
	stamp  [2]fileStamp
}

type fileStamp struct {
	size int64
	at   time.Time
}

// Open reads the certificate, or makes one.
func Open(o Options) (*Keeper, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{o: o}
	if o.CertPath != "" {
		k.looked = o.Now()
		return k, k.readFiles()
	}
	return k, k.openOwn()
}

// openOwn reads the box's own pair: one that was issued, else that of the hub,
// else the one that the box made, which it makes again with the same key when it
// has other names.
func (k *Keeper) openOwn() error {
	key, err := k.key()
	if err != nil {
		return err
	}
	chain, err := k.readChain(CertFile, key)
	if err != nil {
		return err
	}
	if chain != nil && !selfMade(chain[0]) {
		k.use(chain, key, Issued)
		return nil
	}
	if found, err := k.readHub(key); found || err != nil {
		return err
	}
	if chain != nil && len(missing(chain[0], k.o.Names)) == 0 {
		k.use(chain, key, SelfMade)
		return nil
	}
	return k.makeOwn(key)
}

func (k *Keeper) makeOwn(key crypto.Signer) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("make serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: k.subject(), NotBefore: selfFrom, NotAfter: selfUntil,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	template.DNSNames, template.IPAddresses = split(k.o.Names)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make the pages' certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("make the pages' certificate: %w", err)
	}
	if err := fsx.WriteFile(k.path(CertFile), encodeChain([]*x509.Certificate{cert}), 0o600); err != nil {
		return fmt.Errorf("keep the pages' certificate: %w", err)
	}
	k.use([]*x509.Certificate{cert}, key, SelfMade)
	k.o.Logger.Info("made a certificate for the pages", "fingerprint", fingerprint(cert))
	return nil
}

// key returns the box's key for its pages, which it makes once.
func (k *Keeper) key() (crypto.Signer, error) {
	key, err := keystore.LoadKey(k.path(KeyFile))
	if !errors.Is(err, keystore.ErrNotFound) {
		return key, err
	}
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the pages' key: %w", err)
	}
	return fresh, keystore.SaveKey(k.path(KeyFile), fresh)
}

func (k *Keeper) path(name string) string { return filepath.Join(k.o.Dir, name) }

// use serves a certificate from now on. The root of one of the hub is not sent:
// who trusts it has it.
func (k *Keeper) use(chain []*x509.Certificate, key crypto.Signer, source Source) {
	var root *x509.Certificate
	if source == Hub {
		root, chain = chain[hubChain-1], chain[:hubChain-1]
	}
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pair, k.source, k.root = pair, source, root
}

// TLS is the configuration of a listener. It follows later changes.
func (k *Keeper) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, _ := k.current()
			return pair, nil
		},
	}
}

// current is the pair in use and where it comes from. Files of the settings are
// looked at by one caller at a time, also when they cannot be read.
func (k *Keeper) current() (*tls.Certificate, Source) {
	k.mu.Lock()
	now := k.o.Now()
	due := k.o.CertPath != "" && now.Sub(k.looked).Abs() >= reloadEvery
	if due {
		k.looked = now
	}
	k.mu.Unlock()
	if due {
		if err := k.readFiles(); err != nil { // the one that was read before is better than none
			k.o.Logger.Error("certificate of the pages not read again", "error", err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pair, k.source
}

// State describes the certificate in use.
func (k *Keeper) State() State {
	k.current() // reads files of the settings again when it is time
	k.mu.Lock()
	defer k.mu.Unlock()
	cert := k.pair.Leaf
	s := State{Source: k.source, Fingerprint: fingerprint(cert), Names: names(cert), Issuer: cert.Issuer.String(), Until: cert.NotAfter}
	if k.root != nil {
		s.Root, s.Uncovered = fingerprint(k.root), missing(cert, k.o.Names)
	}
	return s
}

// Request makes a certificate request for the box's names, as PEM.
func (k *Keeper) Request() ([]byte, error) {
	if k.o.CertPath != "" {
		return nil, problem.New(problem.Conflict, "lan.files", "ui.certificate", nil)
	}
	der, err := k.requestFor(k.o.Names)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

func (k *Keeper) requestFor(names []string) ([]byte, error) {
	key, err := k.key()
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{Subject: k.subject()}
	template.DNSNames, template.IPAddresses = split(names)
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return der, nil
}

// Install takes the certificate that was issued for the box's key, in PEM with
// those of the authorities between it and the root, into use. A *problem.Problem
// says why not.
func (k *Keeper) Install(data []byte) error {
	if k.o.CertPath != "" {
		return problem.New(problem.Conflict, "lan.files", "ui.certificate", nil)
	}
	k.change.Lock()
	defer k.change.Unlock()
	chain, err := parseChain(data)
	if err != nil {
		return problem.New(problem.Usage, "lan.unreadable", "certificate", nil).Because(err)
	}
	key, err := k.key()
	if err != nil {
		return err
	}
	if !samePublic(chain[0].PublicKey, key.Public()) {
		return problem.New(problem.Usage, "lan.other-key", "certificate", nil)
	}
	if err := k.check(chain); err != nil {
		return err
	}
	if err := fsx.WriteFile(k.path(CertFile), encodeChain(chain), 0o600); err != nil {
		return fmt.Errorf("keep the pages' certificate: %w", err)
	}
	k.use(chain, key, Issued)
	k.o.Logger.Info("the pages have a new certificate", "issuer", chain[0].Issuer.String(), "fingerprint", fingerprint(chain[0]))
	return nil
}

// check judges a chain for use in browsers.
func (k *Keeper) check(chain []*x509.Certificate) error {
	leaf, now := chain[0], k.o.Now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return problem.New(problem.Usage, "lan.not-valid-now", "certificate",
			i18n.Args{"from": leaf.NotBefore.Format("02/01/2006"), "until": leaf.NotAfter.Format("02/01/2006")})
	}
	if leaf.IsCA || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return problem.New(problem.Usage, "lan.not-for-servers", "certificate", nil)
	}
	if none := missing(leaf, k.o.Names); len(none) == len(k.o.Names) {
		return problem.New(problem.Usage, "lan.other-names", "certificate",
			i18n.Args{"names": strings.Join(names(leaf), ", "), "wanted": strings.Join(k.o.Names, ", ")})
	}
	for i, above := range chain[1:] {
		if chain[i].CheckSignatureFrom(above) != nil {
			return problem.New(problem.Usage, "lan.chain", "certificate", i18n.Args{"name": above.Subject.String()})
		}
	}
	return nil
}

// readFiles reads the pair that the settings name, when it has changed.
func (k *Keeper) readFiles() error {
	var stamp [2]fileStamp
	for i, path := range []string{k.o.CertPath, k.o.KeyPath} {
		info, err := os.Stat(path)
		if err != nil {
			return problem.New(problem.Usage, "lan.no-file", "ui.certificate", i18n.Args{"file": path}).Because(err)
		}
		stamp[i] = fileStamp{info.Size(), info.ModTime()}
	}
	k.mu.Lock()
	same := k.pair != nil && stamp == k.stamp
	k.mu.Unlock()
	if same {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(k.o.CertPath, k.o.KeyPath)
	if err != nil {
		return problem.New(problem.Usage, "lan.no-file", "ui.certificate", i18n.Args{"file": k.o.CertPath}).Because(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pair, k.source, k.stamp = &pair, Files, stamp
	return nil
}

func (k *Keeper) subject() pkix.Name {
	title := []rune(k.o.Title)
	return pkix.Name{CommonName: "Tram", Organization: []string{string(title[:min(len(title), 64)])}}
}

// split tells IP addresses from names.
func split(names []string) (hosts []string, ips []net.IP) {
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			ips = append(ips, ip)
		} else {
			hosts = append(hosts, n)
		}
	}
	return hosts, ips
}

func names(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// missing lists the wanted names that a certificate is not for.
func missing(c *x509.Certificate, wanted []string) []string {
	var none []string
	for _, n := range wanted {
		if c.VerifyHostname(n) != nil {
			none = append(none, n)
		}
	}
	return none
}

func selfMade(c *x509.Certificate) bool {
	return c.NotBefore.Equal(selfFrom) && c.NotAfter.Equal(selfUntil) && string(c.RawIssuer) == string(c.RawSubject)
}

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// parseChain reads certificates in PEM, the box's own first.
func parseChain(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("read certificates: more than %d bytes", maxPEM)
	}
	var chain []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("read certificates: unexpected %q", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		if chain = append(chain, c); len(chain) > maxChain {
			return nil, fmt.Errorf("read certificates: more than %d", maxChain)
		}
	}
	if len(chain) == 0 {
		return nil, errors.New("read certificates: there is none")
	}
	return chain, nil
}

func encodeChain(chain []*x509.Certificate) []byte {
	var out []byte
	for _, c := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
