package tsa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"
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
// is not verified against anybody's anchors. *[RefusedError] when the authority
// refuses; any other error is of the way there and may pass.
func (c Client) Stamp(ctx context.Context, i Imprint) (Token, error) {
	t, err := c.stamp(ctx, i)
	if err != nil {
		return Token{}, fmt.Errorf("get time stamp: %w", err)
	}
	return t, nil
}

func (c Client) stamp(ctx context.Context, i Imprint) (Token, error) {
	r, err := NewRequest(i)
	if err != nil {
		return Token{}, err
	}
	body, err := r.Encode()
	if err != nil {
		return Token{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return Token{}, err
	}
	req.Header.Set("Content-Type", QueryType)
	req.Header.Set("Accept", ReplyType)
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: clientTimeout}
	}
	resp, err := client.Do(req)
	if err != nil {
		return Token{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Token{}, fmt.Errorf("authority answers %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxResponse+1))
	if err != nil {
		return Token{}, err
	}
	token, err := ParseResponse(raw)
	if err != nil {
		return Token{}, err
	}
	t, err := ParseToken(token)
	if err != nil {
		return Token{}, err
	}
	return t, t.Answers(r)
}

// Handler serves an authority over HTTP. A nil logger means no log.
func Handler(a Authority, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != QueryType {
			http.Error(w, "body must be "+QueryType, http.StatusUnsupportedMediaType)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
		if err != nil {
			http.Error(w, "request is cut or too large", http.StatusBadRequest)
			return
		}
		answer, err := a.Answer(body)
		if err != nil && !errors.Is(err, ErrMalformed) {
			log.Warn("time stamp not given", "error", err)
		}
		if answer == nil {
			http.Error(w, "failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", ReplyType)
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(answer) // who goes away asks again
	})
}
