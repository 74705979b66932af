package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"

	"tram/agent/docsign"
)

// keepAnswer is how long an answer is used again, unless it runs out before.
const keepAnswer = time.Hour

type answer struct {
	der   []byte
	until time.Time
}

// answered gives the answer about a certificate that is kept.
func (a *asker) answered(cert, issuer *x509.Certificate) ([]byte, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.answers[key(cert, issuer)]
	return known.der, ok && time.Now().Before(known.until)
}

// ask gives an answer about a certificate as it came, when it says something
// about it; the caller checks how old it is.
func (a *asker) ask(ctx context.Context, cert, issuer *x509.Certificate) ([]byte, error) {
	if der, ok := a.answered(cert, issuer); ok {
		return der, nil
	}
	if !a.online() {
		return nil, errSilent
	}
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("ask OCSP: %w", err)
	}
	id := key(cert, issuer)
	about := hex.EncodeToString(id[:])
	err = errSilent
	for _, server := range addresses(cert.OCSPServer) {
		u, _ := address(server) // has been read
		if a.isQuiet(u.Host) || a.isQuiet(server+about) {
			continue
		}
		var der []byte
		begin := time.Now()
		if der, err = a.post(ctx, server, question); err != nil {
			// Who asks may have less patience than the question has time.
			if ctx.Err() == nil || time.Since(begin) >= askTimeout/2 {
				a.failed(u.Host, err)
			}
			continue
		}
		a.heard(u.Host)
		var said docsign.Revocation
		if said, err = docsign.ReadOCSP(der, cert, issuer); err == nil {
			err = a.timely(said)
		}
		if err != nil {
			a.failed(server+about, err)
			continue
		}
		a.keep(id, der, said.Next)
		return der, nil
	}
	return nil, err
}

// timely refuses an answer that is not of this time. What is revoked stays so.
func (a *asker) timely(said docsign.Revocation) error {
	now, next := a.now(), said.Next
	if next.IsZero() {
		next = said.Issued.Add(docsign.RevocationAge)
	}
	if said.Issued.After(now.Add(docsign.ClockTolerance)) || said.Status == docsign.StatusGood && next.Before(now) {
		return errors.New("ask OCSP: answer is not of this time")
	}
	return nil
}

// keep has an answer used again.
func (a *asker) keep(id [32]byte, der []byte, next time.Time) {
	span := keepAnswer
	if left := next.Sub(a.now()); !next.IsZero() && left < span {
		span = left
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answers) >= maxAnswers {
		clear(a.answers)
	}
	a.answers[id] = answer{der, time.Now().Add(span)}
}

func (a *asker) post(ctx context.Context, server string, question []byte) ([]byte, error) {
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
