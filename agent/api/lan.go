package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"tram/agent/lan"
	"tram/agent/problem"
)

// PEM is the body of the calls about the pages' certificate.
type PEM struct {
	PEM string `json:"pem"`
}

func (s *server) lan() (LAN, error) {
	if _, err := s.documents(); err != nil {
		return nil, err
	}
	if k := s.o.LAN(); k != nil {
		return k, nil
	}
	return nil, problem.New(problem.Conflict, "lan.none", "ui.address", nil)
}

func (s *server) lanRequest(http.ResponseWriter, *http.Request) (any, error) {
	k, err := s.lan()
	if err != nil {
		return nil, err
	}
	request, err := k.Request()
	return PEM{string(request)}, err
}

func (s *server) lanRoot(http.ResponseWriter, *http.Request) (any, error) {
	k, err := s.lan()
	if err != nil {
		return nil, err
	}
	root, err := k.Root()
	return PEM{string(root)}, err
}

func (s *server) lanInstall(_ http.ResponseWriter, r *http.Request) (any, error) {
	k, err := s.lan()
	if err != nil {
		return nil, err
	}
	chain, err := io.ReadAll(io.LimitReader(r.Body, maxJSON))
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	if err := k.Install(chain); err != nil {
		return nil, err
	}
	return k.State(), nil
}

// LANRequest makes a request for a certificate of the pages, as PEM.
func (c *Client) LANRequest(ctx context.Context) ([]byte, error) {
	var p PEM
	err := c.Call(ctx, http.MethodPost, "/v1/lan/request", nil, &p)
	return []byte(p.PEM), err
}

// LANRoot is the root that PCs are to trust, as PEM.
func (c *Client) LANRoot(ctx context.Context) ([]byte, error) {
	var p PEM
	err := c.Call(ctx, http.MethodGet, "/v1/lan/root", nil, &p)
	return []byte(p.PEM), err
}

// LANInstall takes a certificate of the pages into use. chain is PEM, the box's
// own certificate first.
func (c *Client) LANInstall(ctx context.Context, chain []byte) (lan.State, error) {
	var s lan.State
	resp, err := c.Do(ctx, http.MethodPut, "/v1/lan/certificate", bytes.NewReader(chain), "application/x-pem-file")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
