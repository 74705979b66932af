// Package trust holds whom an office trusts for signatures in attachments: a
// folder of authorities, a folder of revocation lists, and, where there is a
// line that costs nothing, the OCSP services and lists that certificates name.
//
// It promises that
//
//   - only self-signed certificates in the folder of anchors end a chain;
//     others there only complete chains;
//   - files may be put in and taken out while the program runs; what cannot be
//     read is left out and logged once;
//   - it asks authorities about no certificate but those whose chain ends at an
//     anchor, since agent/docsign asks about no others, over HTTP alone, and
//     within the limits of this package in bytes, time and addresses;
//   - a list that was fetched is signed by the issuer and speaks about the
//     certificate that named it, and none takes the place of a newer one; it is
//     kept over restarts and serves where there is no line;
//   - what could not be asked is asked once there is a line, and the mark of
//     [Store.Terms] changes when that has brought something new.
package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tram/agent/docsign"
	"tram/storage/fsx"
)

// Folders below the data folder when the settings name no others.
const (
	AnchorsDir = "trust/anchors"
	ListsDir   = "trust/crl"
	FetchedDir = "trust/fetched"
)

// lookEvery is how often the folders are looked at again, and whether what
// waits for a line can be asked.
const lookEvery = 10 * time.Second

// Options of a [Store]. Anchors and Lists are paths of a folder, or of a single
// file; "" for none.
type Options struct {
	Anchors string
	Lists   string
	Fetched string // folder of the lists that were fetched; "" fetches none
	// Online tells whether authorities may be asked now: there is a line, and it
	// costs nothing. It is asked often, also in the midst of a download. nil
	// asks nobody, ever.
	Online func() bool
	// Patience is how long a check waits for a list that is being fetched; zero
	// is [DefaultPatience].
	Patience time.Duration
	// Reserve is free space on the disk that fetched lists leave, in bytes.
	Reserve int64
	// ClockBehind tells whether Now is known to be too early; nil never.
	ClockBehind func() bool
	Logger      *slog.Logger     // nil discards
	Now         func() time.Time // nil: time.Now
}

// Store is safe for concurrent use.
type Store struct {
	o      Options
	asker  *asker     // nil asks nobody
	asking sync.Mutex // one round of asking at a time

	mu      sync.Mutex
	looked  time.Time // on the monotonic clock
	files   string    // digest of what lies in the folders
	anchors []*x509.Certificate
	between []*x509.Certificate
	lists   []listFile
}

// New makes a Store. Folders that do not exist are as empty ones.
func New(o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	s := &Store{o: o}
	if o.Online != nil {
		s.asker = newAsker(o.Online, o.Now)
	}
	return s
}

// Terms are the options for a check now, with a mark that changes when another
// check may come to another verdict: anchors or lists have changed, an authority
// has answered what it was asked in vain before, the clock tells the time again,
// or the program was started anew and does not know any more what it has asked.
func (s *Store) Terms() (docsign.Options, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	behind := s.o.ClockBehind != nil && s.o.ClockBehind()
	mark := s.files
	if s.asker != nil {
		mark += "." + s.asker.mark()
	}
	if behind {
		mark += ".behind"
	}
	return docsign.Options{
		Anchors: slices.Clone(s.anchors), Intermediates: slices.Clone(s.between), Revocations: s, Now: s.o.Now(), ClockBehind: behind,
	}, mark
}

// Lookup gives the lists at hand that speak about cert, the newest first, and an
// OCSP answer. Without an answer and a list that is new enough, those that the
// certificate names are fetched, for which it waits Patience at most.
func (s *Store) Lookup(ctx context.Context, cert, issuer *x509.Certificate) ([]docsign.Evidence, error) {
	all, fresh := s.known(cert, issuer)
	if s.asker == nil || !answerable(cert) {
		return all, nil
	}
	if answer, err := s.asker.ask(ctx, cert, issuer); err == nil {
		return append(all, docsign.Evidence{OCSP: answer, Origin: docsign.OriginNetwork}), nil
	}
	if fresh {
		return all, nil
	}
	s.wait(ctx, cert, issuer)
	all, _ = s.known(cert, issuer)
	if answer, ok := s.asker.answered(cert, issuer); ok {
		all = append(all, docsign.Evidence{OCSP: answer, Origin: docsign.OriginNetwork})
	}
	return all, nil
}

// wait has something asked for, and waits for it for a while.
func (s *Store) wait(ctx context.Context, cert, issuer *x509.Certificate) {
	ctx, stop := context.WithTimeout(ctx, s.o.Patience)
	defer stop()
	w, tried := s.asker.want(cert, issuer)
	if tried == nil {
		s.askAgain(ctx, w)
		return
	}
	select {
	case <-tried:
	case <-ctx.Done():
		s.asker.miss(w)
	}
}

// known are the lists at hand that speak about cert, the newest first. fresh
// says that no newer one needs to be asked for.
func (s *Store) known(cert, issuer *x509.Certificate) (all []docsign.Evidence, fresh bool) {
	s.mu.Lock()
	s.look()
	lists := slices.DeleteFunc(slices.Clone(s.lists), func(l listFile) bool { return !bytes.Equal(l.issuer, issuer.RawSubject) })
	s.mu.Unlock()
	for _, l := range lists {
		if len(all) == docsign.MaxEvidence/2 {
			break
		}
		list, err := readList(l.path)
		if err != nil || list.About(cert) != nil {
			continue
		}
		origin, checked := l.source()
		all = append(all, docsign.Evidence{CRL: list, Origin: origin})
		fresh = fresh || s.fresh(list, checked) && list.From(issuer) == nil
	}
	return all, fresh
}

// fresh reports whether a list of which its server was asked at a time, zero for
// never, need not be asked for again.
func (s *Store) fresh(list *docsign.CRL, checked time.Time) bool {
	now := s.o.Now()
	asked := list.ThisUpdate
	if checked.After(asked) && !checked.After(now) {
		asked = checked
	}
	return now.Before(ends(list)) && now.Sub(asked) < RefreshAfter && !list.ThisUpdate.After(now.Add(docsign.ClockTolerance))
}

// ends is when a list runs out.
func ends(list *docsign.CRL) time.Time {
	if list.NextUpdate.IsZero() {
		return list.ThisUpdate.Add(docsign.RevocationAge)
	}
	return list.NextUpdate
}

// Run asks for what could not be asked at once, until ctx ends, and returns its
// error.
func (s *Store) Run(ctx context.Context) error {
	if s.asker == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.o.Fetched != "" {
		if err := fsx.RemoveTemps(fsx.OS, s.o.Fetched); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.o.Logger.Warn("left-over files not removed", "folder", s.o.Fetched, "error", err)
		}
	}
	s.asker.begin(true)
	defer s.asker.begin(false)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.askAgain(ctx, s.asker.waiting()...)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-s.asker.wake:
		}
	}
}

// Retry has what failed for want of a line asked at once: one has come up.
func (s *Store) Retry() {
	if s.asker != nil {
		s.asker.retry()
	}
}

// askAgain asks for what is wanted, answers first: they are short.
func (s *Store) askAgain(ctx context.Context, wants ...*want) {
	s.asking.Lock()
	defer s.asking.Unlock()
	for _, ask := range []func(context.Context, *want) error{s.answerFor, s.fetchFor} {
		wants = slices.DeleteFunc(wants, func(w *want) bool {
			err := ask(ctx, w)
			if err == nil {
				s.asker.settle(w, true)
			}
			return err == nil
		})
	}
	for _, w := range wants {
		s.asker.settle(w, false)
	}
}

func (s *Store) answerFor(ctx context.Context, w *want) error {
	_, err := s.asker.ask(ctx, w.cert, w.issuer)
	return err
}
