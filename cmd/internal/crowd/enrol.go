package crowd

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// perTransaction is how many offices are enrolled in one transaction.
const perTransaction = 200

// everyCard is above the number of offices of any registry.
const everyCard = 1 << 20

// enrol takes all offices in as the hub's enrolment service does: by an invite
// and a proven request for each.
func (c *Crowd) enrol(ctx context.Context) error {
	return c.atHub(ctx, func(db *sqlite.DB, authority *ca.CA, reg *registry.Registry) error {
		c.hub = authority.Code
		c.root = x509.NewCertPool()
		c.root.AddCert(authority.Root.Cert)
		for len(c.Offices) < c.o.Size {
			n := min(perTransaction, c.o.Size-len(c.Offices))
			if err := c.enrolSome(ctx, db, authority, reg, n); err != nil {
				return fmt.Errorf("enrol offices: %w", err)
			}
		}
		cards, err := reg.All(ctx, "", everyCard)
		if err != nil {
			return err
		}
		c.cards = directory{cards: make(map[string]registry.Card, len(cards)), serial: reg.Serial()}
		for _, card := range cards {
			c.cards.cards[registry.Key(card.Code)] = card
		}
		for _, office := range c.Offices {
			office.card = c.cards.cards[registry.Key(office.Code)]
		}
		return nil
	})
}

// News invites further offices, so that all others lack as many cards. The hub
// must not be running.
func (c *Crowd) News(ctx context.Context, offices int) error {
	return c.atHub(ctx, func(db *sqlite.DB, authority *ca.CA, reg *registry.Registry) error {
		_, err := invited(ctx, db, authority, reg, c.o.Size, offices)
		return err
	})
}

func (c *Crowd) atHub(ctx context.Context, work func(*sqlite.DB, *ca.CA, *registry.Registry) error) error {
	authority, err := ca.Load(c.o.HubDir)
	if err != nil {
		return err
	}
	db, err := hub.OpenDB(ctx, c.o.HubDir, false, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	reg, err := registry.New(db, authority.Authority.Cert.PublicKey, registry.Options{})
	if err != nil {
		return err
	}
	reg.Originate()
	return work(db, authority, reg)
}

// invited makes invites for n offices, beginning with number first.
func invited(ctx context.Context, db *sqlite.DB, authority *ca.CA, reg *registry.Registry, first, n int) (made []ca.Made, err error) {
	offices := make([]ca.Office, 0, n)
	for i := range n {
		offices = append(offices, ca.Office{
			Code: fmt.Sprintf("%s.%05d", authority.Code, first+i), Name: fmt.Sprintf("UBND xã số %d", first+i),
			Parent: authority.Code, Kind: "xa",
		})
	}
	err = db.Update(ctx, func(tx *sqlite.Tx) error {
		made, err = authority.CreateInvites(tx, reg, offices, ca.InviteOptions{})
		return err
	})
	return made, err
}

func (c *Crowd) enrolSome(ctx context.Context, db *sqlite.DB, authority *ca.CA, reg *registry.Registry, n int) error {
	made, err := invited(ctx, db, authority, reg, len(c.Offices), n)
	if err != nil {
		return err
	}
	return db.Update(ctx, func(tx *sqlite.Tx) error {
		for _, m := range made {
			office, req, err := c.request(m)
			if err != nil {
				return err
			}
			answer, err := authority.Redeem(tx, reg, req, "")
			if err != nil {
				return err
			}
			office.cert, office.rawCard = answer.Device, answer.Card
			c.Offices = append(c.Offices, office)
		}
		return nil
	})
}

// request makes an office's keys and its request.
func (c *Crowd) request(m ca.Made) (*Office, *invite.Request, error) {
	inv, err := invite.Parse(m.Raw)
	if err != nil {
		return nil, nil, err
	}
	device, deviceCSR, err := keyRequest(inv.Code)
	if err != nil {
		return nil, nil, err
	}
	_, sealCSR, err := keyRequest(inv.Code)
	if err != nil {
		return nil, nil, err
	}
	content, err := bundle.NewKey() // of the same kind as an office's
	if err != nil {
		return nil, nil, err
	}
	req := &invite.Request{
		Invite: inv.ID, Code: inv.Code, DeviceCSR: deviceCSR, SealCSR: sealCSR,
		Recipient: content.Recipient(), Time: time.Now(),
	}
	return newOffice(c, inv.Code, device), req, req.Prove(inv.Secret, inv.CA)
}

func keyRequest(code string) (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: code}}, key)
	return key, csr, err
}
