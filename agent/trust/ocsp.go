package trust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"tram/agent/docsign"
)

const (
	// askTimeout bounds one question.
	askTimeout = 10 * time.Second
	// silence is how long a service that did not answer is left alone, so that
	// an office without a link does not wait at every document.
	silence = 5 * time.Minute
	// keepAnswer is how long an answer is used again.
	keepAnswer = time.Hour
	// maxAnswers is how many answers are kept.
	maxAnswers = 1024
)

// errSilent says that nobody can be asked at the moment.
var errSilent = errors.New("no OCSP service to ask")

// Asker asks OCSP services. It is safe for concurrent use.
type Asker struct {
	client *http.Client
	may    func() bool

	mu      sync.Mutex
	answers map[[32]byte]answer
	silent  map[string]time.Time // until when, by host
}

type answer struct {
	der []byte
	at  time.Time
}

// NewAsker makes an Asker. may says whether something may be asked now, for
// lines that cost money; nil always.
func NewAsker(may func() bool) *Asker {
	return &Asker{
		client: &http.Client{
			Timeout:       askTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		may: may, answers: map[[32]byte]answer{}, silent: map[string]time.Time{},
	}
}

// Ask gives the answer about a certificate as it came; the caller checks it.
func (a *Asker) Ask(ctx context.Context, cert, issuer *x509.Certificate) ([]byte, error) {
	key := sha256.Sum256(cert.Raw)
	a.mu.Lock()
	known, ok := a.answers[key]
	a.mu.Unlock()
	if ok && time.Since(known.at) < keepAnswer {
		return known.der, nil
	}
	if a.may != nil && !a.may() {
		return nil, errSilent
	}
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("ask OCSP: %w", err)
	}
	for _, server := range cert.OCSPServer[:min(len(cert.OCSPServer), 2)] {
		der, err := a.post(ctx, server, question)
		if err != nil {
			continue
		}
		a.mu.Lock()
		if len(a.answers) >= maxAnswers {
			clear(a.answers)
		}
		a.answers[key] = answer{der, time.Now()}
		a.mu.Unlock()
		return der, nil
	}
	return nil, errSilent
}

func (a *Asker) post(ctx context.Context, server string, question []byte) ([]byte, error) {
	u, err := url.Parse(server)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" {
		return nil, errSilent
	}
	a.mu.Lock()
	quiet := time.Now().Before(a.silent[u.Host])
	a.mu.Unlock()
	if quiet {
		return nil, errSilent
	}
	der, err := a.exchange(ctx, server, question)
	if err != nil {
		a.mu.Lock()
		if len(a.silent) >= maxAnswers {
			clear(a.silent)
		}
		a.silent[u.Host] = time.Now().Add(silence)
		a.mu.Unlock()
	}
	return der, err
}

func (a *Asker) exchange(ctx context.Context, server string, question []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask OCSP: status %d", resp.StatusCode)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, docsign.MaxOCSP+1))
	if err != nil {
		return nil, err
	}
	if len(der) > docsign.MaxOCSP {
		return nil, errors.New("ask OCSP: answer too long")
	}
	return der, nil
}
