package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func extension(critical bool, value []byte, id ...int) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier(id), Critical: critical, Value: value})
	}
}

// point is the extension that limits a list to an address.
func point(address string) []byte {
	uri := append([]byte{0x86, byte(len(address))}, address...)
	full := append([]byte{0xa0, byte(len(uri))}, uri...)
	dp := append([]byte{0xa0, byte(len(full))}, full...)
	return append([]byte{0x30, byte(len(dp))}, dp...)
}

func give(der []byte) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(der) }
}

func endless(first string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if first != "" {
			rw.Header().Set("Content-Length", first)
		}
		block := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := rw.Write(block); err != nil {
				return
			}
		}
	}
}

func sendTo(address string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Location", address)
		rw.WriteHeader(http.StatusFound)
	}
}

// TestNoBadListTakesThePlaceOfAGoodOne offers lists that must not be used, first
// to an office that has none and then to one that has a good one.
func TestNoBadListTakesThePlaceOfAGoodOne(t *testing.T) {
	w := newWorld(t)
	begin := w.now
	at := begin.Add(-2 * time.Hour)
	list := func(change ...func(*x509.RevocationList)) http.HandlerFunc {
		return give(w.root.crl(t, at.Add(time.Hour), change...))
	}
	namesake := issue(t, nil, "root", 1)
	stranger := issue(t, nil, "stranger", 1)
	forged := w.root.crl(t, at.Add(time.Hour))
	forged[len(forged)-1] ^= 1
	port := w.Listener.Addr().String()[strings.LastIndex(w.Listener.Addr().String(), ":"):]
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		first  bool // taken by an office that has none
	}{
		{"another issuer", give(stranger.crl(t, at.Add(time.Hour))), false},
		{"another issuer of the same name", give(namesake.crl(t, at.Add(time.Hour))), false},
		{"forged", give(forged), false},
		{"not yet", list(func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = begin.AddDate(0, 0, 1), begin.AddDate(0, 0, 2)
		}), false},
		{"older than the kept one", list(func(l *x509.RevocationList) { l.ThisUpdate = at.Add(-time.Minute) }), true},
		{"a lower number than the kept one", list(func(l *x509.RevocationList) { l.Number = big.NewInt(1) }), true},
		{"delta", list(extension(true, []byte{2, 1, 1}, 2, 5, 29, 27)), false},
		{"delta that is not marked as critical", list(extension(false, []byte{2, 1, 1}, 2, 5, 29, 27)), false},
		{"indirect", list(extension(true, []byte{0x30, 3, 0x84, 1, 0xff}, 2, 5, 29, 28)), false},
		{"another share", list(extension(true, point("http://ca/2.crl"), 2, 5, 29, 28)), false},
		{"authorities only", list(extension(true, []byte{0x30, 3, 0x82, 1, 0xff}, 2, 5, 29, 28)), false},
		{"unknown rule", list(extension(true, []byte{5, 0}, 2, 5, 29, 99)), false},
		{"too large, told", endless(strconv.Itoa(MaxFetched + 1)), false},
		{"too large, not told", endless(""), false},
		{"a page", give([]byte("<html>not found</html>")), false},
		{"nothing", give(nil), false},
		{"not found", http.NotFound, false},
		{"not modified, unasked", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotModified) }, false},
		{"redirection to a file", sendTo("file:///etc/passwd"), false},
		{"redirection to another host", sendTo("http://localhost" + port + "/else.crl"), false},
		{"redirection without end", sendTo("/again.crl"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaf := issue(t, w.root, "leaf", 7, listAt(w.URL+"/"+strings.ReplaceAll(test.name, " ", "-")))
			w.t, w.dir = t, filepath.Join(t.TempDir(), "fetched")
			w.set(true, begin)
			w.answers(test.answer)
			w.restart()
			if e := w.lookup(leaf); len(e) != 0 != test.first {
				t.Errorf("taken as the first one: %v", e)
			}
			good := w.root.crl(t, at, func(l *x509.RevocationList) { l.NextUpdate = begin.AddDate(0, 0, 9) })
			w.dir = filepath.Join(t.TempDir(), "fetched")
			w.restart()
			w.serve(good)
			w.lookup(leaf)
			w.set(true, begin.Add(RefreshAfter))
			w.answers(test.answer)
			for range 2 {
				if e := w.lookup(leaf); len(e) != 1 || !bytes.Equal(e[0].Bytes(), good) {
					t.Fatalf("in place of a good one: %v", e)
				}
			}
		})
	}
}
