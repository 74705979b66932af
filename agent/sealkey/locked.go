package sealkey

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"sync"
	"time"
)

// FileOptions says how a PKCS#12 file is opened when it is needed.
type FileOptions struct {
	Data     []byte           // of the file
	Public   crypto.PublicKey // the key that it must hold
	Password Source           // nil: a person unlocks
	Life     time.Duration    // how long a person's password holds; zero is DefaultPINLife
}

// locked is a PKCS#12 file that a password opens when it is needed.
type locked struct {
	o FileOptions

	mu     sync.Mutex
	key    Key // nil while it is locked
	expiry *time.Timer
	wrong  [sha256.Size]byte // hash of what the source gave in vain, so that it is not tried again
	closed bool
}

// LockedPKCS12 gives a key that stays encrypted until it is needed. With a
// source the decrypted key then stays in memory; after a person's password it
// does for Life.
func LockedPKCS12(o FileOptions) Unlocker {
	if o.Life == 0 {
		o.Life = DefaultPINLife
	}
	return &locked{o: o}
}

func (l *locked) Public() crypto.PublicKey { return l.o.Public }

// Certificates gives none: they are encrypted as well.
func (l *locked) Certificates() []*x509.Certificate { return nil }

// open decrypts the key. Under mu.
func (l *locked) open(password []byte) error {
	key, err := ParsePKCS12(l.o.Data, string(password))
	if errors.Is(err, ErrPassword) {
		return &PINError{State: PINWrong}
	}
	if err != nil {
		return err
	}
	if !SamePublic(key.Public(), l.o.Public) {
		return ErrNoKey
	}
	l.key = key
	return nil
}

// enter makes sure that the key is open. Under mu.
func (l *locked) enter() (Key, error) {
	switch {
	case l.closed:
		return nil, ErrClosed
	case l.key != nil:
		return l.key, nil
	case l.o.Password == nil:
		return nil, &PINError{State: PINNeeded}
	}
	password, err := l.o.Password()
	if err != nil {
		return nil, err
	}
	defer clear(password)
	sum := sha256.Sum256(password)
	if sum == l.wrong {
		return nil, &PINError{State: PINWrong}
	}
	if err := l.open(password); err != nil {
		if errors.Is(err, ErrPIN) {
			l.wrong = sum
		}
		return nil, err
	}
	return l.key, nil
}

func (l *locked) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := checkDigest(digest, opts); err != nil {
		return nil, err
	}
	l.mu.Lock()
	key, err := l.enter()
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return key.Sign(rand, digest, opts)
}

// Ready decrypts the key when there is a source: a password costs no try.
func (l *locked) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.enter()
	return err
}

// Unlock decrypts the key with a person's password.
func (l *locked) Unlock(_ context.Context, password []byte, _ bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if err := l.open(password); err != nil {
		return err
	}
	if l.expiry != nil {
		l.expiry.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(l.o.Life, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.expiry == timer { // not that of an earlier password
			l.key = nil
		}
	})
	l.expiry = timer
	return nil
}

func (l *locked) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key, l.closed = nil, true
	if l.expiry != nil {
		l.expiry.Stop()
	}
	return nil
}
