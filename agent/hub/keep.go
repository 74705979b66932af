package hub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
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

// WriteMosquitto writes into dir everything that a Mosquitto needs to be this
// hub's broker: configuration, access list of all offices, certificates and the
// server key. Mosquitto runs as user ("" leaves that to it); the files must be
// readable for it.
func (h *Hub) WriteMosquitto(ctx context.Context, dir, user string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	cards, err := h.registry.All(ctx, "", listLimit)
	if err != nil {
		return err
	}
	o := broker.MosquittoOptions{
		Addr: h.o.Config.MQTT.Address, Hub: h.ca.Code, User: user,
		CAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "server.crt"),
		KeyFile: filepath.Join(dir, "server.key"), ACLFile: filepath.Join(dir, "acl"),
	}
	if servers := h.o.Config.MQTT.Server; len(servers) > 0 {
		o.Addr = servers[0]
	}
	for _, c := range cards {
		if h.ours(c) {
			o.Offices = append(o.Offices, c.Code)
		}
	}
	conf, acl, err := broker.MosquittoConfig(o)
	if err != nil {
		return err
	}
	server := h.ca.Server()
	return errors.Join(
		keystore.SaveKey(o.KeyFile, server.Key),
		fsx.WriteFile(o.CAFile, certPEM(h.ca.Root.Cert.Raw), 0o644),
		fsx.WriteFile(o.CertFile, certPEM(server.Cert.Raw), 0o644),
		fsx.WriteFile(o.ACLFile, []byte(acl), 0o600),
		fsx.WriteFile(filepath.Join(dir, "mosquitto.conf"), []byte(conf), 0o644),
	)
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
