package vgca

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Options of a [Desk]. Dir is needed.
type Options struct {
	Dir     string           // folder for uploads
	Pattern string           // of temporary files, see os.CreateTemp
	MaxFile int64            // bytes of one file
	Logger  *slog.Logger     // nil discards
	Now     func() time.Time // nil: time.Now
}

// Desk keeps the files that are being signed. Its methods may be called from
// several goroutines.
type Desk struct {
	o Options

	mu     sync.Mutex
	jobs   map[string]*job
	tokens map[[sha256.Size]byte]*token // by the token's digest
}

// Job is a file that is being signed.
type Job struct {
	ID         string
	Name       string
	Size       int64
	Signatures []Signature // made here, oldest first
}

// Signature is one that was added here.
type Signature struct {
	Signer string // common name of the certificate; not judged
	Method Method // "" when it was signed outside and brought by hand
	At     time.Time
}

type job struct {
	Job
	owner string // sign-in name
	path  string
	used  time.Time
}

type token struct {
	job     string
	method  Method
	deliver bool
	until   time.Time
	left    int
}

// NewDesk makes a Desk.
func NewDesk(o Options) *Desk {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Desk{o: o, jobs: map[string]*job{}, tokens: map[[sha256.Size]byte]*token{}}
}

// spool writes a file of the desk's own.
func (d *Desk) spool(r io.Reader) (path string, size int64, err error) {
	f, err := os.CreateTemp(d.o.Dir, d.o.Pattern)
	if err != nil {
		return "", 0, fmt.Errorf("keep file to sign: %w", err)
	}
	size, err = io.Copy(f, io.LimitReader(r, d.o.MaxFile+1))
	err = errors.Join(err, f.Close())
	if err == nil && size > d.o.MaxFile {
		err = problem.New(problem.Usage, "signing.too-large", "files", i18n.Args{"max": d.o.MaxFile >> 20})
	}
	if err != nil {
		d.remove(f.Name())
		return "", 0, err
	}
	return f.Name(), size, nil
}

func (d *Desk) remove(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.o.Logger.Warn("remove file to sign", "error", err)
	}
}

// Create takes a PDF file to sign in. Problems: signing.*.
func (d *Desk) Create(owner, name string, r io.Reader) (Job, error) {
	path, size, err := d.spool(r)
	if err != nil {
		return Job{}, err
	}
	if err := isPDF(path); err != nil {
		d.remove(path)
		return Job{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep()
	mine := 0
	for _, j := range d.jobs {
		if j.owner == owner {
			mine++
		}
	}
	if mine >= MaxJobs || len(d.jobs) >= MaxAllJobs {
		d.remove(path)
		return Job{}, problem.New(problem.Full, "signing.too-many", "files", nil)
	}
	j := &job{Job: Job{ID: rand.Text(), Name: name, Size: size}, owner: owner, path: path, used: d.o.Now()}
	d.jobs[j.ID] = j
	return j.Job, nil
}

// isPDF looks for the mark of a PDF file where readers look for it.
func isPDF(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read file to sign: %w", err)
	}
	defer f.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(f, head); err != nil || string(head) != "%PDF-" {
		return problem.New(problem.Usage, "signing.not-pdf", "files", nil)
	}
	return nil
}

func gone() error { return problem.New(problem.NotFound, "signing.gone", "", nil) }

// of gives a job of its owner; to others it is not there. Under mu.
func (d *Desk) of(owner, id string) (*job, error) {
	d.sweep()
	j, ok := d.jobs[id]
	if !ok || j.owner != owner {
		return nil, gone()
	}
	j.used = d.o.Now()
	return j, nil
}

// Get gives a job. Problem signing.gone.
func (d *Desk) Get(owner, id string) (Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j, err := d.of(owner, id)
	if err != nil {
		return Job{}, err
	}
	return j.copy(), nil
}

func (j *job) copy() Job {
	c := j.Job
	c.Signatures = slices.Clone(c.Signatures)
	return c
}

// List gives a person's jobs, by name.
func (d *Desk) List(owner string) []Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep()
	var list []Job
	for _, j := range d.jobs {
		if j.owner == owner {
			list = append(list, j.copy())
		}
	}
	slices.SortFunc(list, func(a, b Job) int { return slices.Compare([]string{a.Name, a.ID}, []string{b.Name, b.ID}) })
	return list
}

// Open opens a job's file as it is now. The caller closes it.
func (d *Desk) Open(owner, id string) (Job, *os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j, err := d.of(owner, id)
	if err != nil {
		return Job{}, nil, err
	}
	f, err := os.Open(j.path)
	return j.copy(), f, err
}

// Drop gives a job up; one that is not there is no error.
func (d *Desk) Drop(owner, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j, err := d.of(owner, id); err == nil {
		d.drop(j)
	}
}

// drop removes a job with its tokens. Under mu.
func (d *Desk) drop(j *job) {
	d.revoke(j.ID)
	delete(d.jobs, j.ID)
	d.remove(j.path)
}

func (d *Desk) revoke(id string) {
	for sum, t := range d.tokens {
		if t.job == id {
			delete(d.tokens, sum)
		}
	}
}

// sweep forgets what is over. Under mu.
func (d *Desk) sweep() {
	now := d.o.Now()
	for _, j := range d.jobs {
		if now.Sub(j.used) > JobLife {
			d.drop(j)
		}
	}
	for sum, t := range d.tokens {
		if now.After(t.until) {
			delete(d.tokens, sum)
		}
	}
}

// Begin makes the tokens of a call; those of an earlier one are dead then.
func (d *Desk) Begin(owner, id string, m Method) (fetch, deliver string, err error) {
	if !m.Known() {
		return "", "", problem.New(problem.Usage, "signing.method", "method", nil)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	j, err := d.of(owner, id)
	if err != nil {
		return "", "", err
	}
	d.revoke(id)
	issue := func(deliver bool, left int) string {
		text := rand.Text() // 130 bits
		d.tokens[sha256.Sum256([]byte(text))] = &token{job: j.ID, method: m, deliver: deliver, until: d.o.Now().Add(CallLife), left: left}
		return text
	}
	return issue(false, MaxFetches), issue(true, MaxDeliveries), nil
}

// redeem uses a token up once. Under mu.
func (d *Desk) redeem(text string, deliver bool) (*job, *token, error) {
	d.sweep()
	t, ok := d.tokens[sha256.Sum256([]byte(text))] // a digest is looked up, so time tells nothing of the token
	if !ok || t.deliver != deliver || t.left == 0 {
		return nil, nil, gone()
	}
	j, ok := d.jobs[t.job]
	if !ok {
		return nil, nil, gone()
	}
	t.left--
	j.used = d.o.Now()
	return j, t, nil
}

// Fetch opens the file for whoever shows the token of a call. The caller
// closes it.
func (d *Desk) Fetch(text string) (Job, *os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j, _, err := d.redeem(text, false)
	if err != nil {
		return Job{}, nil, err
	}
	f, err := os.Open(j.path)
	return j.copy(), f, err
}

// Deliver takes the signed file from whoever shows the token of a call. When
// it is good the tokens of the call are dead. Problems: signing.*.
func (d *Desk) Deliver(ctx context.Context, text string, r io.Reader) (Job, error) {
	d.mu.Lock()
	j, t, err := d.redeem(text, true)
	if err != nil {
		d.mu.Unlock()
		return Job{}, err
	}
	id, owner, method := j.ID, j.owner, t.method
	d.mu.Unlock()
	return d.replace(ctx, owner, id, method, r, t)
}

// Bring takes a file that was signed outside, from its owner.
func (d *Desk) Bring(ctx context.Context, owner, id string, r io.Reader) (Job, error) {
	return d.replace(ctx, owner, id, "", r, nil)
}

// replace checks a signed file against the one at hand and takes it. A token
// must still be alive at the end: two deliveries at once are one.
func (d *Desk) replace(ctx context.Context, owner, id string, m Method, r io.Reader, t *token) (Job, error) {
	before, old, err := d.Open(owner, id)
	if err != nil {
		return Job{}, err
	}
	defer old.Close()
	path, size, err := d.spool(r)
	if err != nil {
		return Job{}, err
	}
	signer, err := d.check(ctx, old, before.Size, path, size)
	_ = old.Close() // Windows removes no open file
	if err != nil {
		d.remove(path)
		d.o.Logger.Warn("signed file refused", "job", id, "error", err)
		return Job{}, explain(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	j, err := d.of(owner, id)
	if err == nil && (len(j.Signatures) != len(before.Signatures) || t != nil && !d.alive(t)) {
		err = problem.New(problem.Conflict, "signing.changed", "", nil)
	}
	if err != nil {
		d.remove(path)
		return Job{}, err
	}
	d.remove(j.path)
	d.revoke(id)
	j.path, j.Size = path, size
	j.Signatures = append(j.Signatures, Signature{Signer: signer.Name, Method: m, At: d.o.Now()})
	return j.copy(), nil
}

func (d *Desk) alive(t *token) bool {
	for _, other := range d.tokens {
		if other == t {
			return true
		}
	}
	return false
}

func (d *Desk) check(ctx context.Context, old *os.File, oldSize int64, path string, size int64) (docsign.Party, error) {
	now, err := os.Open(path)
	if err != nil {
		return docsign.Party{}, err
	}
	defer now.Close()
	return Extension(ctx, old, now, oldSize, size)
}

func explain(err error) error {
	for _, k := range []struct {
		err  error
		code string
	}{{ErrNotExtended, "signing.not-extended"}, {ErrNotSigned, "signing.not-signed"}, {ErrSignature, "signing.signature"}} {
		if errors.Is(err, k.err) {
			return problem.New(problem.BadSeal, k.code, "files", nil).Because(err)
		}
	}
	return err
}
