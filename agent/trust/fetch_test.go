package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/docsign"
)

// world is an office's trust, an authority, and the server of its lists.
type world struct {
	*httptest.Server
	*Store
	t    *testing.T
	root *node
	dir  string

	mu     sync.Mutex
	online bool
	now    time.Time
	answer http.HandlerFunc
	seen   []*http.Request
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, root: issue(t, nil, "root", 1), dir: filepath.Join(t.TempDir(), "trust", "fetched"), online: true, now: time.Now()}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r)
		answer := w.answer
		w.mu.Unlock()
		answer(rw, r)
	}))
	t.Cleanup(w.Close)
	w.serve(nil)
	w.restart()
	return w
}

// restart is a new run of the program over the same folder.
func (w *world) restart() {
	w.Store = New(Options{
		Fetched: w.dir, Patience: 5 * time.Second,
		Online: func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.online },
		Now:    func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
	})
}

func (w *world) set(online bool, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.online, w.now = online, now
}

func (w *world) answers(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = h
}

// serve has the server give these bytes, as one does that knows their tag.
func (w *world) serve(list []byte) {
	tag := strconv.Quote(fmt.Sprintf("%d-%x", len(list), list[max(len(list)-8, 0):]))
	w.answers(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", tag)
		http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(list))
	})
}

func (w *world) requests() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *world) lookup(n *node) []docsign.Evidence {
	w.t.Helper()
	e, err := w.Lookup(w.t.Context(), n.cert, w.root.cert)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// files are the names in the folder of fetched lists.
func (w *world) files() (names []string) {
	entries, err := os.ReadDir(w.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAListThatTheCertificateNamesIsFetchedOnceAndServesOverRestartsAndOffline(t *testing.T) {
	w := newWorld(t)
	address := w.URL + "/pub/ca.crl"
	leaf, second := issue(t, w.root, "leaf", 7, listAt("ldap://ca/cn=crl", address)), issue(t, w.root, "second", 8, listAt(address))
	list := w.root.crl(t, w.now.Add(-time.Hour))
	w.serve(list)
	before := w.files()
	_, mark := w.Terms()
	if e := w.lookup(leaf); len(e) != 1 || !bytes.Equal(e[0].Bytes(), list) || e[0].Origin != address {
		t.Fatalf("got %v", e)
	}
	if _, now := w.Terms(); now == mark {
		t.Error("a list came and the mark is as it was")
	}
	if e := w.lookup(second); len(e) != 1 || len(w.requests()) != 1 {
		t.Errorf("the second certificate gets %v after %d requests", e, len(w.requests()))
	}
	names := w.files()
	if len(before) != 0 || len(names) != 2 || !fetchedName.MatchString(names[0]) || strings.TrimSuffix(names[1], ".json")+".crl" != names[0] {
		t.Errorf("files %v", names)
	}
	w.set(false, w.now.Add(20*time.Hour))
	w.restart()
	if e := w.lookup(leaf); len(e) != 1 || e[0].Origin != address || len(w.requests()) != 1 {
		t.Errorf("offline after a restart: %v, %d requests", e, len(w.requests()))
	}
}

// TestARecheckCostsLittle asks whether there is a newer list, and takes it when
// there is.
func TestARecheckCostsLittle(t *testing.T) {
	w := newWorld(t)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	begin := w.now
	old := w.root.crl(t, begin.Add(-time.Hour), func(l *x509.RevocationList) { l.NextUpdate = begin.AddDate(0, 0, 9) })
	w.serve(old)
	w.lookup(leaf)
	w.set(true, begin.Add(RefreshAfter))
	for range 2 {
		if e := w.lookup(leaf); len(e) != 1 {
			t.Fatal(e)
		}
	}
	all := w.requests()
	if len(all) != 2 || all[0].Header.Get("If-None-Match") != "" || all[1].Header.Get("If-None-Match") == "" {
		t.Fatalf("%d requests", len(all))
	}
	fresh := w.root.crl(t, begin.Add(RefreshAfter))
	w.serve(fresh)
	w.set(true, begin.Add(2*RefreshAfter))
	if e := w.lookup(leaf); len(e) != 1 || !bytes.Equal(e[0].Bytes(), fresh) {
		t.Errorf("the newer list is not used: %v", e)
	}
	if len(w.files()) != 2 {
		t.Errorf("files %v", w.files())
	}
}

func TestServersWithoutTagsAreAskedByDate(t *testing.T) {
	w := newWorld(t)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	list, changed := w.root.crl(t, w.now), w.now.Truncate(time.Second)
	w.answers(func(rw http.ResponseWriter, r *http.Request) {
		http.ServeContent(rw, r, "", changed, bytes.NewReader(list))
	})
	w.lookup(leaf)
	w.set(true, w.now.Add(RefreshAfter))
	w.lookup(leaf)
	all := w.requests()
	if len(all) != 2 || all[1].Header.Get("If-Modified-Since") != changed.UTC().Format(http.TimeFormat) {
		t.Errorf("%d requests, the last %v", len(all), all[len(all)-1].Header)
	}
	// A list that was damaged on the disk is no reason for a short answer.
	name := filepath.Join(w.dir, w.files()[0])
	write(t, name, []byte("damaged"))
	w.restart()
	if e := w.lookup(leaf); len(e) != 1 || w.requests()[2].Header.Get("If-Modified-Since") != "" {
		t.Errorf("after damage: %v", e)
	}
}

// TestAListThatHasRunOutIsKeptForWhatItRevokes: it is newer than none, and makes
// nothing good.
func TestAListThatHasRunOutIsKeptForWhatItRevokes(t *testing.T) {
	w := newWorld(t)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	list := w.root.crl(t, w.now.AddDate(0, 0, -3))
	w.serve(list)
	for range 3 {
		if e := w.lookup(leaf); len(e) != 1 || !bytes.Equal(e[0].Bytes(), list) {
			t.Fatalf("got %v", e)
		}
	}
	if n := len(w.requests()); n != 1 {
		t.Errorf("the server was asked %d times at once", n)
	}
}

func TestANumberThatBeginsAnewIsHeardOnceTheOldListHasRunOut(t *testing.T) {
	w := newWorld(t)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	w.serve(w.root.crl(t, w.now))
	w.lookup(leaf)
	later := w.now.AddDate(0, 0, 2)
	anew := w.root.crl(t, later, func(l *x509.RevocationList) { l.Number = big.NewInt(1) })
	w.serve(anew)
	w.set(true, later)
	if e := w.lookup(leaf); len(e) != 1 || !bytes.Equal(e[0].Bytes(), anew) {
		t.Errorf("got %v", e)
	}
}

func TestAuthoritiesOfOneNameHaveListsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	other := issue(t, nil, "root", 1)
	leaf, theirs := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl")), issue(t, other, "leaf", 7, listAt(w.URL+"/ca.crl"))
	w.serve(w.root.crl(t, w.now))
	w.lookup(leaf)
	w.serve(other.crl(t, w.now.Add(-time.Hour)))
	e, err := w.Lookup(t.Context(), theirs.cert, other.cert)
	if err != nil || len(w.requests()) != 2 || len(w.files()) != 4 {
		t.Fatalf("%v after %d requests, files %v", err, len(w.requests()), w.files())
	}
	found := false
	for _, one := range e {
		found = found || one.CRL.From(other.cert) == nil
	}
	if !found {
		t.Errorf("the list of the second authority is missing among %v", e)
	}
}

func TestASlowServerIsGivenUp(t *testing.T) {
	w := newWorld(t)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	drip := func(every time.Duration) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			for {
				select {
				case <-done:
					return
				case <-r.Context().Done():
					return
				case <-time.After(every):
				}
				_, _ = rw.Write([]byte{0x30})
				rw.(http.Flusher).Flush()
			}
		}
	}
	for name, every := range map[string]time.Duration{"stands still": time.Hour, "drips": 20 * time.Millisecond} {
		w.restart()
		w.asker.stall, w.asker.timeout = 300*time.Millisecond, time.Second
		w.answers(drip(every))
		begin := time.Now()
		leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/"+strings.Fields(name)[0]))
		if e := w.lookup(leaf); len(e) != 0 || time.Since(begin) > 3*time.Second {
			t.Errorf("%s: %v after %v", name, e, time.Since(begin))
		}
		begin = time.Now()
		if w.lookup(leaf); time.Since(begin) > 200*time.Millisecond {
			t.Errorf("%s: the next check waits %v", name, time.Since(begin))
		}
	}
}

// TestADownloadEndsWhenTheLineCostsMoney and goes on when it does not.
func TestADownloadEndsWhenTheLineCostsMoney(t *testing.T) {
	w := newWorld(t)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	begin := w.now
	begun, sent := make(chan struct{}), 0
	w.answers(func(rw http.ResponseWriter, r *http.Request) {
		close(begun)
		for r.Context().Err() == nil && sent < MaxFetched {
			n, err := rw.Write(make([]byte, 1000))
			if sent += n; err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	go func() {
		<-begun
		w.set(false, begin)
	}()
	if e := w.lookup(leaf); len(e) != 0 || len(w.files()) != 0 {
		t.Fatalf("got %v, files %v", e, w.files())
	}
	w.serve(w.root.crl(t, begin))
	if e := w.lookup(leaf); len(e) != 0 || len(w.requests()) != 1 {
		t.Errorf("fetched over a line that costs money: %v", e)
	}
	w.set(true, begin)
	if e := w.lookup(leaf); len(e) != 1 {
		t.Errorf("not fetched over a free line: %v", e)
	}
}

// TestWhatWasWantedIsAskedForWhenALineComesUp runs a store without a line.
func TestWhatWasWantedIsAskedForWhenALineComesUp(t *testing.T) {
	w := newWorld(t)
	service := serveOCSP(t, w.root)
	byList, byAnswer := issue(t, w.root, "list", 7, listAt(w.URL+"/ca.crl")), issue(t, w.root, "answer", 8, ocspAt(service.URL))
	w.serve(w.root.crl(t, w.now))
	w.set(false, w.now)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	for _, n := range []*node{byList, byAnswer} {
		begin := time.Now()
		if e := w.lookup(n); len(e) != 0 || time.Since(begin) > time.Second {
			t.Errorf("without a line: %v after %v", e, time.Since(begin))
		}
	}
	_, before := w.Terms()
	w.set(true, w.now)
	w.Retry()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, mark := w.Terms(); mark != before && w.asker.settled() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was asked for")
		}
	}
	w.set(false, w.now)
	for _, n := range []*node{byList, byAnswer} {
		if e := w.lookup(n); len(e) == 0 {
			t.Errorf("%s: nothing is known", n.cert.Subject.CommonName)
		}
	}
	_, after := w.Terms()
	if _, again := w.Terms(); again != after {
		t.Error("the mark changes without news")
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.restart()
	if _, mark := w.Terms(); mark == after {
		t.Error("a new run, which does not know what was wanted, is not told apart")
	}
}

func (a *asker) settled() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.wants) == 0
}

// TestACheckWaitsOnlyAWhileForALargeList: what comes later changes the mark.
func TestACheckWaitsOnlyAWhileForALargeList(t *testing.T) {
	w := newWorld(t)
	w.o.Patience = 100 * time.Millisecond
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	list, free := w.root.crl(t, w.now), make(chan struct{})
	w.answers(func(rw http.ResponseWriter, _ *http.Request) {
		<-free
		_, _ = rw.Write(list)
	})
	go func() { _ = w.Run(t.Context()) }()
	for !w.asker.isRunning() {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	if e := w.lookup(leaf); len(e) != 0 || time.Since(begin) > 2*time.Second {
		t.Errorf("%v after %v", e, time.Since(begin))
	}
	close(free)
	for deadline := time.Now().Add(10 * time.Second); !w.asker.settled(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the download did not go on")
		}
	}
	if e := w.lookup(leaf); len(e) != 1 || len(w.requests()) != 1 {
		t.Errorf("got %v after %d requests", e, len(w.requests()))
	}
}

func (a *asker) isRunning() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

// TestAListOfOthersIsAskedForOnce: the certificate of an authority names a list
// that is kept and speaks about users only.
func TestAListOfOthersIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	user := issue(t, w.root, "user", 7, listAt(w.URL+"/ca.crl"))
	authority := issue(t, w.root, "authority", 8, listAt(w.URL+"/ca.crl"), func(c *x509.Certificate) { c.IsCA = true })
	w.serve(w.root.crl(t, w.now, extension(true, []byte{0x30, 3, 0x81, 1, 0xff}, 2, 5, 29, 28)))
	if e := w.lookup(user); len(e) != 1 {
		t.Fatalf("the user gets %v", e)
	}
	_, before := w.Terms()
	for range 3 {
		if e := w.lookup(authority); len(e) != 0 {
			t.Errorf("the authority gets %v", e)
		}
	}
	if _, mark := w.Terms(); mark != before || len(w.requests()) != 2 {
		t.Errorf("%d requests, mark changed %v", len(w.requests()), mark != before)
	}
}
