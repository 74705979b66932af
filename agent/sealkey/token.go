package sealkey

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tram/agent/sealkey/tokenwire"
)

// Defaults of [TokenOptions].
const (
	// DefaultTimeout is how long the token may take for one request. The
	// helper is ended then; what it was doing is undone.
	DefaultTimeout = 30 * time.Second
	// DefaultPINLife is how long a PIN that a person entered holds: a day of
	// work. Then the token is logged out and the PIN forgotten.
	DefaultPINLife = 10 * time.Hour
)

// TokenOptions says which key on which token is meant.
type TokenOptions struct {
	Helper  string           // path of tram-token
	Module  string           // path of the maker's library
	Token   string           // serial number or label; "" for the only one
	Key     string           // label, or "id:" and hex; "" for the only one
	Public  crypto.PublicKey // the key that is expected; nil takes what is there
	PIN     Source           // nil: a person unlocks
	Timeout time.Duration    // of one request; zero is DefaultTimeout
	PINLife time.Duration    // zero is DefaultPINLife
	Logger  *slog.Logger     // nil discards
}

// token is a key on a PKCS#11 token. One request at a time goes to the helper.
type token struct {
	o       TokenOptions
	closing sync.Once
	closed  chan struct{} // closed by Close; ends a request that is under way

	public crypto.PublicKey
	certs  []*x509.Certificate

	mu      sync.Mutex
	helper  *helper // nil when none runs
	logged  bool
	always  bool        // the key wants the PIN for each signature
	pin     []byte      // of a person; held until expiry, over restarts of the helper
	expiry  *time.Timer // wipes pin
	entered int         // how many PINs of persons were taken
	spent   bool        // the automatic source gave a wrong PIN
}

// OpenToken starts the helper and finds the key, without a PIN. Errors:
// [ErrHelper], [ErrAbsent], [ErrNoKey], [ErrAmbiguous], [ErrUnsuited],
// [ErrTimeout].
func OpenToken(ctx context.Context, o TokenOptions) (Unlocker, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.PINLife == 0 {
		o.PINLife = DefaultPINLife
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &token{o: o, public: o.Public, closed: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.connect(ctx); err != nil {
		t.drop()
		return nil, err
	}
	return t, nil
}

// ListTokens says which tokens and keys a maker's library sees, without a PIN.
func ListTokens(ctx context.Context, o TokenOptions) ([]tokenwire.Token, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	h, err := startHelper(o.Helper, o.Module)
	if err != nil {
		return nil, err
	}
	defer h.stop()
	ask := func(q tokenwire.Request) (tokenwire.Reply, error) {
		reply, err := h.ask(ctx, nil, q, o.Timeout)
		if err == nil {
			err = refusal(reply)
		}
		return reply, err
	}
	hello, err := ask(tokenwire.Request{Do: tokenwire.Hello, Version: tokenwire.Version})
	if err == nil {
		err = sameVersion(hello)
	}
	if err != nil {
		return nil, err
	}
	reply, err := ask(tokenwire.Request{Do: tokenwire.List})
	return reply.Tokens, err
}

// connect starts the helper when none runs and opens the key. Under mu.
func (t *token) connect(ctx context.Context) error {
	if t.over() {
		return ErrClosed
	}
	if t.helper != nil {
		return nil
	}
	h, err := startHelper(t.o.Helper, t.o.Module)
	if err != nil {
		return err
	}
	t.helper = h
	err = t.greet(ctx)
	if err != nil {
		t.drop() // it has chosen no key: the next request begins anew
	}
	return err
}

// greet has a helper choose the key.
func (t *token) greet(ctx context.Context) error {
	hello, err := t.ask(ctx, tokenwire.Request{Do: tokenwire.Hello, Version: tokenwire.Version})
	if err != nil {
		return err
	}
	if err := sameVersion(hello); err != nil {
		return err
	}
	reply, err := t.ask(ctx, tokenwire.Request{Do: tokenwire.Open, Token: t.o.Token, Key: t.o.Key})
	if err != nil {
		return err
	}
	return t.take(reply)
}

func sameVersion(hello tokenwire.Reply) error {
	if hello.Version != tokenwire.Version {
		return fmt.Errorf("%w: it speaks version %d, this program %d", ErrHelper, hello.Version, tokenwire.Version)
	}
	return nil
}

// take keeps what the helper says of the key.
func (t *token) take(reply tokenwire.Reply) error {
	if len(reply.Tokens) != 1 || len(reply.Tokens[0].Keys) != 1 {
		return fmt.Errorf("%w: no single key in its answer", ErrHelper)
	}
	key := reply.Tokens[0].Keys[0]
	pub, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		return fmt.Errorf("%w: public key: %w", ErrHelper, err)
	}
	if err := CheckPublic(pub); err != nil {
		return err
	}
	if t.public != nil && !SamePublic(pub, t.public) {
		return fmt.Errorf("%w: it holds another one", ErrNoKey)
	}
	t.public = pub
	if len(t.certs) > 0 {
		return nil // Certificates never changes either
	}
	for _, der := range key.Certs {
		if c, err := x509.ParseCertificate(der); err == nil {
			t.certs = append(t.certs, c)
		}
	}
	t.certs = sortChain(pub, t.certs)
	return nil
}

// drop ends the helper and with it the login. Under mu.
func (t *token) drop() {
	if t.helper != nil {
		t.helper.stop()
	}
	t.helper, t.logged = nil, false
}

// ask makes one request. A helper that hangs, dies or lost its token is ended,
// so that the next request begins anew. Under mu.
func (t *token) ask(ctx context.Context, q tokenwire.Request) (tokenwire.Reply, error) {
	reply, err := t.helper.ask(ctx, t.closed, q, t.o.Timeout)
	if err == nil {
		err = refusal(reply)
	}
	switch {
	case err == nil:
		return reply, nil
	case t.over():
		t.drop()
		return reply, ErrClosed
	case errors.Is(err, ErrPIN):
		t.logged = false
	case !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrAmbiguous):
		t.o.Logger.Warn("token helper ended", "error", err)
		t.drop()
	}
	return reply, err
}

// refusal turns a reply's code into an error.
func refusal(p tokenwire.Reply) error {
	switch p.Code {
	case "":
		return nil
	case tokenwire.PINWrong:
		return &PINError{State: PINWrong, Tries: string(p.Tries)}
	case tokenwire.PINLocked:
		return &PINError{State: PINLocked, Tries: string(tokenwire.TriesNone)}
	case tokenwire.PINSpared:
		return &PINError{State: PINSpared, Tries: string(p.Tries)}
	case tokenwire.PINNeeded:
		return &PINError{State: PINNeeded, Tries: string(p.Tries)}
	case tokenwire.Absent:
		return ErrAbsent
	case tokenwire.NoKey:
		return ErrNoKey
	case tokenwire.Ambiguous:
		return ErrAmbiguous
	case tokenwire.Unsupported:
		return fmt.Errorf("%w: %s", ErrUnsuited, short(p.Text))
	}
	return fmt.Errorf("%w: %s", ErrHelper, short(p.Text))
}

// short keeps a library's words to one line of a log.
func short(text string) string {
	const most = 200
	return fmt.Sprintf("%.*q", most, text)
}
