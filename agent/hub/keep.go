package hub

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
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
		Addr: h.o.Config.MQTT.Server, Hub: h.ca.Code, User: user,
		CAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "server.crt"),
		KeyFile: filepath.Join(dir, "server.key"), ACLFile: filepath.Join(dir, "acl"),
	}
	if o.Addr == "" {
		o.Addr = h.o.Config.MQTT.Address
	}
	for _, c := range cards {
		if registry.Key(c.Code) != registry.Key(h.ca.Code) {
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
