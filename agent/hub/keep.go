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
	"tram/agent/i18n"
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
// runs as user ("" leaves that to it); the files must be readable for it.
func (h *Hub) WriteBroker(ctx context.Context, kind broker.Kind, dir, user string) (broker.Configured, error) {
	var config broker.Configured
	dir, err := filepath.Abs(dir)
	if err != nil {
		return config, fmt.Errorf("find folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return config, fmt.Errorf("make folder: %w", err)
	}
	cards, err := h.registry.All(ctx, "", listLimit)
	if err != nil {
		return config, err
	}
	o := broker.ConfigOptions{
		Addr: h.o.Config.MQTT.Server, Dir: dir, Hub: h.ca.Code, User: user, Subject: h.ca.DeviceSubject,
	}
	if o.Addr == "" {
		o.Addr = h.o.Config.MQTT.Address
	}
	for _, c := range cards {
		if registry.Key(c.Code) != registry.Key(h.ca.Code) {
			o.Offices = append(o.Offices, c.Code)
		}
	}
	config, err = broker.Config(kind, o)
	if err != nil {
		return config, err
	}
	server := h.ca.Server()
	errs := []error{
		keystore.SaveKey(filepath.Join(dir, broker.KeyFile), server.Key),
		fsx.WriteFile(filepath.Join(dir, broker.CAFile), certPEM(h.ca.Root.Cert.Raw), 0o644),
		fsx.WriteFile(filepath.Join(dir, broker.CertFile), certPEM(server.Cert.Raw), 0o644),
		fsx.WriteFile(filepath.Join(dir, "README.txt"), brokerPage(kind, dir, config), 0o644),
	}
	for _, f := range config.Files {
		mode := os.FileMode(0o644)
		if f.Secret {
			mode = 0o600
		}
		errs = append(errs, fsx.WriteFile(filepath.Join(dir, f.Name), f.Data, mode))
	}
	return config, errors.Join(errs...)
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

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
