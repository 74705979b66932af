package stick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"tram/agent/api"
	"tram/storage"
	"tram/sync/usb"
)

// Client is the usb.Station of a running office or hub, reached through its
// local socket.
type Client struct{ *api.Caller }

var _ usb.Station = Client{}

func (c Client) call(ctx context.Context, method, path string, in, out any) error {
	return heard(c.Call(ctx, method, path, in, out))
}

// Outgoing implements usb.Station.
func (c Client) Outgoing(ctx context.Context, to string) (usb.Waiting, error) {
	var w usb.Waiting
	return w, c.call(ctx, http.MethodGet, "/v1/usb/outgoing?to="+url.QueryEscape(to), nil, &w)
}

func objectPath(id storage.ID, object int, off int64) string {
	return fmt.Sprintf("/v1/usb/objects/%s/%d?offset=%d", id, object, off)
}

// Read implements usb.Station.
func (c Client) Read(ctx context.Context, id storage.ID, object int, off int64) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, http.MethodGet, objectPath(id, object, off), nil, "")
	if err != nil {
		return nil, heard(err)
	}
	return resp.Body, nil
}

// Sign implements usb.Station.
func (c Client) Sign(ctx context.Context, to string, letters usb.File, objects []usb.File) ([]byte, error) {
	var a signAnswer
	err := c.call(ctx, http.MethodPost, "/v1/usb/sign", signRequest{to, letters, objects}, &a)
	return a.Manifest, err
}

// Check implements usb.Station.
func (c Client) Check(ctx context.Context, p usb.Package) (usb.Checked, error) {
	var checked usb.Checked
	return checked, c.call(ctx, http.MethodPost, "/v1/usb/check", p, &checked)
}

// Offer implements usb.Station.
func (c Client) Offer(ctx context.Context, peer string, l usb.Letter) (usb.Answer, error) {
	var a usb.Answer
	return a, c.call(ctx, http.MethodPost, "/v1/usb/offer", offerRequest{peer, l}, &a)
}

// Write implements usb.Station.
func (c Client) Write(ctx context.Context, id storage.ID, object int, off int64, r io.Reader) (int64, error) {
	source := &storage.Source{R: r}
	resp, err := c.Do(ctx, http.MethodPut, objectPath(id, object, off), source, "application/octet-stream")
	if err != nil {
		return 0, errors.Join(source.Err, heard(err))
	}
	defer resp.Body.Close()
	var a writeAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return 0, fmt.Errorf("decode answer: %w", err)
	}
	return a.Durable, nil
}

// Finish implements usb.Station.
func (c Client) Finish(ctx context.Context, p usb.Package, whole bool) error {
	return c.call(ctx, http.MethodPost, "/v1/usb/finish", finishRequest{p, whole}, &struct{}{})
}
