package software

import (
	"context"
	"crypto/ecdsa"
	"fmt"

	"tram/agent/release"
	"tram/storage/sqlite"
)

// SignSums signs the manifest of a list of checksums with this hub's own software key
// and writes down who had it signed. Serial and time are made here.
func (s *Software) SignSums(ctx context.Context, m release.Manifest, key *ecdsa.PrivateKey, by string) (release.Proof, release.Manifest, error) {
	var p release.Proof
	var err error
	if m.Serial, err = s.NextSerial(ctx); err != nil {
		return p, m, err
	}
	m.Created = s.o.Now()
	if p.Release, err = release.Sign(m, key); err != nil {
		return p, m, err
	}
	return p, m, saving(s.o.DB.Update(ctx, func(tx *sqlite.Tx) (err error) {
		if p.Warrant, err = s.Trust(tx, &key.PublicKey, 0); err != nil {
			return err
		}
		return note(tx, by, "software.signed", fmt.Sprint(m.Serial), map[string]string{"version": m.Version.String(), "sha256": fmt.Sprintf("%x", m.Files[0].SHA256)})
	}))
}
