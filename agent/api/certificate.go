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

// RequestPath and ResponsePath are where the running office makes the request
// of an enrolment by stick, and takes in its answer.
const (
	RequestPath  = "/v1/enroll/request"
	ResponsePath = "/v1/enroll/response"
)

// Request is an enrolment by stick.
type Request struct {
	State   string `json:"state"`             // as of an enrolment
	Request []byte `json:"request,omitempty"` // for the hub
}

// OfflineRequest has the running office make the request for an invite; again
// is for one that is enrolled.
func (c *Client) OfflineRequest(ctx context.Context, invite []byte, again bool) (Request, error) {
	path := RequestPath
	if again {
		path += "?again"
	}
	return c.enrolment(ctx, path, invite)
}

// OfflineResponse hands the running office the hub's answer.
func (c *Client) OfflineResponse(ctx context.Context, answer []byte) (Request, error) {
	return c.enrolment(ctx, ResponsePath, answer)
}

func (c *Client) enrolment(ctx context.Context, path string, body []byte) (r Request, err error) {
	resp, err := c.Do(ctx, http.MethodPost, path, bytes.NewReader(body), "application/octet-stream")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	return r, json.NewDecoder(resp.Body).Decode(&r)
}
