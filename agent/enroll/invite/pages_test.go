package invite

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"tram/sync/bundle"
)

func TestPagesRequestAndAnswerRoundTrip(t *testing.T) {
	key, cert := newAuthority(t)
	req := &Pages{Certificate: cert, Request: []byte("csr"), Nonce: [16]byte{1}, Time: time.Unix(1_800_000_000, 0).UTC()}
	raw, err := req.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePages(raw)
	if err != nil || !got.Certificate.Equal(cert) || string(got.Request) != "csr" || got.Nonce != req.Nonce || !got.Time.Equal(req.Time) ||
		got.Transcript() != req.Transcript() || got.Transcript() != sha256.Sum256(raw) {
		t.Errorf("%+v, %v", got, err)
	}
	answer := &PagesIssued{Transcript: got.Transcript(), Chain: []*x509.Certificate{cert, cert, cert}, Time: time.UnixMilli(1_800_000_000_123).UTC()}
	if raw, err = answer.Sign(key); err != nil {
		t.Fatal(err)
	}
	back, err := ParsePagesIssued(raw, key.Public())
	if err != nil || back.Transcript != answer.Transcript || len(back.Chain) != PagesChain || !back.Time.Equal(answer.Time) {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestP7_SignaturesOfOtherPurposesAreNoRequestsForPages: what an office signs to
// be renewed buys no certificate of pages, and what the hub signs for one answers
// no other question.
func TestP7_SignaturesOfOtherPurposesAreNoRequestsForPages(t *testing.T) {
	key, cert := newAuthority(t)
	other, _ := newAuthority(t)
	renewal, err := (&Renewal{Certificate: cert, Time: time.Unix(1, 0)}).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	pages := func(change func(*pagesPayload), aad string) []byte {
		p := pagesPayload{Version: version, Certificate: cert.Raw, Nonce: make([]byte, 16), Request: []byte("csr")}
		if change != nil {
			change(&p)
		}
		raw, err := signed(aad, p, key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	stranger, err := (&Pages{Certificate: cert, Request: []byte("csr"), Time: time.Unix(1, 0)}).Sign(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"a renewal":        {renewal, ErrSignature},
		"renewal's aad":    {pages(nil, renewalAAD), ErrSignature},
		"answer's aad":     {pages(nil, pagesIssuedAAD), ErrSignature},
		"another key":      {stranger, ErrSignature},
		"no certificate":   {pages(func(p *pagesPayload) { p.Certificate = nil }, pagesAAD), ErrMalformed},
		"garbage for one":  {pages(func(p *pagesPayload) { p.Certificate = []byte{1} }, pagesAAD), ErrMalformed},
		"short nonce":      {pages(func(p *pagesPayload) { p.Nonce = p.Nonce[1:] }, pagesAAD), ErrMalformed},
		"no request":       {pages(func(p *pagesPayload) { p.Request = nil }, pagesAAD), ErrMalformed},
		"large request":    {pages(func(p *pagesPayload) { p.Request = make([]byte, MaxCSR+1) }, pagesAAD), ErrMalformed},
		"negative time":    {pages(func(p *pagesPayload) { p.Time = -1 }, pagesAAD), ErrMalformed},
		"time of no clock": {pages(func(p *pagesPayload) { p.Time = maxTime + 1 }, pagesAAD), ErrMalformed},
		"later version":    {pages(func(p *pagesPayload) { p.Version = 2 }, pagesAAD), ErrVersion},
		"too much":         {append(pages(nil, pagesAAD), make([]byte, MaxPages)...), ErrMalformed},
		"nothing":          {nil, ErrMalformed},
	} {
		if _, err := ParsePages(c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := ParseRenewal(pages(nil, pagesAAD)); err == nil {
		t.Error("a request for pages passes as one for renewal")
	}
	if _, err := ParsePages(pages(nil, pagesAAD)); err != nil {
		t.Errorf("the table's own request: %v", err)
	}
}

func TestP7_AnswersForPagesThatAreNone(t *testing.T) {
	key, cert := newAuthority(t)
	other, _ := newAuthority(t)
	answer := func(change func(*pagesIssuedPayload), aad string) []byte {
		p := pagesIssuedPayload{Version: version, Transcript: make([]byte, 32), Chain: [][]byte{cert.Raw, cert.Raw, cert.Raw}, Time: 1}
		if change != nil {
			change(&p)
		}
		raw, err := signed(aad, p, key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if _, err := ParsePagesIssued(answer(nil, pagesIssuedAAD), other.Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("of another authority: %v", err)
	}
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"request's aad":    {answer(nil, pagesAAD), ErrSignature},
		"renewal's aad":    {answer(nil, renewedAAD), ErrSignature},
		"two certificates": {answer(func(p *pagesIssuedPayload) { p.Chain = p.Chain[:2] }, pagesIssuedAAD), ErrMalformed},
		"four":             {answer(func(p *pagesIssuedPayload) { p.Chain = append(p.Chain, cert.Raw) }, pagesIssuedAAD), ErrMalformed},
		"garbage for one":  {answer(func(p *pagesIssuedPayload) { p.Chain[1] = []byte{1} }, pagesIssuedAAD), ErrMalformed},
		"a large one":      {answer(func(p *pagesIssuedPayload) { p.Chain[1] = make([]byte, MaxCert+1) }, pagesIssuedAAD), ErrMalformed},
		"short transcript": {answer(func(p *pagesIssuedPayload) { p.Transcript = p.Transcript[1:] }, pagesIssuedAAD), ErrMalformed},
		"negative time":    {answer(func(p *pagesIssuedPayload) { p.Time = -1 }, pagesIssuedAAD), ErrMalformed},
		"later version":    {answer(func(p *pagesIssuedPayload) { p.Version = 2 }, pagesIssuedAAD), ErrVersion},
		"too much":         {make([]byte, MaxPages+1), ErrMalformed},
	} {
		if _, err := ParsePagesIssued(c.raw, key.Public()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzParsePages: what is taken is signed by the certificate inside and within
// its limits.
func FuzzParsePages(f *testing.F) {
	key, cert := newAuthority(f)
	raw, err := (&Pages{Certificate: cert, Request: []byte("csr"), Time: time.Unix(1, 0)}).Sign(key)
	if err != nil {
		f.Fatal(err)
	}
	seed(f, raw)
	f.Fuzz(func(t *testing.T, in []byte) {
		check := func(raw []byte) {
			p, err := ParsePages(raw)
			if err != nil {
				return
			}
			if p.Certificate == nil || p.Transcript() != sha256.Sum256(raw) || len(p.Request) == 0 || len(p.Request) > MaxCSR {
				t.Fatalf("accepted %+v", p)
			}
		}
		check(in)
		// As a payload, so that fuzzing gets behind the signature.
		if raw, err := bundle.SignCOSE(pagesAAD, in, key); err == nil {
			check(raw)
		}
	})
}

// FuzzParsePagesIssued gets the payload alone, for the signature comes first.
func FuzzParsePagesIssued(f *testing.F) {
	key, cert := newAuthority(f)
	raw, err := (&PagesIssued{Chain: []*x509.Certificate{cert, cert, cert}, Time: time.Unix(1, 0)}).Sign(key)
	if err != nil {
		f.Fatal(err)
	}
	data, err := bundle.PayloadCOSE(raw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		var payload pagesIssuedPayload
		if decode(in, &payload) != nil {
			return
		}
		p, err := payload.issued()
		if err != nil {
			return
		}
		again, err := encoding.Marshal(pagesIssuedPayload{Version: version, Transcript: p.Transcript[:], Chain: ders(p.Chain), Time: p.Time.UnixMilli()})
		if err != nil {
			t.Fatalf("%+v does not encode again: %v", p, err)
		}
		// Values, not bytes: unknown keys are skipped.
		var second pagesIssuedPayload
		if err := decode(again, &second); err != nil {
			t.Fatal(err)
		}
		back, err := second.issued()
		if err != nil || back.Transcript != p.Transcript || !back.Time.Equal(p.Time) || !slices.EqualFunc(back.Chain, p.Chain, (*x509.Certificate).Equal) {
			t.Fatalf("%+v came back as %+v (%v)", p, back, err)
		}
	})
}
