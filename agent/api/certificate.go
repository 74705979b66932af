package api

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tram/agent/identity"
)

// Certificates is what `tram cert` shows.
type Certificates struct {
	Code   string      `json:"code"`
	Name   string      `json:"name"`
	Hub    string      `json:"hub"`
	Device Certificate `json:"device"`
	Seal   Certificate `json:"seal"`
}

// Certificate is one certificate of the office.
type Certificate struct {
	Serial string    `json:"serial"` // hex
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Days   int       `json:"days_left"` // negative when it has run out
	Renews time.Time `json:"renews"`    // when the hub sends a new one
}

// CertificatesOf describes the certificates of an identity.
func CertificatesOf(id *identity.Identity, now time.Time) Certificates {
	return Certificates{Code: id.Code, Name: id.Name, Hub: id.Hub, Device: certificateOf(id.DeviceCert, now), Seal: certificateOf(id.SealCert, now)}
}

func certificateOf(c *x509.Certificate, now time.Time) Certificate {
	return Certificate{
		Serial: fmt.Sprintf("%x", c.SerialNumber), From: c.NotBefore, Until: c.NotAfter, Days: DaysLeft(c.NotAfter, now),
		Renews: c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3),
	}
}

// DaysLeft counts whole days, those of the past as negative ones.
func DaysLeft(until, now time.Time) int {
	left := until.Sub(now)
	if left < 0 {
		left -= 24*time.Hour - 1
	}
	return int(left / (24 * time.Hour))
}

// RenewPath is where the running office is asked for new certificates.
const RenewPath = "/v1/certificate/renew"

// Renew has the running office ask its hub for new certificates now.
func (c *Client) Renew(ctx context.Context) (Certificates, error) {
	var certs Certificates
	return certs, c.Call(ctx, http.MethodPost, RenewPath, nil, &certs)
}

// AgainPath is where the running office takes an invite by which it joins
// again.
const AgainPath = "/v1/enroll/again"

// EnrollAgain hands the running office an invite by which it joins again. Of
// the answer only state, office and hub are filled in; the office starts anew
// when the state is "enrolled".
func (c *Client) EnrollAgain(ctx context.Context, invite []byte) (Status, error) {
	var s Status
	resp, err := c.Do(ctx, http.MethodPost, AgainPath, bytes.NewReader(invite), "application/octet-stream")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
