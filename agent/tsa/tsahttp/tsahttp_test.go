package tsahttp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tram/agent/tsa"
	"tram/agent/tsa/tsahttp"
)

func authority(t *testing.T) tsa.Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	usage, err := tsa.Usage()
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tsa"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage},
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tsa.Authority{Key: key, Cert: cert, Policy: "1.2.3.4"}
}

// serve answers as an authority does, with change done to each answer.
func serve(t *testing.T, change func(query, answer []byte) (int, []byte)) string {
	t.Helper()
	a := authority(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != tsa.QueryType {
			t.Errorf("%s of %q: %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		answer, err := a.Answer(query)
		if err != nil {
			t.Error(err)
		}
		code, answer := change(query, answer)
		w.WriteHeader(code)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestATokenAnswersItsRequest(t *testing.T) {
	sum := tsa.SHA256(sha256.Sum256([]byte("văn bản")))
	var first []byte
	for _, c := range []struct {
		name   string
		change func(query, answer []byte) (int, []byte)
		want   error // nil: any
		good   bool
	}{
		{"good", func(_, a []byte) (int, []byte) { first = a; return 200, a }, nil, true},
		{"of an earlier request", func(_, _ []byte) (int, []byte) { return 200, first }, tsa.ErrNonce, false},
		{"no answer", func(_, _ []byte) (int, []byte) { return 503, nil }, nil, false},
		{"a page", func(_, _ []byte) (int, []byte) { return 200, []byte("<html>") }, tsa.ErrMalformed, false},
		{"a flood", func(_, _ []byte) (int, []byte) { return 200, make([]byte, tsa.MaxResponse+1) }, tsa.ErrTooLarge, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := tsahttp.Client{URL: serve(t, c.change)}.Stamp(t.Context(), sum)
			if c.good != (err == nil) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if c.good && (!token.Imprint.Equal(sum) || token.Nonce == nil) {
				t.Errorf("token %+v", token)
			}
		})
	}
}

func TestNobodyThereIsNoRefusal(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := tsahttp.Client{URL: server.URL}.Stamp(ctx, tsa.SHA256(sha256.Sum256(nil)))
	if err == nil || errors.Is(err, tsa.ErrRefused) || !strings.HasPrefix(err.Error(), "get time stamp: ") {
		t.Errorf("got %v", err)
	}
}
