package enroll

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// Files of the pending folder beside those that identity names.
const (
	inviteFile = "invite.moi"
	ownerFile  = "for" // for which hub and office the keys were made
	whyFile    = "why" // what the box waits for at the hub, JSON
)

// CardsFile, in the key folder, holds the registry cards that came with the
// answer, as registry.EncodeCards made them.
const CardsFile = "cards"

// FirstCards returns the registry cards that came with the enrolment, the
// office's own and the hub's first, for registry.Merge at start. None is no
// error.
func FirstCards(dir string) ([][]byte, error) {
	data, err := keystore.Load(filepath.Join(dir, identity.Folder, CardsFile))
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return registry.DecodeCards(data)
}

func pendingFolder(dir string) string { return filepath.Join(dir, identity.Folder+".pending") }

// box is this machine's side of an enrolment: keys made here, in the pending
// folder.
type box struct {
	folder string
	device crypto.Signer
	seal   crypto.Signer
	age    *age.X25519Identity
}

// prepare makes the pending folder hold keys and the invite. Keys of an
// earlier attempt are used again when they were for the same office and hub. A
// hub, not nil, brings its own; a box that joins again those of old.
func prepare(dir string, inv *invite.Invite, raw []byte, hub *HubKeys, old *identity.Identity) (*box, error) {
	folder := pendingFolder(dir)
	if err := keystore.MakeFolder(folder); err != nil {
		return nil, err
	}
	if err := fsx.RemoveTemps(fsx.OS, folder); err != nil {
		return nil, err
	}
	owner := filepath.Join(folder, ownerFile)
	mark := inv.Hub + "\n" + registry.Key(inv.Code) + "\n"
	if have, err := keystore.Load(owner); err != nil || string(have) != mark {
		// First the keys go, then the mark: a cut in between makes new keys.
		for _, name := range []string{inviteFile, whyFile, identity.DeviceKeyFile, identity.SealKeyFile, identity.AgeFile} {
			if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("prepare enrolment: %w", err)
			}
		}
		if err := keystore.Save(owner, []byte(mark)); err != nil {
			return nil, err
		}
	}
	if hub != nil {
		if err := hub.save(folder); err != nil {
			return nil, err
		}
	}
	if old != nil {
		if err := copyKeys(folder, old); err != nil {
			return nil, err
		}
	}
	if err := makeKeys(folder); err != nil {
		return nil, err
	}
	if have, err := keystore.Load(filepath.Join(folder, inviteFile)); err != nil || !bytes.Equal(have, raw) {
		// What the box waited for with another invite is over.
		if err := os.Remove(filepath.Join(folder, whyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("prepare enrolment: %w", err)
		}
	}
	if err := keystore.Save(filepath.Join(folder, inviteFile), raw); err != nil {
		return nil, err
	}
	return loadBox(dir)
}

// save puts the hub's keys where makeKeys would make new ones.
func (k *HubKeys) save(folder string) error {
	if err := keystore.SaveKey(filepath.Join(folder, identity.DeviceKeyFile), k.Device); err != nil {
		return err
	}
	return keystore.Save(filepath.Join(folder, identity.AgeFile), []byte(k.Age.String()+"\n"))
}

// copyKeys puts the keys of an identity where makeKeys would make new ones.
func copyKeys(folder string, id *identity.Identity) error {
	if err := keystore.SaveKey(filepath.Join(folder, identity.DeviceKeyFile), id.Device); err != nil {
		return err
	}
	if err := keystore.SaveKey(filepath.Join(folder, identity.SealKeyFile), id.Seal); err != nil {
		return err
	}
	return keystore.Save(filepath.Join(folder, identity.AgeFile), []byte(id.Age.String()+"\n"))
}

func makeKeys(folder string) error {
	for _, name := range []string{identity.DeviceKeyFile, identity.SealKeyFile} {
		path := filepath.Join(folder, name)
		if exists(path) {
			continue
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("make keys: %w", err)
		}
		if err := keystore.SaveKey(path, key); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, identity.AgeFile)
	if exists(path) {
		return nil
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	return keystore.Save(path, []byte(key.String()+"\n"))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func loadBox(dir string) (*box, error) {
	b := &box{folder: pendingFolder(dir)}
	var errs [3]error
	b.device, errs[0] = keystore.LoadKey(filepath.Join(b.folder, identity.DeviceKeyFile))
	b.seal, errs[1] = keystore.LoadKey(filepath.Join(b.folder, identity.SealKeyFile))
	b.age, errs[2] = identity.LoadAge(filepath.Join(b.folder, identity.AgeFile))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, identity.Explain(err, b.folder)
	}
	return b, nil
}

// waitingFor is the content of whyFile: a problem of the catalogue.
type waitingFor struct {
	Code string    `json:"code"`
	Args i18n.Args `json:"args"`
}

// noteWhy keeps what the box waits for, so that it can be shown.
func (b *box) noteWhy(p *problem.Problem) error {
	data, err := json.Marshal(waitingFor{p.Code, p.Args})
	if err != nil {
		return fmt.Errorf("note why: %w", err)
	}
	return keystore.Save(filepath.Join(b.folder, whyFile), data)
}

// loadWhy reads what noteWhy has kept; nil when the box does not wait.
func loadWhy(folder string) (*problem.Problem, error) {
	data, err := keystore.Load(filepath.Join(folder, whyFile))
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, identity.Explain(err, folder)
	}
	var w waitingFor
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, identity.Explain(err, folder)
	}
	return problem.New(problem.Busy, w.Code, "", w.Args), nil
}

// drop forgets the invite, which is of no more use. The keys stay for the
// next one.
func (b *box) drop() error {
	if err := os.Remove(filepath.Join(b.folder, whyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop invite: %w", err)
	}
	if err := os.Remove(filepath.Join(b.folder, inviteFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop invite: %w", err)
	}
	return fsx.SyncDir(b.folder)
}

// request makes the proven request of this box.
func (b *box) request(inv *invite.Invite, now time.Time, hub *HubKeys) (*invite.Request, error) {
	req := &invite.Request{Invite: inv.ID, Code: inv.Code, Recipient: b.age.Recipient().String(), Time: now}
	if hub != nil {
		req.HubCA, req.HubAuthority = hub.CA.Raw, hub.Authority.Raw
	}
	var err error
	if req.DeviceCSR, err = makeCSR(inv.Code, b.device); err != nil {
		return nil, err
	}
	if req.SealCSR, err = makeCSR(inv.Code, b.seal); err != nil {
		return nil, err
	}
	return req, req.Prove(inv.Secret, inv.CA)
}

func makeCSR(code string, key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: code}}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return der, nil
}

// identity judges everything in an answer whose signature has been verified,
// and makes the identity that it and the keys of the box are.
func (b *box) identity(inv *invite.Invite, req *invite.Request, a *invite.Answer) (*identity.Identity, error) {
	sum, err := req.Transcript(inv.CA)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Invite != inv.ID || a.Transcript != sum:
		return nil, errors.New("check answer: it is for another request")
	case !same(a.Authority.PublicKey, inv.Authority.PublicKey):
		return nil, errors.New("check answer: another authority key")
	case a.Hub != inv.Hub:
		return nil, fmt.Errorf("check answer: hub %q instead of %q", a.Hub, inv.Hub)
	}
	card, err := registry.ParseCard(a.Card, a.Authority.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("check answer: own card: %w", err)
	}
	if registry.Key(card.Code) != registry.Key(inv.Code) || card.Recipient != b.age.Recipient().String() || !same(b.device.Public(), card.Device) {
		return nil, errors.New("check answer: own card has another code or key")
	}
	for i, raw := range a.Cards {
		if _, err := registry.ParseCard(raw, a.Authority.PublicKey); err != nil {
			return nil, fmt.Errorf("check answer: card %d: %w", i, err)
		}
	}
	id := &identity.Identity{
		Code: card.Code, Name: card.Name, Hub: a.Hub, Device: b.device, DeviceCert: a.Device, Seal: b.seal, SealCert: a.Seal,
		Age: b.age, Card: a.Card,
		Trust: identity.Trust{CA: a.CA, Authority: a.Authority, Next: a.Next, Former: a.Former, Hub: a.Hub, HubName: a.HubName,
			MQTT: a.MQTT, Enroll: a.Enroll, Brokers: a.Brokers},
	}
	// The invite may be from before the hub's CA was changed.
	named := func(c *x509.Certificate) bool { return sha256.Sum256(c.Raw) == inv.CA }
	if err := identity.Vouched(named, id.Trust.Issuers(), a.Vouchers); err != nil {
		return nil, fmt.Errorf("check answer: %w", err)
	}
	if err := id.Check(); err != nil {
		return nil, fmt.Errorf("check answer: %w", err)
	}
	return id, nil
}

func same(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && b != nil && key.Equal(b)
}

// publish writes the identity and the first cards; from here on the box is
// enrolled.
func (b *box) publish(dir string, id *identity.Identity, others [][]byte) error {
	first, size := [][]byte{id.Card}, len(id.Card)
	for _, raw := range others {
		if size += len(raw); size <= invite.MaxAnswerCards {
			first = append(first, raw)
		}
	}
	cards, err := registry.EncodeCards(first)
	if err != nil {
		return err
	}
	put := identity.Save
	if identity.Exists(dir) {
		put = identity.Replace
	}
	if err := put(dir, id, identity.Extra{Name: CardsFile, Data: cards}); err != nil {
		return err
	}
	// The identity stands; what is left of the way there is of no use.
	if err := os.RemoveAll(b.folder); err != nil {
		return fmt.Errorf("clean up enrolment: %w", err)
	}
	return nil
}
