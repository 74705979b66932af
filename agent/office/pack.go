package office

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/blob"
	"tram/sync/bundle"
)

// parcel is a bundle of ours, signed, with its objects as they travel.
type parcel struct {
	bundle   storage.Bundle
	contents []blob.Content
}

// pack encrypts head and files to a new bundle key, makes a slip for each
// recipient and signs the header. Recipients and objects of h are filled in.
// Content beyond blob.InlineMax is in the blob store then and not referred to.
func (o *Office) pack(ctx context.Context, h bundle.Header, head []byte, files []file, to []registry.Card) (parcel, error) {
	key, err := bundle.NewKey()
	if err != nil {
		return parcel{}, fmt.Errorf("pack bundle: %w", err)
	}
	var p parcel
	add := func(src io.Reader, role bundle.Role) error {
		c, object, err := o.encrypt(ctx, key, src, role)
		p.contents, h.Objects = append(p.contents, c), append(h.Objects, object)
		return err
	}
	if err := add(bytes.NewReader(head), bundle.RoleHead); err != nil {
		return parcel{}, err
	}
	for _, f := range files {
		src, err := o.blobs.Reader(f.content)
		if err != nil {
			return parcel{}, fmt.Errorf("pack bundle: %w", err)
		}
		err = add(src, bundle.RoleAttachment)
		_ = src.Close() // only read
		if err != nil {
			return parcel{}, err
		}
	}
	slips := make(map[string][]byte, len(to))
	for _, c := range to {
		if slips[c.Code], err = key.Slip(c.Recipient); err != nil {
			return parcel{}, fmt.Errorf("pack bundle for %s: %w", c.Code, err)
		}
		h.To = append(h.To, c.Code)
	}
	raw, err := bundle.EncodeSlips(slips)
	if err != nil {
		return parcel{}, fmt.Errorf("pack bundle: %w", err)
	}
	sent, err := o.stage(ctx, raw)
	if err != nil {
		return parcel{}, err
	}
	p.contents, h.Objects = append(p.contents, sent), append(h.Objects, bundle.Describe(raw, bundle.RoleSlips, bundle.Plain))
	h.From, h.Key = o.me.Code, key.Recipient()
	signed, err := bundle.Sign(h, o.me.Device)
	if err != nil {
		return parcel{}, fmt.Errorf("pack bundle: %w", err)
	}
	p.bundle = signed.Stored()
	return p, nil
}

// encrypt stores one object as it travels.
func (o *Office) encrypt(ctx context.Context, key bundle.Key, src io.Reader, role bundle.Role) (blob.Content, bundle.Object, error) {
	w, err := o.blobs.Create()
	if err != nil {
		return blob.Content{}, bundle.Object{}, storing(err)
	}
	defer w.Abort()
	encoding, err := key.Encrypt(w, &interrupted{ctx, src}, role)
	if err != nil {
		return blob.Content{}, bundle.Object{}, storing(err)
	}
	c, err := w.Commit()
	if err != nil {
		return blob.Content{}, bundle.Object{}, storing(err)
	}
	return c, bundle.Object{SHA256: c.SHA256, Size: c.Size, Role: role, Encoding: encoding}, nil
}

// stage stores bytes that are at hand.
func (o *Office) stage(ctx context.Context, data []byte) (blob.Content, error) {
	c, err := o.blobs.Stage(ctx, bytes.NewReader(data), 0)
	if err != nil {
		return blob.Content{}, storing(err)
	}
	return c, nil
}

// interrupted ends a long copy with its context.
type interrupted struct {
	ctx context.Context
	r   io.Reader
}

func (i *interrupted) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

func encodeDocument(d *edxml.Document) ([]byte, error) {
	var b bytes.Buffer
	err := edxml.EncodeDocument(&b, d)
	return b.Bytes(), err
}

func encodeStatus(s *edxml.Status) ([]byte, error) {
	var b bytes.Buffer
	err := edxml.EncodeStatus(&b, s)
	return b.Bytes(), err
}

func classicID(organ string, l letter) string { return edxml.ClassicID(organ, l.date, l.code) }

func hexDigest(data []byte) string { return hexSum(sha256.Sum256(data)) }

func hexSum(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }
