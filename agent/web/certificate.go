package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"tram/agent/lan"
	"tram/agent/problem"
)

// Certificate is the pages' own; *lan.Keeper implements it.
type Certificate interface {
	State() lan.State
	// Root is the root that PCs are to trust, PEM. Problem lan.no-root when there
	// is none.
	Root() ([]byte, error)
}

// CertificateView shows the IT officer under which certificate the pages are
// reached, and offers the root for PCs.
type CertificateView struct {
	Page
	Facts []Fact
	Root  []Fact // empty when there is none to offer
}

func (s *site) certificate(ctx context.Context, v *visit) error {
	if s.Certificate == nil {
		return problem.New(problem.NotFound, "lan.none", "", nil)
	}
	state := s.Certificate.State()
	view := CertificateView{Page: s.adminPage(ctx, v, v.t("web.certificate.title"), "/chung-thu"), Facts: []Fact{
		{v.t("tram.lan.source"), v.t("tram.lan.source." + string(state.Source))}, {v.t("tram.lan.fingerprint"), state.Fingerprint},
		{v.t("tram.lan.names"), strings.Join(state.Names, " ")}, {v.t("tram.lan.issuer"), state.Issuer},
		{v.t("tram.lan.until"), formatDay(state.Until)},
	}}
	if len(state.Uncovered) > 0 {
		view.Facts = append(view.Facts, Fact{v.t("tram.lan.uncovered"), strings.Join(state.Uncovered, " ")})
	}
	if state.Root != "" {
		view.Root = []Fact{{v.t("tram.lan.root"), state.Root}}
	}
	view.Path = "/chung-thu"
	return s.render(v, "certificate", view, http.StatusOK)
}

// certificateRoot is for browsers and systems that install a root by its media
// type. They all read PEM.
func (s *site) certificateRoot(_ context.Context, v *visit) error {
	if s.Certificate == nil {
		return problem.New(problem.NotFound, "lan.none", "", nil)
	}
	root, err := s.Certificate.Root()
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/x-x509-ca-cert")
	h.Set("Content-Disposition", `attachment; filename="tram-goc.crt"`)
	h.Set("Cache-Control", "private, no-store")
	if _, err := v.w.Write(root); err != nil {
		return fmt.Errorf("send root: %w", err)
	}
	return nil
}
