package api

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
	"strconv"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// Client talks to a running office through its local socket.
type Client struct{ *Caller }

// NewClient returns a client for the office with the data folder dir. It
// connects when it is first used.
func NewClient(dir string) *Client { return &Client{NewCaller(dir, SocketName)} }

// Do makes one call and returns the answer when its status is below 400. The
// caller closes the answer's body.
func (c *Caller) Do(ctx context.Context, method, path string, body io.Reader, contentType string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://tram"+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return nil, problem.New(problem.NotRunning, "service.not-running", "data", i18n.Args{"dir": c.dir}).Because(err)
		}
		return nil, fmt.Errorf("call %s: %w", path, err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		data, _ := io.ReadAll(io.LimitReader(resp.Body, maxJSON))
		if list, ok := decodeProblems(data); ok {
			return nil, list
		}
		return nil, fmt.Errorf("call %s: the service answered %s", path, resp.Status)
	}
	return resp, nil
}

// Call makes one call with JSON in and out. in may be nil.
func (c *Caller) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	resp, err := c.Do(ctx, method, path, body, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

// Status returns the state of the office.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.Call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Enroll hands an invite to the running service.
func (c *Client) Enroll(ctx context.Context, invite []byte) (Status, error) {
	var s Status
	resp, err := c.Do(ctx, http.MethodPost, "/v1/enroll", bytes.NewReader(invite), "application/octet-stream")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// CreateAccount makes a sign-in for the clerk's page.
func (c *Client) CreateAccount(ctx context.Context, a Account) error {
	return c.Call(ctx, http.MethodPost, "/v1/accounts", a, &Account{})
}

// Accounts lists the sign-ins for the pages.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	var list []Account
	return list, c.Call(ctx, http.MethodGet, "/v1/accounts", nil, &list)
}

// ChangeAccount unlocks, closes or opens an account, or ends its sessions.
func (c *Client) ChangeAccount(ctx context.Context, name string, what AccountChange) error {
	return c.Call(ctx, http.MethodPost, "/v1/accounts/"+url.PathEscape(name)+"/"+string(what), nil, &Account{})
}

// SetPassword gives an account a password that has to be changed at the next
// sign-in, and unlocks it.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	return c.Call(ctx, http.MethodPut, "/v1/accounts/"+url.PathEscape(name)+"/password", Account{Password: password}, &Account{})
}

// Documents lists documents.
func (c *Client) Documents(ctx context.Context, q office.Query) (Page, error) {
	v := url.Values{"box": {string(q.Box)}}
	for _, s := range q.States {
		v.Add("state", string(s))
	}
	if q.Offset != 0 {
		v.Set("offset", strconv.Itoa(q.Offset))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	var page Page
	return page, c.Call(ctx, http.MethodGet, "/v1/documents?"+v.Encode(), nil, &page)
}

// Get returns one document with its events.
func (c *Client) Get(ctx context.Context, id storage.ID) (office.Document, error) {
	var d office.Document
	return d, c.Call(ctx, http.MethodGet, "/v1/documents/"+id.String(), nil, &d)
}

// Accept takes an incoming document into the register.
func (c *Client) Accept(ctx context.Context, id storage.ID, by string) (office.Document, error) {
	var d office.Document
	return d, c.Call(ctx, http.MethodPost, "/v1/documents/"+id.String()+"/accept", Decision{By: by}, &d)
}

// AcceptKnowing is Accept by somebody who declares something about signatures
// that are not valid.
func (c *Client) AcceptKnowing(ctx context.Context, id storage.ID, by string, k office.Knowing) (office.Document, error) {
	var d office.Document
	body := Decision{By: by, Reason: k.Reason, SeenFailure: k.SeenFailure}
	return d, c.Call(ctx, http.MethodPost, "/v1/documents/"+id.String()+"/accept", body, &d)
}

// Checks is the history of verdicts on a document's attachments.
func (c *Client) Checks(ctx context.Context, id storage.ID) (Checks, error) {
	var all Checks
	return all, c.Call(ctx, http.MethodGet, "/v1/documents/"+id.String()+"/checks", nil, &all)
}

// Recheck has the attachments of an incoming document checked again.
func (c *Client) Recheck(ctx context.Context, id storage.ID, by string) (Checks, error) {
	var all Checks
	return all, c.Call(ctx, http.MethodPost, "/v1/documents/"+id.String()+"/checks", Decision{By: by}, &all)
}

// Return sends an incoming document back with a reason.
func (c *Client) Return(ctx context.Context, id storage.ID, reason, by string) (office.Document, error) {
	var d office.Document
	return d, c.Call(ctx, http.MethodPost, "/v1/documents/"+id.String()+"/return", Decision{Reason: reason, By: by}, &d)
}

// First has a waiting document sent before others, whatever the rules of the
// line say.
func (c *Client) First(ctx context.Context, id storage.ID) (office.Document, error) {
	var d office.Document
	return d, c.Call(ctx, http.MethodPost, "/v1/documents/"+id.String()+"/first", nil, &d)
}

// Arriving lists what the hub is handing over and is not here yet.
func (c *Client) Arriving(ctx context.Context) ([]Arriving, error) {
	var list []Arriving
	return list, c.Call(ctx, http.MethodGet, "/v1/arriving", nil, &list)
}

// Bring has something that arrives come before others, whatever the rules of the
// line say.
func (c *Client) Bring(ctx context.Context, id storage.ID) error {
	return c.Call(ctx, http.MethodPost, "/v1/arriving/"+id.String()+"/first", nil, &struct{}{})
}

// Attachment streams one attachment. The caller closes it.
func (c *Client) Attachment(ctx context.Context, id storage.ID, index int) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, fmt.Sprintf("/v1/documents/%s/attachments/%d", id, index), nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Container streams the document as an ASiC-E container. The caller closes it.
func (c *Client) Container(ctx context.Context, id storage.ID) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, "/v1/documents/"+id.String()+"/container", nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Send hands over a document. Each file is read once, in order, and none any
// more when Send has returned.
func (c *Client) Send(ctx context.Context, d DraftRequest, files []io.Reader) (office.Document, error) {
	return c.upload(ctx, "/v1/documents", d, d.Files, files)
}

// upload posts a description and the files that it names.
func (c *Client) upload(ctx context.Context, path string, what any, names []string, files []io.Reader) (office.Document, error) {
	var doc office.Document
	pr, pw := io.Pipe()
	form := multipart.NewWriter(pw)
	written := make(chan struct{})
	go func() {
		defer close(written)
		pw.CloseWithError(writeForm(form, what, names, files))
	}()
	resp, err := c.Do(ctx, http.MethodPost, path, pr, form.FormDataContentType())
	pr.Close()
	<-written
	if err != nil {
		return doc, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return doc, fmt.Errorf("decode answer: %w", err)
	}
	return doc, nil
}

func writeForm(form *multipart.Writer, what any, names []string, files []io.Reader) error {
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="draft"`}, "Content-Type": {"application/json"},
	})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(part).Encode(what); err != nil {
		return err
	}
	for i, f := range files {
		part, err := form.CreateFormFile("file", strconv.Itoa(i))
		if err != nil {
			return err
		}
		if _, err := io.Copy(part, f); err != nil {
			return fmt.Errorf("read file %q: %w", names[i], err)
		}
	}
	return form.Close()
}
