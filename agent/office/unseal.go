package office

import (
	"context"
	"crypto/x509"
	"errors"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/sync/bundle"
)

// unsealed is an inbox entry whose head was opened.
type unsealed struct {
	opened
	raw  []byte        // sealed head
	kept *blob.Content // the same, staged; nil while there is nothing to keep
	head seal.Head
}

// attachments are the indexes of the objects that are files.
func (u unsealed) attachments() (objects []int) {
	for i, object := range u.header.Objects {
		if object.Role == bundle.RoleAttachment {
			objects = append(objects, i)
		}
	}
	return objects
}

// unseal opens an entry and verifies its seal. A head that can be read is kept,
// as evidence, also when the error is that its seal is bad.
func (o *Office) unseal(ctx context.Context, a queue.Arrived) (u unsealed, err error) {
	if u.opened, err = o.open(ctx, a); err != nil {
		return u, err
	}
	if len(u.header.Objects) == 0 || u.header.Objects[0].Role != bundle.RoleHead {
		return u, reject("header", errors.New("first object is not a head"))
	}
	if u.raw, err = o.small(ctx, u.opened, 0, seal.MaxHead); err != nil {
		return u, err
	}
	var judged error
	u.head, judged = o.openHead(u.raw, u.header.From)
	if u.head.Message != nil {
		kept, err := o.stage(ctx, u.raw)
		if err != nil {
			return u, err
		}
		u.kept = &kept
	}
	return u, judged
}

// openHead checks the seal: it must hold, and be the seal of the office that
// the bundle is from.
func (o *Office) openHead(raw []byte, from string) (seal.Head, error) {
	roots, err := o.rootsOf(from)
	if err != nil {
		return seal.Head{}, err
	}
	head, err := seal.OpenHead(raw, roots, o.now())
	if err != nil {
		return seal.Head{}, reject("seal-malformed", err)
	}
	if head.Verdict.Result == seal.Failed {
		return head, &rejection{
			reason: "seal-failed", args: i18n.Args{"why": i18n.Say("office.seal." + string(head.Verdict.Reason))},
		}
	}
	if registry.Key(head.Verdict.Code) != registry.Key(from) {
		return head, &rejection{reason: "seal-sender", args: i18n.Args{"signer": head.Verdict.Code, "from": from}}
	}
	return head, nil
}

// rootsOf are the CAs that may have issued the seal of an office, ours or those
// of another hub. Its card may be on its way: that error passes.
func (o *Office) rootsOf(code string) (*x509.CertPool, error) {
	issuers, err := o.registry.Issuers(code, *o.issuers.Load())
	if err != nil {
		return nil, err
	}
	return identity.Pool(issuers), nil
}

func (o *Office) takeFile(ctx context.Context, e opened, object int, sealed seal.File) (blob.Content, error) {
	limit := int64(seal.MaxFile)
	if sealed.Size >= 0 {
		limit = sealed.Size
	}
	plain, closer, err := o.content(ctx, e, object, limit)
	if err != nil {
		return blob.Content{}, err
	}
	defer closer.Close()
	body := &storage.Source{R: plain}
	c, err := o.blobs.Stage(ctx, body, 0)
	switch {
	case body.Err != nil:
		return blob.Content{}, undecryptable(body.Err)
	case err != nil:
		return blob.Content{}, err
	case c.SHA256 != sealed.SHA256 || sealed.Size >= 0 && c.Size != sealed.Size:
		return blob.Content{}, reject("digest", nil)
	}
	return c, nil
}

// ofFile names the file in a rejection.
func ofFile(name string, err error) error {
	var r *rejection
	if errors.As(err, &r) {
		r.args = i18n.Args{"name": printable(name)}
		if r.reason == "decrypt" {
			r.reason = "file-decrypt"
		}
	}
	return err
}
