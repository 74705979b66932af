package office

import (
	"context"
	"fmt"

	"tram/agent/seal"
)

// Actions for which an office may have a seal of its own. Statuses are always
// sealed with the enrolment's: they go out when nobody is there.
const (
	SealDocument = "document" // an outgoing document
	SealCopy     = "copy"     // a copy: sao y, sao lục, trích sao
)

// action is what the letter's seal is for.
func (l letter) action() string {
	if l.copied {
		return SealCopy
	}
	return SealDocument
}

// sealAs seals with the seal for an action. It never falls back to another one.
func (o *Office) sealAs(ctx context.Context, action string, message seal.Named, files []seal.File) ([]byte, error) {
	sealer := *o.sealer.Load()
	if o.seals != nil {
		own, ok, err := o.seals(ctx, action)
		if err != nil {
			return nil, fmt.Errorf("seal document: %w", err)
		}
		if ok {
			sealer = own
		}
	}
	head, err := sealer.Seal(message, files)
	if err != nil {
		return nil, fmt.Errorf("seal document: %w", err)
	}
	return head, nil
}

// fillSigner says what the seal stands for and who sealed, as the certificate
// in the kept head tells it. A head that cannot be read leaves both empty; the
// verdict says so.
func (o *Office) fillSigner(d *Document, head sealedHead) error {
	if !head.ok {
		return nil
	}
	raw, err := o.readHead(head)
	if err != nil {
		return err
	}
	if role, person, err := seal.HeadSigner(raw); err == nil {
		d.Seal.Role, d.Seal.Person = string(role), person
	}
	return nil
}
