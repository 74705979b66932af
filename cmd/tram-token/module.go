//go:build cgo

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"tram/agent/sealkey/tokenwire"
)

// module is the maker's library and the one key that is chosen.
type module struct {
	path    string
	ctx     *pkcs11.Ctx
	chosen  bool
	slot    uint
	session pkcs11.SessionHandle
	id      []byte // CKA_ID of the key
	private pkcs11.ObjectHandle
	always  bool // the key wants the PIN for each signature
	rsa     bool
}

// fault is a refusal that is told to tram.
type fault struct {
	code  tokenwire.Code
	tries tokenwire.Tries
	text  string
}

func (f *fault) Error() string { return string(f.code) + ": " + f.text }

// answer does what q asks for.
func (m *module) answer(q tokenwire.Request) tokenwire.Reply {
	var p tokenwire.Reply
	err := m.load()
	if err == nil {
		err = m.do(q, &p)
	}
	if err != nil {
		f := explain(err)
		p = tokenwire.Reply{Code: f.code, Tries: f.tries, Text: f.text}
	}
	return p
}

func (m *module) do(q tokenwire.Request, p *tokenwire.Reply) (err error) {
	switch q.Do {
	case tokenwire.Hello:
		if p.Version = tokenwire.Version; q.Version != p.Version {
			return &fault{code: tokenwire.Failed, text: fmt.Sprintf("tram speaks version %d, this helper %d", q.Version, p.Version)}
		}
		info, err := m.ctx.GetInfo()
		p.Library = strings.TrimSpace(info.ManufacturerID + " " + info.LibraryDescription)
		return err
	case tokenwire.List:
		p.Tokens, err = m.tokens()
	case tokenwire.Open:
		p.Tokens, err = m.open(q.Token, q.Key)
	case tokenwire.State:
		p.Tries, err = m.state()
	case tokenwire.Login:
		p.Always, p.Tries, err = m.login(q.PIN, q.Spend)
	case tokenwire.Logout:
		m.leave()
	case tokenwire.Sign:
		p.Signature, err = m.sign(q)
	}
	return err
}

func (m *module) load() error {
	if m.ctx != nil {
		return nil
	}
	ctx := pkcs11.New(m.path)
	if ctx == nil {
		return &fault{code: tokenwire.Unsupported, text: "the library cannot be loaded"}
	}
	if err := ctx.Initialize(); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		ctx.Destroy()
		return err
	}
	m.ctx = ctx
	return nil
}

func (m *module) close() {
	if m.ctx == nil {
		return
	}
	m.leave()
	_ = m.ctx.Finalize() // the process ends
	m.ctx.Destroy()
}

// leave gives the login and the session up.
func (m *module) leave() {
	if m.session != 0 {
		_ = m.ctx.Logout(m.session) // there may be no login
		_ = m.ctx.CloseSession(m.session)
	}
	m.session, m.private = 0, 0
}

// begin opens a session on the chosen token.
func (m *module) begin() error {
	if !m.chosen {
		return &fault{code: tokenwire.Unsupported, text: "no token was opened"}
	}
	if m.session != 0 {
		return nil
	}
	session, err := m.ctx.OpenSession(m.slot, pkcs11.CKF_SERIAL_SESSION)
	m.session = session
	return err
}

// state looks at the chosen token, and at the login when there is one.
func (m *module) state() (tokenwire.Tries, error) {
	if err := m.begin(); err != nil {
		return "", err
	}
	info, err := m.ctx.GetTokenInfo(m.slot)
	if err != nil {
		return "", err
	}
	if _, err := m.ctx.GetSessionInfo(m.session); err != nil {
		return "", err
	}
	return triesOf(info.Flags), nil
}

// login enters the PIN.
func (m *module) login(pin []byte, spend tokenwire.Tries) (always bool, tries tokenwire.Tries, err error) {
	if err := m.enter(pkcs11.CKU_USER, pin, spend); err != nil {
		return false, "", err
	}
	if err := m.findPrivate(); err != nil {
		return false, "", err
	}
	return m.always, tokenwire.TriesMany, nil
}

// enter gives the PIN to the token while that has as many tries left as spend
// says.
func (m *module) enter(user uint, pin []byte, spend tokenwire.Tries) error {
	tries, err := m.state()
	switch {
	case err != nil:
		return err
	case tries == tokenwire.TriesNone:
		return &fault{code: tokenwire.PINLocked, tries: tries}
	case tries == tokenwire.TriesLast && spend != tokenwire.TriesLast,
		tries == tokenwire.TriesFew && spend != tokenwire.TriesLast && spend != tokenwire.TriesFew:
		return &fault{code: tokenwire.PINSpared, tries: tries}
	}
	err = m.ctx.Login(m.session, user, string(pin))
	if err == nil || errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		return nil
	}
	f := explain(err)
	if info, err := m.ctx.GetTokenInfo(m.slot); err == nil {
		f.tries = triesOf(info.Flags)
		if f.tries == tokenwire.TriesNone && f.code == tokenwire.PINWrong {
			f.code = tokenwire.PINLocked
		}
	}
	return f
}

func triesOf(flags uint) tokenwire.Tries {
	switch {
	case flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return tokenwire.TriesNone
	case flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return tokenwire.TriesLast
	case flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0:
		return tokenwire.TriesFew
	}
	return tokenwire.TriesMany
}

// digestInfo comes before a SHA-256 digest under RSA PKCS#1 v1.5 (RFC 8017,
// section 9.2, note 1).
var digestInfo = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, sha256.Size}

// sign signs a SHA-256 digest with the mechanisms that every token has: the
// ones that hash by themselves are missing on some.
func (m *module) sign(q tokenwire.Request) ([]byte, error) {
	if m.private == 0 || m.always && len(q.PIN) == 0 {
		m.leave()
		return nil, &fault{code: tokenwire.PINNeeded}
	}
	mechanism, input := uint(pkcs11.CKM_ECDSA), q.Digest
	if m.rsa {
		mechanism, input = pkcs11.CKM_RSA_PKCS, append(append([]byte{}, digestInfo...), q.Digest...)
	}
	if err := m.ctx.SignInit(m.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, m.private); err != nil {
		return nil, err
	}
	if m.always {
		if err := m.enter(pkcs11.CKU_CONTEXT_SPECIFIC, q.PIN, q.Spend); err != nil {
			m.leave() // with the signature that was begun
			return nil, err
		}
	}
	return m.ctx.Sign(m.session, input)
}

// explain sorts what libraries say into what tram can act on.
func explain(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var word pkcs11.Error
	if !errors.As(err, &word) {
		return &fault{code: tokenwire.Failed, text: err.Error()}
	}
	code := tokenwire.Failed
	switch uint(word) {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE:
		code = tokenwire.PINWrong
	case pkcs11.CKR_PIN_LOCKED:
		code = tokenwire.PINLocked
	case pkcs11.CKR_USER_NOT_LOGGED_IN:
		code = tokenwire.PINNeeded
	case pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_DEVICE_ERROR,
		pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED,
		pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_KEY_HANDLE_INVALID:
		code = tokenwire.Absent
	case pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED:
		code = tokenwire.Unsupported
	}
	return &fault{code: code, text: fmt.Sprint(word)}
}
