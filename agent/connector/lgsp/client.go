package lgsp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"tram/agent/problem"
	"tram/storage"
)

const (
	dialWait = 30 * time.Second
	// stall is how long a connection may carry nothing while something is
	// expected: an axis that works on a large file is silent as long.
	stall = 5 * time.Minute
	// tokenLife is how long a token of an account is used.
	tokenLife = 25 * time.Minute
)

// client speaks to one axis.
type client struct {
	*checked
	http *http.Client

	mu    sync.Mutex
	token string
	until time.Time
}

func newClient(c *checked) *client {
	dialer := &net.Dialer{Timeout: dialWait}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &watched{conn}, nil
		},
		TLSClientConfig: c.tls(), TLSHandshakeTimeout: dialWait, MaxIdleConnsPerHost: 4, IdleConnTimeout: stall / 2,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
	return &client{checked: c, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// watched is a connection that ends when it stalls.
type watched struct{ net.Conn }

func (w *watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

func (w *watched) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

func (c *client) close() { c.http.CloseIdleConnections() }

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         io.Reader
	length       int64
	kind         string // content type of the body
	token        string // for the account; "" where none is needed
	key          string // the same when the call is repeated; "" for none
}

func (c *client) address(p string, query url.Values) string {
	u := *c.base
	ref, _ := url.Parse(p) // checked with the settings
	u.Path = path.Join("/", u.Path, ref.Path)
	values := ref.Query()
	for k, v := range query {
		values[k] = v
	}
	u.RawQuery = values.Encode()
	return u.String()
}

// call makes a call. The body of the answer is the caller's to close.
func (c *client) call(ctx context.Context, r request) (*http.Response, error) {
	if c.Username != "" && r.token == "" && r.path != c.Paths.Login {
		token, err := c.login(ctx)
		if err != nil {
			return nil, err
		}
		r.token = token
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.address(r.path, r.query), r.body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header["X-SystemId"] = []string{c.SystemID} // as the axes write them
	req.Header["X-SecretKey"] = []string{c.secret}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
		req.GetBody = nil // or else http repeats it by itself
	}
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
		req.ContentLength = r.length
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, away(err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized {
		c.mu.Lock()
		c.token = "" // it may have run out
		c.mu.Unlock()
	}
	if a, err := readAnswer(res.Body); err == nil && a.ErrorCode != "" && res.StatusCode >= 400 {
		return nil, a.err(r.path)
	}
	return nil, statusError(res.StatusCode, r.path)
}

// short makes a call with a short answer.
func (c *client) short(ctx context.Context, r request) (answer, error) {
	res, err := c.call(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a, err := readAnswer(res.Body)
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case err != nil:
		return answer{}, garbled(r.path, err)
	}
	return a, a.err(r.path)
}

func (c *client) post(ctx context.Context, p string, body any) (answer, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return answer{}, fmt.Errorf("make request: %w", err)
	}
	return c.short(ctx, request{method: http.MethodPost, path: p, body: bytes.NewReader(raw), length: int64(len(raw)), kind: "application/json"})
}

// login gets a token for the account, or the one that is still good.
func (c *client) login(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" && time.Now().Before(c.until) {
		return c.token, nil
	}
	raw, err := json.Marshal(map[string]any{
		"username": c.Username, "password": c.pass, "applicationCode": c.Application, "otp": nil, "twoFactorProvider": nil, "typeObjs": []int{0, 1},
	})
	if err != nil {
		return "", err
	}
	c.mu.Unlock() // call takes it
	a, err := c.short(ctx, request{method: http.MethodPost, path: c.Paths.Login, body: bytes.NewReader(raw), length: int64(len(raw)), kind: "application/json"})
	c.mu.Lock()
	if err != nil {
		return "", err
	}
	if a.Token == "" {
		a.Token = a.Session
	}
	if a.Token == "" {
		return "", garbled(c.Paths.Login, errors.New("no token"))
	}
	c.token, c.until = string(a.Token), time.Now().Add(tokenLife)
	return c.token, nil
}

// send hands a message over and returns how the axis names it. size is that of
// the file. An error that is no *refused leaves open whether the axis has it.
func (c *client) send(ctx context.Context, kind string, file *os.File, size int64) (ref string, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("messageType", kind); err != nil {
		return "", err
	}
	_, err = w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="edocFile"; filename="message.edxml"`}, "Content-Type": {"application/xml"},
	})
	if err != nil {
		return "", err
	}
	head := form.Len()
	if err := w.Close(); err != nil {
		return "", err
	}
	all := form.Bytes()
	a, err := c.short(ctx, request{
		method: http.MethodPost, path: c.Paths.Send, kind: w.FormDataContentType(), length: int64(len(all)) + size,
		body: io.MultiReader(bytes.NewReader(all[:head]), io.LimitReader(file, size), bytes.NewReader(all[head:])),
	})
	if err != nil {
		return "", err
	}
	return string(a.DocID), nil
}

// update tells the axis a state of the transport or a status of a message.
func (c *client) update(ctx context.Context, ref, status string) error {
	_, err := c.post(ctx, c.Paths.Update, map[string]string{"docId": ref, "status": status})
	return err
}

// list hands the entries of a list from day to day to do.
func (c *client) list(ctx context.Context, p, kind string, from, to time.Time, do func(entry) error) error {
	const day = "2006/01/02"
	res, err := c.call(ctx, request{method: http.MethodGet, path: p, query: url.Values{
		"messageType": {kind}, "fromDate": {from.Format(day)}, "toDate": {to.Format(day)},
	}})
	if err != nil {
		return err
	}
	return readList(ctx, res, p, maxList, do)
}

// offices hands the axis's list of offices to do, one by one.
func (c *client) offices(ctx context.Context, do func(entry) error) error {
	res, err := c.call(ctx, request{method: http.MethodGet, path: c.Paths.Agencies})
	if err != nil {
		return err
	}
	return readList(ctx, res, c.Paths.Agencies, maxOffice, do)
}

// stopped is an error of the reader of a list, not of the list.
type stopped struct{ error }

func readList(ctx context.Context, res *http.Response, p string, limit int64, do func(entry) error) error {
	defer res.Body.Close()
	a, err := eachEntry(res.Body, limit, func(e entry) error {
		if err := do(e); err != nil {
			return stopped{err}
		}
		return nil
	})
	var s stopped
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &s):
		return s.error
	case err != nil:
		return garbled(p, err)
	case a.Success == "" && a.Code == "" && a.ErrorCode == "" && a.Status == "":
		return nil // a list with nothing beside it
	}
	return a.err(p)
}

// download copies a message to w, and holds it against what the axis says of it
// in the list and beside it.
func (c *client) download(ctx context.Context, listed entry, w io.Writer) error {
	res, err := c.call(ctx, request{method: http.MethodGet, path: c.Paths.Get, query: url.Values{"docId": {string(listed.DocID)}}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	m, body := newMeasure(w), &storage.Source{R: res.Body}
	a, beside, err := extract(body, res.Header.Get("Content-Type"), m)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case m.err != nil:
		return m.err
	case body.Err != nil:
		return problem.New(problem.LinkDown, "lgsp.cut", "", nil).Because(body.Err)
	case errors.Is(err, errNoDocument):
		if err := a.err(c.Paths.Get); err != nil {
			return err
		}
		return garbled(c.Paths.Get, err)
	case err != nil:
		return garbled(c.Paths.Get, err)
	}
	for _, said := range []entry{listed, beside} {
		if err := m.fits(said); err != nil {
			return err
		}
	}
	return nil
}

// clip keeps a name of the axis short enough for a log.
func clip(s string) string { return s[:min(len(strings.ToValidUTF8(s, "?")), maxSaid)] }
