package trust

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultPatience is how long a check waits for a list that is being
	// fetched. What comes later is used by the next check.
	DefaultPatience = 10 * time.Second
	// askTimeout bounds one question, and the beginning of a connection.
	askTimeout = 10 * time.Second
	// silence is how long who did not answer is left alone, so that an office
	// without a link does not wait at every document. It doubles each time, up to
	// silenceMax.
	silence    = 5 * time.Minute
	silenceMax = time.Hour
	// refusal is how long who answered with something of no use is left alone.
	refusal = 6 * time.Hour
	// retryAfter is how long after a failure a line that comes up is reason to
	// ask again.
	retryAfter = time.Minute
	// wantLife is how long something is asked for by itself after the last check
	// that wanted it.
	wantLife = 48 * time.Hour
	// maxWants, maxAnswers and maxSilent bound what is kept in memory. What finds
	// no room among the wants is asked again by the next check.
	maxWants   = 256
	maxAnswers = 1024
	maxSilent  = 1024
	// maxAddresses is how many addresses of a certificate are tried, for answers
	// and for lists each.
	maxAddresses = 3
	// maxAddress is the longest address, in bytes.
	maxAddress = 1024
	// maxHeader is the largest header of an answer, in bytes.
	maxHeader = 32 << 10
)

var (
	// errSilent says that nobody can be asked at the moment.
	errSilent = errors.New("nobody to ask")
	// errRefused says that an answer is of no use.
	errRefused = errors.New("answer refused")
)

// asker asks authorities over HTTP, and keeps what could not be asked.
type asker struct {
	online func() bool
	now    func() time.Time
	client *http.Client // follows nothing
	lists  *http.Client // follows to the same host
	wake   chan struct{}
	run    string // tells runs of the program apart
	// stall is how long a download may stand still, timeout how long it may take.
	stall, timeout time.Duration

	mu      sync.Mutex
	running bool
	answers map[[32]byte]answer
	silent  map[string]quiet // by host of a service, address of a list, or certificate
	wants   map[[32]byte]*want
	news    int // wants that were settled after a check had done without
}

// quiet is who is left alone.
type quiet struct {
	until, since time.Time
	failures     int
	refused      bool
}

// want is a certificate about which nothing that is new enough is known.
type want struct {
	cert, issuer *x509.Certificate
	asked        time.Time
	missed       bool          // a check had to do without
	tried        chan struct{} // closed when it was tried once more
}

func newAsker(online func() bool, now func() time.Time) *asker {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: askTimeout}).DialContext, TLSHandshakeTimeout: askTimeout,
		MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true,
	}
	var run [6]byte
	_, _ = rand.Read(run[:]) // never fails
	return &asker{
		online:  online,
		now:     now,
		client:  &http.Client{Transport: transport, Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		lists:   &http.Client{Transport: transport, CheckRedirect: sameHost},
		wake:    make(chan struct{}, 1),
		run:     hex.EncodeToString(run[:]),
		stall:   fetchStall,
		timeout: fetchTimeout,
		answers: map[[32]byte]answer{}, silent: map[string]quiet{}, wants: map[[32]byte]*want{},
	}
}

// sameHost follows a redirection within a host, and from HTTP to HTTPS: who sits
// on the line cannot send the office to machines of its own network.
func sameHost(req *http.Request, via []*http.Request) error {
	first, last := via[0].URL, via[len(via)-1].URL
	if _, err := address(req.URL.String()); err != nil {
		return err
	}
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d redirections", errRefused, maxRedirects)
	case !strings.EqualFold(req.URL.Hostname(), first.Hostname()):
		return fmt.Errorf("%w: redirection to another host", errRefused)
	case last.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: redirection from HTTPS to HTTP", errRefused)
	}
	return nil
}

// address reads where a certificate says that its authority can be asked.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxAddress || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: no address of the web", errRefused)
	}
	return u, nil
}

// addresses are the first ones that can be asked.
func addresses(all []string) []string {
	usable := slices.DeleteFunc(slices.Clone(all), func(text string) bool {
		_, err := address(text)
		return err != nil
	})
	return usable[:min(len(usable), maxAddresses)]
}

// answerable reports whether a certificate names anybody who can be asked.
func answerable(cert *x509.Certificate) bool {
	return len(addresses(cert.OCSPServer))+len(addresses(cert.CRLDistributionPoints)) > 0
}

// isQuiet reports whether somebody is left alone for now.
func (a *asker) isQuiet(who string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.silent[who].until)
}

// failed leaves somebody alone for a while.
func (a *asker) failed(who string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.silent) >= maxSilent {
		clear(a.silent)
	}
	q := a.silent[who]
	now := time.Now()
	span := refusal
	if q.refused = errors.Is(err, errRefused); !q.refused {
		span = min(silence<<min(q.failures, 10), silenceMax)
	}
	q.failures, q.since, q.until = q.failures+1, now, now.Add(span)
	a.silent[who] = q
}

// heard forgets the failures of somebody.
func (a *asker) heard(who string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.silent, who)
}

// retry forgets failures of the way there.
func (a *asker) retry() {
	a.mu.Lock()
	maps.DeleteFunc(a.silent, func(_ string, q quiet) bool { return !q.refused && time.Since(q.since) >= retryAfter })
	a.mu.Unlock()
	a.poke()
}

func (a *asker) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// begin tells whether wants are looked after from now on.
func (a *asker) begin(running bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = running
	if !running {
		for _, w := range a.wants {
			w.release(false)
		}
	}
}

func key(cert, issuer *x509.Certificate) [32]byte {
	return sha256.Sum256(slices.Concat(cert.Raw, issuer.Raw))
}

// want has something asked for. tried is closed when that was tried once, or
// finds no room; nil when nobody looks after it.
func (a *asker) want(cert, issuer *x509.Certificate) (w *want, tried <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w = a.wants[key(cert, issuer)]
	if w == nil {
		w = &want{cert: cert, issuer: issuer}
		if len(a.wants) >= maxWants {
			return w, full
		}
		a.wants[key(cert, issuer)] = w
	}
	w.asked = time.Now()
	if !a.running {
		return w, nil
	}
	if w.tried == nil {
		w.tried = make(chan struct{})
	}
	a.poke()
	return w, w.tried
}

// full is what a want without room waits for.
var full = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// miss notes that a check did without.
func (a *asker) miss(w *want) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.missed = true
}

// release lets those go on who wait for a try.
func (w *want) release(done bool) {
	w.missed = w.missed || !done
	if w.tried != nil {
		close(w.tried)
		w.tried = nil
	}
}

// waiting are the wants that can be tried now, the oldest first. Without a line
// nobody waits for them.
func (a *asker) waiting() []*want {
	online := a.online()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.wants, func(_ [32]byte, w *want) bool { return time.Since(w.asked) > wantLife })
	if !online {
		for _, w := range a.wants {
			w.release(false)
		}
		return nil
	}
	return slices.SortedFunc(maps.Values(a.wants), func(x, y *want) int { return x.asked.Compare(y.asked) })
}

// settle ends one try of a want.
func (a *asker) settle(w *want, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.release(done)
	if !done {
		return
	}
	if w.missed {
		a.news++
	}
	delete(a.wants, key(w.cert, w.issuer))
}

// mark changes when something was settled that a check had to do without, and
// when the program starts anew.
func (a *asker) mark() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprintf("%s.%d", a.run, a.news)
}
