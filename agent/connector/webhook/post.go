package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"tram/agent/connector"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// event is the body of a message. Fields are only ever added.
type event struct {
	Type      string    `json:"type"`
	Cursor    string    `json:"cursor,omitempty"` // in the feed, to go on from
	Timestamp time.Time `json:"timestamp"`        // when it happened
	Data      data      `json:"data"`
}

// data says what happened to which document. Subject, people, notes and content
// are left out on purpose.
type data struct {
	ID      storage.ID       `json:"id,omitzero"`
	EdXMLID string           `json:"edxml_id,omitempty"`
	Box     office.Box       `json:"box,omitempty"`
	State   office.State     `json:"state,omitempty"`
	Code    edxml.StatusCode `json:"code,omitempty"`
	Office  string           `json:"office,omitempty"`
	At      time.Time        `json:"at,omitzero"`
	Learnt  time.Time        `json:"learnt,omitzero"`
	// Dossier is there when ID is that of a dossier, whose code it names.
	Dossier *dossierData `json:"dossier,omitempty"`
}

// dossierData says what happened to a dossier.
type dossierData struct {
	Code string `json:"code"`
	office.DossierNews
}

func eventOf(e office.Entry) event {
	if n := e.Dossier; n != nil {
		return event{Type: string(e.Type), Cursor: e.Cursor, Timestamp: e.At.UTC(), Data: data{
			ID: e.Document, Office: e.Office, At: e.At.UTC(), Learnt: e.Learnt.UTC(), Dossier: &dossierData{e.EdXMLID, *n},
		}}
	}
	return event{Type: string(e.Type), Cursor: e.Cursor, Timestamp: e.At.UTC(), Data: data{
		ID: e.Document, EdXMLID: e.EdXMLID, Box: e.Box, State: e.State, Code: e.Code, Office: e.Office,
		At: e.At.UTC(), Learnt: e.Learnt.UTC(),
	}}
}

// pingType is the type of a message that a person sends to see whether the
// receiver listens.
const pingType = "ping"

// Test implements [connector.Tester].
func (h *hook) Test(ctx context.Context) error {
	return h.post(ctx, "ping-"+uuid.NewString(), event{Type: pingType, Timestamp: h.env.Now().UTC()})
}

// post sends a message and judges the answer.
func (h *hook) post(ctx context.Context, id string, e any) error {
	body, err := json.Marshal(e)
	if err != nil {
		return connector.Permanent(fmt.Errorf("encode event: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(body))
	if err != nil {
		return connector.Permanent(fmt.Errorf("make request: %w", bare(err)))
	}
	now := h.env.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tram")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", stamp(now))
	req.Header.Set("Webhook-Signature", sign(h.secrets, id, now, body))
	return h.exchange(req, now)
}

// exchange sends a request and judges the answer.
func (l line) exchange(req *http.Request, now time.Time) error {
	resp, err := l.client.Do(req)
	if err != nil {
		code := "webhook.unreachable"
		if errors.Is(err, errAddress) {
			code = "webhook.address"
		}
		return problem.New(problem.LinkDown, code, "url", i18n.Args{"host": l.url.Host}).Because(bare(err))
	}
	defer resp.Body.Close()
	// Read, so that the connection serves the next one; what it says does not matter.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return l.judge(resp, now)
}

// bare is an error of net/http without the address, whose query may hold a key.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// judge tells what an answer means.
func (l line) judge(resp *http.Response, now time.Time) error {
	args := i18n.Args{"host": l.url.Host, "status": resp.StatusCode}
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusGone:
		return connector.Stop(problem.New(problem.Denied, "webhook.gone", "url", args))
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return problem.New(problem.Failed, "webhook.redirect", "url", args)
	}
	err := problem.New(problem.Failed, "webhook.status", "url", args)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		if t, ok := retryAfter(resp.Header.Get("Retry-After"), now); ok {
			return connector.After(t, err)
		}
	}
	return err
}

// retryAfter reads the header of that name (RFC 9110, 10.2.3). What is beyond
// [connector.MaxRest] is cut to it.
func retryAfter(text string, now time.Time) (time.Time, bool) {
	most := now.Add(connector.MaxRest)
	t, err := http.ParseTime(text)
	if err != nil {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return time.Time{}, false
		}
		if t = most; n < uint64(connector.MaxRest/time.Second) {
			t = now.Add(time.Duration(n) * time.Second)
		}
	}
	if t.After(most) {
		t = most
	}
	return t, t.After(now)
}
