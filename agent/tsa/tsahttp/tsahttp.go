// Package tsahttp asks time stamp authorities over HTTP (RFC 3161, 3.4). It is
// apart from package tsa so that checking stays free of the network.
//
// It promises that a token it returns answers the request that it made, and
// that an authority which hangs or floods costs no more than the limits say.
package tsahttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"tram/agent/tsa"
)

// clientTimeout bounds a whole request of a [Client] without a HTTP client of
// its own.
const clientTimeout = 30 * time.Second

// Client asks one authority over HTTP (RFC 3161, 3.4).
type Client struct {
	URL  string
	HTTP *http.Client // nil: one with a timeout
}

// Stamp asks for a time stamp on a digest. The token answers this request; it
// is not verified against anybody's anchors. *[tsa.RefusedError] when the authority
// refuses; any other error is of the way there and may pass.
func (c Client) Stamp(ctx context.Context, i tsa.Imprint) (tsa.Token, error) {
	t, err := c.stamp(ctx, i)
	if err != nil {
		return tsa.Token{}, fmt.Errorf("get time stamp: %w", err)
	}
	return t, nil
}

func (c Client) stamp(ctx context.Context, i tsa.Imprint) (tsa.Token, error) {
	r, err := tsa.NewRequest(i)
	if err != nil {
		return tsa.Token{}, err
	}
	body, err := r.Encode()
	if err != nil {
		return tsa.Token{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return tsa.Token{}, err
	}
	req.Header.Set("Content-Type", tsa.QueryType)
	req.Header.Set("Accept", tsa.ReplyType)
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: clientTimeout}
	}
	resp, err := client.Do(req)
	if err != nil {
		return tsa.Token{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return tsa.Token{}, fmt.Errorf("authority answers %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, tsa.MaxResponse+1))
	if err != nil {
		return tsa.Token{}, err
	}
	token, err := tsa.ParseResponse(raw)
	if err != nil {
		return tsa.Token{}, err
	}
	t, err := tsa.ParseToken(token)
	if err != nil {
		return tsa.Token{}, err
	}
	return t, t.Answers(r)
}
