package trust

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestTheFolderOfFetchedListsIsBounded fills it, with lists that ran out at
// different times, and fetches one more.
func TestP9_TheFolderOfFetchedListsIsBounded(t *testing.T) {
	w := newWorld(t)
	begin := w.now
	put := func(n int, issued time.Time, size int) string {
		path := w.fetchedPath(w.root.cert, fmt.Sprintf("http://ca/%d", n))
		list := w.root.crl(t, issued)
		if size > 0 {
			list = append(list, make([]byte, size-len(list))...)
		}
		write(t, path, list)
		if err := writeNote(path, note{URL: "http://ca"}); err != nil {
			t.Fatal(err)
		}
		return filepath.Base(path)
	}
	fetch := func(serial int64) []string {
		w.t.Helper()
		leaf := issue(t, w.root, "leaf", serial, listAt(fmt.Sprintf("%s/%d.crl", w.URL, serial)), func(c *x509.Certificate) { c.IsCA = false })
		w.restart()
		w.set(true, begin)
		w.serve(w.root.crl(t, begin, func(l *x509.RevocationList) { l.Number.SetInt64(begin.Unix() + serial) }))
		if err := w.fetch(t.Context(), leaf.cert.CRLDistributionPoints[0], leaf.cert, w.root.cert); err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(w.files(), func(name string) bool { return !fetchedName.MatchString(name) })
	}
	broken := w.fetchedPath(w.root.cert, "broken")
	write(t, broken, []byte("no list"))
	dead := put(0, begin.Add(-FetchedLife).AddDate(0, 0, -2), 0)
	names := []string{}
	for n := range MaxFetchedLists {
		names = append(names, put(n+1, begin.AddDate(0, 0, -n-2), 0))
	}
	left := fetch(7)
	if len(left) != MaxFetchedLists || slices.Contains(left, dead) || slices.Contains(left, filepath.Base(broken)) ||
		slices.Contains(left, names[len(names)-1]) || !slices.Contains(left, names[0]) {
		t.Errorf("%d lists are left", len(left))
	}
	if all := w.files(); len(all) != 2*len(left) {
		t.Errorf("%d files for %d lists", len(all), len(left))
	}
	w.dir = filepath.Join(t.TempDir(), "fetched")
	w.restart()
	for n := range 4 {
		put(n, begin.AddDate(0, 0, -n), MaxFetched)
	}
	if left := fetch(8); len(left) != 4 {
		t.Errorf("%d lists are left of four as large as can be, and a new one", len(left))
	}
}

func TestTheReserveOfTheDiskIsLeft(t *testing.T) {
	w := newWorld(t)
	w.o.Reserve = math.MaxInt64 / 2
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	w.serve(w.root.crl(t, w.now))
	if e := w.lookup(leaf); len(e) != 0 || len(w.requests()) != 0 {
		t.Errorf("got %v after %d requests", e, len(w.requests()))
	}
}

// TestWhoFailsIsLeftAloneLonger and whoever answers is forgiven.
func TestWhoFailsIsLeftAloneLonger(t *testing.T) {
	a := newAsker(func() bool { return true }, time.Now)
	span := func() time.Duration { return time.Until(a.silent["ca"].until).Round(time.Minute) }
	for _, want := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour} {
		if a.failed("ca", errSilent); span() != want {
			t.Errorf("left alone for %v, want %v", span(), want)
		}
	}
	if a.failed("ca", errTooLarge); span() != refusal {
		t.Errorf("refused: %v", span())
	}
	if a.heard("ca"); a.isQuiet("ca") {
		t.Error("not forgiven")
	}
	for i := range 3 * maxSilent {
		a.failed(fmt.Sprint(i), errSilent)
	}
	if len(a.silent) > maxSilent {
		t.Errorf("%d are remembered", len(a.silent))
	}
}

func TestP9_WantsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.set(false, w.now)
	leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/ca.crl"))
	for i := range 2 * maxWants {
		other := *leaf.cert
		other.Raw = append(bytes.Clone(other.Raw), byte(i), byte(i>>8))
		w.lookup(&node{cert: &other})
	}
	if n := len(w.asker.wants); n != maxWants {
		t.Errorf("%d wants", n)
	}
	for _, want := range w.asker.wants {
		want.asked = want.asked.Add(-2 * wantLife)
	}
	if left := w.asker.waiting(); len(left)+len(w.asker.wants) != 0 {
		t.Errorf("%d wants outlive their time", len(left))
	}
}
