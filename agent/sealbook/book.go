// Package sealbook knows which seals an office has, where their keys are, and
// which of them signs what: the agency's seal, a leader's signature, a seal for
// copies.
//
// It promises that
//
//   - nothing is sealed with a key whose certificate the receivers would
//     refuse: each use checks issuer, office, usage, key and validity;
//   - an office whose seal is on a token that is not there, or waits for its
//     PIN, is told so and saves nothing half sealed; it never falls back to
//     another seal than the one chosen;
//   - seals that are added, changed or removed while the service runs are seen
//     at their next use, without a restart;
//   - the seal of the enrolment is always there and seals what has no other.
//
// The book is the folder seals in the key folder; its file is described in
// agent/README.md.
package sealbook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealkey"
	"tram/storage/keystore"
)

// Options of a [Book]. Dir and Identity are needed.
type Options struct {
	Dir      string // data folder
	Identity *identity.Live
	Helper   string           // path of the token helper; "" is the one beside this program
	Logger   *slog.Logger     // nil discards
	Now      func() time.Time // nil: time.Now
}

// Book is the seals of one office. Its methods may be called from several
// goroutines.
type Book struct {
	o Options

	mu   sync.Mutex
	open map[string]opened
	over bool

	stateMu sync.Mutex
	state   map[string]error // of each seal in use, as last seen
}

// opened is a key in use, with what it was opened for.
type opened struct {
	seal Seal
	cert *x509.Certificate
	key  sealkey.Key
}

// New makes a Book. Close it.
func New(o Options) *Book {
	if o.Helper == "" {
		o.Helper = sealkey.HelperPath()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Book{o: o, open: map[string]opened{}, state: map[string]error{}}
}

// For gives the sealer for an action, ready to sign. ok is false when the
// enrolment's seal is the one. Problems: seal.*.
func (b *Book) For(ctx context.Context, action Action) (sealer seal.Sealer, ok bool, err error) {
	s, err := b.chosen(action)
	if err != nil || s.Kind == KindEnrolled {
		return seal.Sealer{}, false, err
	}
	k, err := b.ready(ctx, s)
	b.note(s.Name, err)
	if err != nil {
		return seal.Sealer{}, false, err
	}
	return seal.Sealer{Key: explained{k.key, s.Name}, Cert: k.cert, Now: b.o.Now}, true, nil
}

// explained words what goes wrong while a key signs.
type explained struct {
	sealkey.Key
	name string
}

// chosen is the seal for an action: its own, for copies else the documents',
// else the enrolment's.
func (b *Book) chosen(action Action) (Seal, error) {
	seals, err := load(b.o.Dir)
	if err != nil {
		return Seal{}, problem.New(problem.Failed, "seal.book", "", nil).Because(err)
	}
	for _, a := range []Action{action, ActionDocument} {
		for _, s := range seals {
			if slices.Contains(s.Actions, a) {
				return s, nil
			}
		}
	}
	return Seal{Name: Enrolled, Kind: KindEnrolled}, nil
}

// ready opens a seal and makes sure that it can sign.
func (b *Book) ready(ctx context.Context, s Seal) (opened, error) {
	k, err := b.take(ctx, s)
	if err != nil {
		return k, Explain(s.Name, err)
	}
	if err := CheckCertificate(b.o.Identity.Get(), s.Name, k.cert, k.key.Public(), b.o.Now()); err != nil {
		return k, err
	}
	return k, Explain(s.Name, k.key.Ready(ctx))
}

// take gives the open key of a seal; one that was changed is opened anew.
func (b *Book) take(ctx context.Context, s Seal) (opened, error) {
	cert, err := keystore.LoadCert(certPath(b.o.Dir, s.Name))
	if errors.Is(err, keystore.ErrNotFound) {
		return opened{}, problem.New(problem.Conflict, "seal.no-certificate", "", i18n.Args{"name": s.Name, "file": RequestPath(b.o.Dir, s.Name)})
	}
	if err != nil {
		return opened{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return opened{}, sealkey.ErrClosed
	}
	k, there := b.open[s.Name]
	if there && reflect.DeepEqual(k.seal, s) && k.cert.Equal(cert) {
		return k, nil
	}
	if there {
		delete(b.open, s.Name)
		if err := k.key.Close(); err != nil {
			return opened{}, err
		}
	}
	key, err := b.openKey(ctx, s, cert)
	if err != nil {
		return opened{}, err
	}
	b.open[s.Name] = opened{s, cert, key}
	return b.open[s.Name], nil
}

func (b *Book) openKey(ctx context.Context, s Seal, cert *x509.Certificate) (sealkey.Key, error) {
	switch s.Kind {
	case KindFile:
		return sealkey.OpenFile(keyPath(b.o.Dir, s))
	case KindPKCS12:
		data, err := keystore.Load(keyPath(b.o.Dir, s))
		if err != nil {
			return nil, err
		}
		return sealkey.LockedPKCS12(sealkey.FileOptions{Data: data, Public: cert.PublicKey, Password: s.Secret.source()}), nil
	case KindPKCS11:
		return sealkey.OpenToken(ctx, sealkey.TokenOptions{
			Helper: b.o.Helper, Module: s.Module, Token: s.Token, Key: s.Key, Public: cert.PublicKey,
			PIN: s.Secret.source(), Logger: b.o.Logger.With("seal", s.Name),
		})
	}
	return nil, fmt.Errorf("open seal: kind %q", s.Kind)
}

// Unlock enters a person's PIN or password. last allows the try after which a
// token locks. Problems: seal.*.
func (b *Book) Unlock(ctx context.Context, name string, secret []byte, last bool) error {
	seals, err := load(b.o.Dir)
	if err != nil {
		return problem.New(problem.Failed, "seal.book", "", nil).Because(err)
	}
	i := slices.IndexFunc(seals, func(s Seal) bool { return s.Name == name })
	if i < 0 {
		return unknown(name)
	}
	k, err := b.take(ctx, seals[i])
	if err != nil {
		return Explain(name, err)
	}
	lock, ok := k.key.(sealkey.Unlocker)
	if !ok {
		return problem.New(problem.Conflict, "seal.no-pin", "", i18n.Args{"name": name})
	}
	err = Explain(name, lock.Unlock(ctx, secret, last))
	b.note(name, err)
	return err
}

func unknown(name string) error {
	return problem.New(problem.NotFound, "seal.unknown", "name", i18n.Args{"name": name})
}

// Close closes every key.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	var errs []error
	for name, k := range b.open {
		errs = append(errs, k.key.Close())
		delete(b.open, name)
	}
	return errors.Join(errs...)
}

// LookEvery is how often Run looks whether the seals in use can sign.
const LookEvery = time.Minute

// Run keeps an eye on the seals in use until ctx ends, so that a token that
// was taken out is seen before a document is to be sealed.
func (b *Book) Run(ctx context.Context) error {
	for {
		b.look(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(LookEvery):
		}
	}
}

func (b *Book) look(ctx context.Context) {
	seals, err := load(b.o.Dir)
	if err != nil {
		b.o.Logger.Error("seals not read", "error", err)
		return
	}
	seen := map[string]bool{}
	for _, s := range seals {
		if len(s.Actions) > 0 {
			seen[s.Name] = true
			_, err := b.ready(ctx, s)
			b.note(s.Name, err)
		}
	}
	b.stateMu.Lock()
	defer b.stateMu.Unlock()
	for name := range b.state {
		if !seen[name] {
			delete(b.state, name)
		}
	}
}

// note keeps what was last seen of a seal.
func (b *Book) note(name string, err error) {
	b.stateMu.Lock()
	defer b.stateMu.Unlock()
	before, known := b.state[name]
	b.state[name] = err
	if err != nil && (!known || before == nil || before.Error() != err.Error()) {
		b.o.Logger.Warn("seal cannot sign", "seal", name, "error", err)
	}
}

// Conditions are what is not as it should be with the seals in use.
func (b *Book) Conditions() []health.Condition {
	var found []health.Condition
	b.stateMu.Lock()
	for name, err := range b.state {
		var p *problem.Problem
		if errors.As(err, &p) {
			found = append(found, health.SealNotReady(name, p.Code))
		}
	}
	b.stateMu.Unlock()
	entries, err := b.List()
	if err != nil {
		return append(found, health.SealNotReady(bookName, "seal.book"))
	}
	for _, e := range entries {
		if e.Cert != nil && (len(e.Actions) > 0 || e.Kind == KindEnrolled) {
			if c, soon := health.SealEnds(e.Name, e.Cert.NotAfter, b.o.Now()); soon {
				found = append(found, c)
			}
		}
	}
	slices.SortFunc(found, func(x, y health.Condition) int {
		return slices.Compare([]string{x.Code, fmt.Sprint(x.Args["name"])}, []string{y.Code, fmt.Sprint(y.Args["name"])})
	})
	return found
}

// Entry is a seal with its certificate; Cert is nil until the hub has issued
// one, and Fault is what a look at it found.
type Entry struct {
	Seal
	Cert  *x509.Certificate
	Fault error
}

// List gives all seals, the enrolment's first. It opens no key.
func (b *Book) List() ([]Entry, error) {
	id := b.o.Identity.Get()
	seals, err := load(b.o.Dir)
	if err != nil {
		return nil, problem.New(problem.Failed, "seal.book", "", nil).Because(err)
	}
	own := Entry{Seal: Seal{Name: Enrolled, Kind: KindEnrolled}, Cert: id.SealCert}
	own.Fault = CheckCertificate(id, Enrolled, id.SealCert, id.Seal.Public(), b.o.Now())
	list := []Entry{own}
	for _, s := range seals {
		e := Entry{Seal: s}
		if e.Cert, err = keystore.LoadCert(certPath(b.o.Dir, s.Name)); err != nil {
			e.Fault = problem.New(problem.Conflict, "seal.no-certificate", "", i18n.Args{"name": s.Name, "file": RequestPath(b.o.Dir, s.Name)}).Because(err)
		} else {
			e.Fault = CheckCertificate(id, s.Name, e.Cert, nil, b.o.Now())
		}
		list = append(list, e)
	}
	for _, a := range Actions { // what nobody else seals is the enrolment's
		if s, err := b.chosen(a); err == nil && s.Kind == KindEnrolled {
			list[0].Actions = append(list[0].Actions, a)
		}
	}
	return list, nil
}

// Code is the office's code.
func (b *Book) Code() string { return b.o.Identity.Get().Code }
