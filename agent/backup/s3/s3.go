// Package s3 keeps backups in a bucket of an S3-compatible store.
//
// It knows the four calls that backups need. Requests are signed by the signer of the
// AWS SDK; the whole clients that were measured add 1.9 MB (minio-go) to a program, the
// signer 0.1 MB.
//
// It promises that a file is there whole or not at all, that what fails for the line is
// tried again a few times, and that no key leaves this machine: requests carry
// signatures alone.
package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"tram/agent/backup"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

const (
	// tries is how often a call is made that fails for the line or for the server.
	tries = 4
	// firstPause is before the second one; each further pause is twice as long.
	firstPause = time.Second
	// answerIn is how long a server may take to begin its answer.
	answerIn = time.Minute
	// maxAnswer bounds an answer that is no file, in bytes.
	maxAnswer = 4 << 20
	// defaultRegion stands in signatures when the file of keys names none.
	defaultRegion = "us-east-1"
	// spool is a file while it is encrypted, in the work folder: its length and digest
	// are part of the request.
	spool = "backup-s3-"
)

// Schemes of places: over TLS, and within a house without it.
const (
	scheme      = "s3"
	plainScheme = "s3+http"
)

// Is tells whether a place is one of this package.
func Is(place string) bool {
	return strings.HasPrefix(place, scheme+"://") || strings.HasPrefix(place, plainScheme+"://")
}

type bucket struct {
	place  string
	base   url.URL // of the bucket
	prefix string  // of names, "" or with a slash at its end
	work   string
	keys   aws.Credentials
	region string
	signer *v4.Signer
	client *http.Client
	pause  time.Duration
}

// Open reads a place of the form s3://server[:port]/bucket[/folder] and the access key in
// a file of two lines, with the region as a third when it is not the default one. Nothing
// is asked of the server yet. work is a folder that only this user may read. Problems:
// backup.place, backup.s3-key.
func Open(place, keyFile, work string) (backup.Store, error) {
	u, err := url.Parse(place)
	wrong := problem.New(problem.Usage, "backup.place", "", i18n.Args{"place": place})
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, wrong
	}
	name, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if name == "" || path.Clean("/"+prefix) != "/"+prefix && prefix != "" {
		return nil, wrong
	}
	if prefix != "" {
		prefix += "/"
	}
	b := &bucket{place: place, base: url.URL{Scheme: "https", Host: u.Host, Path: "/" + name}, prefix: prefix, work: work, pause: firstPause}
	if u.Scheme == plainScheme {
		b.base.Scheme = "http"
	}
	if err := b.readKeys(keyFile); err != nil {
		return nil, err
	}
	b.signer = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerIn
	b.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b, nil
}

func (b *bucket) readKeys(file string) error {
	data, err := keystore.Load(file)
	lines := strings.Fields(string(data))
	if errors.Is(err, keystore.ErrPermissions) {
		return problem.New(problem.Denied, "key.permissions", "data", i18n.Args{"dir": file}).Because(err)
	}
	if err != nil || len(lines) < 2 {
		return problem.New(problem.Usage, "backup.s3-key", "", i18n.Args{"file": file}).Because(err)
	}
	b.keys, b.region = aws.Credentials{AccessKeyID: lines[0], SecretAccessKey: lines[1]}, defaultRegion
	if len(lines) > 2 {
		b.region = lines[2]
	}
	return nil
}

func (b *bucket) Place() string { return b.place }

// call is one request.
type call struct {
	method, name string
	query        url.Values
	body         *os.File
	size         int64
	sum          [32]byte
}

// do makes a call, again when the line or the server fails. The caller closes the body.
func (b *bucket) do(ctx context.Context, c call) (*http.Response, error) {
	for try, pause := 1, b.pause; ; try, pause = try+1, 2*pause {
		r, err := b.once(ctx, c)
		if err == nil && r.StatusCode < http.StatusInternalServerError && r.StatusCode != http.StatusTooManyRequests {
			return r, nil
		}
		if err == nil {
			err = fmt.Errorf("%w: it answers %s", backup.ErrUnreachable, r.Status)
			_ = r.Body.Close() // read no further
		}
		if try == tries || ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		}
	}
}

func (b *bucket) once(ctx context.Context, c call) (*http.Response, error) {
	u := b.base
	if c.name != "" {
		u.Path += "/" + b.prefix + c.name
	}
	u.RawQuery = c.query.Encode()
	var body io.Reader
	if c.body != nil {
		body = io.NewSectionReader(c.body, 0, c.size) // of its own for each try
	}
	r, err := http.NewRequestWithContext(ctx, c.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if r.ContentLength = c.size; c.size == 0 {
		r.Body = nil
	}
	sum := hex.EncodeToString(c.sum[:])
	r.Header.Set("X-Amz-Content-Sha256", sum)
	if err := b.signer.SignHTTP(ctx, b.keys, r, sum, "s3", b.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	answer, err := b.client.Do(r)
	if err != nil {
		var at *net.OpError
		if errors.As(err, &at) || ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", backup.ErrUnreachable, err)
		}
		return nil, err
	}
	return answer, nil
}

// nothing is the digest of a request without a body.
var nothing = sha256.Sum256(nil)

// refusal is what an answer says that is not the wanted one.
func (b *bucket) refusal(r *http.Response) error {
	var said struct{ Code string }
	data, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err == nil && xml.Unmarshal(data, &said) != nil || said.Code == "" {
		said.Code = strconv.Itoa(r.StatusCode)
	}
	return problem.New(problem.Denied, "backup.refused", "", i18n.Args{"place": b.place, "why": said.Code}).Because(err)
}

func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := b.do(ctx, call{method: http.MethodGet, name: name, sum: nothing})
	if err != nil {
		return nil, err
	}
	switch r.StatusCode {
	case http.StatusOK:
		return &reading{r.Body, r.ContentLength}, nil
	case http.StatusNotFound:
		err := b.refusal(r)
		if p := problem.From(err); p.Args["why"] == "NoSuchBucket" {
			return nil, errors.Join(err, r.Body.Close())
		}
		return nil, errors.Join(fmt.Errorf("%w: %s", storage.ErrNotFound, name), r.Body.Close())
	}
	return nil, errors.Join(b.refusal(r), r.Body.Close())
}

// reading is a file that comes: a line that ends before it is no end of the file.
type reading struct {
	io.ReadCloser
	left int64
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	if err != nil && (err != io.EOF || r.left > 0) {
		err = fmt.Errorf("%w: %w", backup.ErrUnreachable, err)
	}
	return n, err
}

func (b *bucket) Put(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(b.work, spool+"*.tmp")
	if err != nil {
		return fsx.MapError(err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	sum := sha256.New()
	if err := write(io.MultiWriter(f, sum)); err != nil {
		return fsx.MapError(err)
	}
	c := call{method: http.MethodPut, name: name, body: f, sum: [32]byte(sum.Sum(nil))}
	if c.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	return b.simple(ctx, c, http.StatusOK)
}

func (b *bucket) Remove(ctx context.Context, name string) error {
	return b.simple(ctx, call{method: http.MethodDelete, name: name, sum: nothing}, http.StatusNoContent, http.StatusOK, http.StatusNotFound)
}

// simple makes a call whose answer is its status.
func (b *bucket) simple(ctx context.Context, c call, good ...int) error {
	r, err := b.do(ctx, c)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	for _, status := range good {
		if r.StatusCode == status {
			return nil
		}
	}
	return b.refusal(r)
}

// listed is the answer to ListObjectsV2.
type listed struct {
	Contents []struct {
		Key  string
		Size int64
	}
	IsTruncated           bool
	NextContinuationToken string
}

func (b *bucket) List(ctx context.Context, folder string, each func(string, int64)) error {
	query := url.Values{"list-type": {"2"}, "prefix": {b.prefix + strings.TrimSuffix(folder, "/") + "/"}}
	for {
		page, err := b.page(ctx, query)
		if err != nil {
			return err
		}
		for _, c := range page.Contents {
			name, ours := strings.CutPrefix(c.Key, b.prefix)
			if ours && filepath.IsLocal(filepath.FromSlash(name)) {
				each(name, c.Size)
			}
		}
		if !page.IsTruncated || page.NextContinuationToken == "" {
			return nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

func (b *bucket) page(ctx context.Context, query url.Values) (page listed, err error) {
	r, err := b.do(ctx, call{method: http.MethodGet, query: query, sum: nothing})
	if err != nil {
		return page, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return page, b.refusal(r)
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		return page, fmt.Errorf("%w: %w", backup.ErrUnreachable, err)
	}
	if err := xml.Unmarshal(data, &page); err != nil {
		return page, problem.New(problem.Failed, "backup.refused", "", i18n.Args{"place": b.place, "why": "XML"}).Because(err)
	}
	return page, nil
}
