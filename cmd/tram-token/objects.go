//go:build cgo

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"

	"github.com/miekg/pkcs11"

	"tram/agent/sealkey/tokenwire"
)

// maxObjects is the largest number of objects of one class on a token that are
// looked at.
const maxObjects = 256

// tokens lists every token with the keys that can be seen without a PIN.
func (m *module) tokens() ([]tokenwire.Token, error) {
	slots, err := m.ctx.GetSlotList(true)
	if err != nil {
		return nil, err
	}
	var list []tokenwire.Token
	for _, slot := range slots {
		t, err := m.token(slot)
		if err != nil {
			continue // one broken or empty token does not hide the others
		}
		if t.Keys, err = m.keys(slot); err != nil {
			t.Keys = nil // nor does one whose objects cannot be listed
		}
		list = append(list, t)
	}
	return list, nil
}

func (m *module) token(slot uint) (tokenwire.Token, error) {
	info, err := m.ctx.GetTokenInfo(slot)
	if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
		return tokenwire.Token{}, &fault{code: tokenwire.Absent, text: "token is not initialized"}
	}
	return tokenwire.Token{
		Label: clean(info.Label), Serial: clean(info.SerialNumber), Model: clean(info.Model), Tries: triesOf(info.Flags),
	}, nil
}

func clean(s string) string { return strings.Trim(strings.ToValidUTF8(s, "?"), " \x00") }

// open chooses token and key.
func (m *module) open(token, key string) ([]tokenwire.Token, error) {
	m.leave()
	m.chosen = false
	slots, err := m.ctx.GetSlotList(true)
	if err != nil {
		return nil, err
	}
	var found []tokenwire.Token
	for _, slot := range slots {
		t, err := m.token(slot)
		if err == nil && (token == "" || token == t.Serial || token == t.Label) {
			found, m.slot = append(found, t), slot
		}
	}
	switch len(found) {
	case 0:
		return nil, &fault{code: tokenwire.Absent}
	case 1:
	default:
		return nil, &fault{code: tokenwire.Ambiguous, text: "several tokens"}
	}
	keys, err := m.keys(m.slot)
	if err != nil {
		return nil, err
	}
	t := &found[0]
	for _, k := range keys {
		if key == "" || key == k.Label || strings.EqualFold(key, "id:"+k.ID) {
			t.Keys = append(t.Keys, k)
		}
	}
	switch len(t.Keys) {
	case 0:
		return nil, &fault{code: tokenwire.NoKey}
	case 1:
	default:
		return nil, &fault{code: tokenwire.Ambiguous, text: "several keys"}
	}
	m.id, err = hex.DecodeString(t.Keys[0].ID)
	m.rsa, m.chosen = t.Keys[0].Type == "rsa", true
	return found, err
}

// keys are those whose public half or certificate is on the token for all to
// see; private keys show only after a login.
func (m *module) keys(slot uint) ([]tokenwire.Key, error) {
	session, err := m.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.ctx.CloseSession(session) }()
	var keys []tokenwire.Key
	at := func(id []byte) *tokenwire.Key {
		for i := range keys {
			if keys[i].ID == hex.EncodeToString(id) {
				return &keys[i]
			}
		}
		keys = append(keys, tokenwire.Key{ID: hex.EncodeToString(id)})
		return &keys[len(keys)-1]
	}
	publics, err := m.find(session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY))
	if err != nil {
		return nil, err
	}
	for _, o := range publics {
		if pub, kind := m.public(session, o); pub != nil {
			k := at(m.bytes(session, o, pkcs11.CKA_ID))
			k.Public, k.Type, k.Label = pub, kind, clean(string(m.bytes(session, o, pkcs11.CKA_LABEL)))
		}
	}
	certs, err := m.find(session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE))
	if err != nil {
		return nil, err
	}
	for _, o := range certs {
		cert, err := x509.ParseCertificate(m.bytes(session, o, pkcs11.CKA_VALUE))
		if err != nil || cert.IsCA {
			continue
		}
		spki, kind := encode(cert.PublicKey)
		k := at(m.bytes(session, o, pkcs11.CKA_ID))
		if k.Public == nil {
			k.Public, k.Type, k.Label = spki, kind, clean(string(m.bytes(session, o, pkcs11.CKA_LABEL)))
		}
		if bytes.Equal(k.Public, spki) {
			k.Certs = append(k.Certs, cert.Raw)
		}
	}
	return keys, nil
}

// findPrivate looks for the private half of the chosen key.
func (m *module) findPrivate() error {
	found, err := m.find(m.session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, m.id))
	if err != nil {
		return err
	}
	switch len(found) {
	case 0:
		return &fault{code: tokenwire.NoKey, text: "the private key is not on the token"}
	case 1:
	default:
		return &fault{code: tokenwire.Ambiguous, text: "several private keys have this id"}
	}
	m.private = found[0]
	always := m.bytes(m.session, m.private, pkcs11.CKA_ALWAYS_AUTHENTICATE)
	m.always = len(always) == 1 && always[0] != 0
	return nil
}

func (m *module) find(session pkcs11.SessionHandle, template ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := m.ctx.FindObjectsInit(session, template); err != nil {
		return nil, err
	}
	found, _, err := m.ctx.FindObjects(session, maxObjects)
	if end := m.ctx.FindObjectsFinal(session); err == nil {
		err = end
	}
	return found, err
}

// bytes gives one attribute, nil when the object has none.
func (m *module) bytes(session pkcs11.SessionHandle, o pkcs11.ObjectHandle, kind uint) []byte {
	got, err := m.ctx.GetAttributeValue(session, o, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	if err != nil || len(got) != 1 {
		return nil
	}
	return got[0].Value
}

// public reads a public key object; nil for kinds that make no seal.
func (m *module) public(session pkcs11.SessionHandle, o pkcs11.ObjectHandle) (spki []byte, kind string) {
	if n := m.bytes(session, o, pkcs11.CKA_MODULUS); len(n) > 0 {
		e := new(big.Int).SetBytes(m.bytes(session, o, pkcs11.CKA_PUBLIC_EXPONENT))
		if !e.IsInt64() || e.Int64() > 1<<31-1 {
			return nil, ""
		}
		return encode(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())})
	}
	var point []byte
	if _, err := asn1.Unmarshal(m.bytes(session, o, pkcs11.CKA_EC_POINT), &point); err != nil {
		return nil, ""
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, ""
	}
	return encode(pub)
}

func encode(pub crypto.PublicKey) (spki []byte, kind string) {
	switch pub.(type) {
	case *rsa.PublicKey:
		kind = "rsa"
	case *ecdsa.PublicKey:
		kind = "ec"
	default:
		return nil, ""
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, ""
	}
	return spki, kind
}
