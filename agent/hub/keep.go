package hub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"tram/agent/config"
	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
	"tram/sync/broker"
)

// Backup writes the hub's backup. It only reads, so that it works beside a
// running hub.
func Backup(ctx context.Context, dir string, db *sqlite.DB, w io.Writer, passphrase string) error {
	authority, err := ca.Load(dir)
	if err != nil {
		return err
	}
	offices, err := registry.New(db, authority.Authority.Cert.PublicKey, registry.Options{})
	if err != nil {
		return err
	}
	return authority.Backup(ctx, w, passphrase, offices)
}

// WriteBroker writes into dir everything that another broker needs to take the
// place of the embedded one: configuration with the rights of all offices,
// certificates, the server key, and a page that says how to go on. The broker
// runs as account ("" leaves that to it) and must be able to read the files,
// also when it reads them again: root gives them to it, where there is such an
// account. It only reads of the hub in data, so that an office that joins does
// not stop it.
func WriteBroker(ctx context.Context, data string, db *sqlite.DB, cfg *config.Hub, kind broker.Kind, dir, account string) (broker.Configured, error) {
	var written broker.Configured
	authority, err := ca.Load(data)
	if err != nil {
		return written, err
	}
	offices, err := brokerOffices(ctx, data, db, authority)
	if err != nil {
		return written, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return written, fmt.Errorf("find folder: %w", err)
	}
	if _, err := os.Stat(dir); err != nil {
		if err := errors.Join(os.MkdirAll(dir, 0o700), giveTo(account, dir)); err != nil {
			return written, fmt.Errorf("make folder: %w", err)
		}
	}
	o := broker.ConfigOptions{
		Addr: cfg.MQTT.Address, Dir: dir, Hub: authority.Code, User: account, Subject: authority.DeviceSubject, Offices: offices,
		CRL: kind == broker.Mosquitto,
	}
	if servers := cfg.MQTT.Server; len(servers) > 0 {
		o.Addr = servers[0]
	}
	written, err = broker.Config(kind, o)
	if err != nil {
		return written, err
	}
	server := authority.Server()
	list, err := crlPEM(authority, time.Now())
	if err != nil {
		return written, err
	}
	errs := []error{
		fsx.WriteFile(filepath.Join(dir, broker.CRLFile), list, 0o644),
		keystore.SaveKey(filepath.Join(dir, broker.KeyFile), server.Key),
		fsx.WriteFile(filepath.Join(dir, broker.CAFile), signingPEM(authority), 0o644),
		fsx.WriteFile(filepath.Join(dir, broker.CertFile), certPEM(server.Cert.Raw), 0o644),
		fsx.WriteFile(filepath.Join(dir, "README.txt"), brokerPage(kind, dir, written), 0o644),
	}
	secrets := []string{filepath.Join(dir, broker.KeyFile)}
	for _, f := range written.Files {
		path, mode := filepath.Join(dir, f.Name), os.FileMode(0o644)
		if f.Secret {
			secrets, mode = append(secrets, path), 0o600
		}
		errs = append(errs, fsx.WriteFile(path, f.Data, mode))
	}
	return written, errors.Join(append(errs, giveTo(account, secrets...))...)
}

// giveTo makes an account the owner of files when root asks and there is such an
// account on this machine.
func giveTo(account string, paths ...string) error {
	if account == "" || os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return nil // it is one of the broker's machine
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	for _, path := range paths {
		if err := os.Lchown(path, uid, gid); err != nil {
			return fmt.Errorf("give to %s: %w", account, err)
		}
	}
	return nil
}

// brokerOffices are the codes of the offices that connect to the broker of the
// hub in data.
func brokerOffices(ctx context.Context, data string, db *sqlite.DB, authority *ca.CA) ([]string, error) {
	known, err := registry.New(db, authority.Authority.Cert.PublicKey, registry.Options{})
	if err != nil {
		return nil, err
	}
	cards, err := ownMembers(ctx, data, db, known, authority)
	var codes []string
	for _, c := range cards {
		codes = append(codes, c.Code)
	}
	return codes, err
}

// ownMembers are the offices, and hubs below, that are enrolled with the hub in
// data or invited to it, but for those that were revoked.
func ownMembers(ctx context.Context, data string, db *sqlite.DB, known *registry.Registry, authority *ca.CA) ([]registry.Card, error) {
	above := ""
	if dir := ca.UpstreamFolder(data); identity.Exists(dir) {
		id, err := identity.Load(dir)
		if err != nil {
			return nil, err
		}
		above = id.Hub
	}
	return members(ctx, db, known, func(c registry.Card) bool {
		return c.Hub == "" && registry.Key(c.Code) != registry.Key(authority.Code) && c.Code != above && !authority.Dismissed(c)
	})
}

// brokerPage says how the broker is started and how an office joins, in both
// languages.
func brokerPage(kind broker.Kind, dir string, config broker.Configured) []byte {
	var page []byte
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		page = append(page, i18n.T(lang, "hub.broker.page", i18n.Args{
			"kind": kind, "dir": dir, "start": config.Start, "reload": config.Reload,
			"note": i18n.T(lang, "hub.broker.note."+string(kind)),
		})...)
		page = append(page, "\n\n"...)
	}
	return page
}

// signingPEM are the CAs that have issued certificates in force.
func signingPEM(authority *ca.CA) (text []byte) {
	for _, pair := range authority.Signing() {
		text = append(text, certPEM(pair.Cert.Raw)...)
	}
	return text
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// brokerCAs reads the CAs of an external broker from a PEM file in the data
// folder; none for "". A file without a certificate is the problem
// "tram.no-certificate".
func brokerCAs(dir, name string) ([]*x509.Certificate, error) {
	if name == "" {
		return nil, nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, problem.New(problem.Usage, "tram.unreadable-file", "mqtt.ca", i18n.Args{"file": name}).Because(err)
	}
	var list []*x509.Certificate
	for len(list) < invite.MaxBrokers {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !c.IsCA {
			list = nil
			break
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, problem.New(problem.Usage, "tram.no-certificate", "mqtt.ca", i18n.Args{"file": name})
	}
	return list, nil
}
