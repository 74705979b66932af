package web

import (
	"context"
	"net/url"
	"strconv"

	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
)

// carrierField names the document that carries the dossier which is taken in.
const carrierField = "van-ban"

// CarriedView is the one-stop dossier that a document carries.
type CarriedView struct {
	Text   string
	Href   string // of the dossier, or of the form that takes it in
	Button string // "" where the address is that of a dossier that is here
}

// carried is what the page of an incoming document says of the dossier that it carries;
// nil for none, and for people who have nothing to do with dossiers.
func (s *site) carried(ctx context.Context, v *visit, d office.Document) (*CarriedView, error) {
	if d.Dossier.IsZero() || !v.may(account.Dossiers) || s.Dossiers == nil {
		return nil, nil
	}
	args := i18n.Args{"code": d.Dossier}
	found, ok, err := s.Dossiers.CarriedBy(ctx, d.ID)
	switch {
	case err != nil:
		return nil, err
	case ok:
		return &CarriedView{Text: v.t("web.carried.here", args), Href: dossierPath(found.ID)}, nil
	case d.State == office.Accepted && v.may(account.DossierWork):
		return &CarriedView{Text: v.t("web.carried.new", args), Href: receptionPath + "?" + carrierField + "=" + d.ID.String(), Button: v.t("web.carried.take")}, nil
	case d.State == office.Arrived:
		return &CarriedView{Text: v.t("web.carried.first", args)}, nil
	}
	return &CarriedView{Text: v.t("web.carried.new", args)}, nil
}

// carrier reads the accepted document whose dossier is taken in; ok is false when the
// address or the form names none.
func (s *site) carrier(ctx context.Context, v *visit, id string) (d office.Document, ok bool, err error) {
	if id == "" {
		return d, false, nil
	}
	d, err = s.named(ctx, office.In, id)
	return d, err == nil, err
}

// chooseCarried goes to the form of the procedure that the message names, when there is
// one. query is what addresses of the form have to say.
func (s *site) chooseCarried(ctx context.Context, v *visit) (query string, gone bool, err error) {
	d, ok, err := s.carrier(ctx, v, v.r.URL.Query().Get(carrierField))
	if err != nil || !ok {
		return "", false, err
	}
	query = "?" + carrierField + "=" + d.ID.String()
	f, err := s.Dossiers.CarriedFiling(ctx, d)
	if err != nil {
		return "", false, err
	}
	if _, err := s.Dossiers.InForce(ctx, f.Procedure, v.now); err == nil && v.r.URL.Query().Get("q") == "" {
		v.redirect(receptionPath + "/" + f.Procedure.String() + query)
		return query, true, nil
	}
	return query, false, nil
}

// carriedFields fills the form in with what the message says.
func (s *site) carriedFields(ctx context.Context, v *visit, fields url.Values) error {
	d, ok, err := s.carrier(ctx, v, v.r.URL.Query().Get(carrierField))
	if err != nil || !ok {
		return err
	}
	f, err := s.Dossiers.CarriedFiling(ctx, d)
	if err != nil {
		return err
	}
	a := f.Applicant
	for name, value := range map[string]string{
		carrierField: d.ID.String(), "kind": strconv.Itoa(int(a.Kind)), "name": a.Name, "number": a.Number, "address": a.Address, "phone": a.Phone, "email": a.Email, "agent": a.Agent,
		"subject": f.Subject, "channel": strconv.Itoa(int(f.Channel)),
	} {
		fields.Set(name, value)
	}
	return nil
}

// CarrierView says of the form which document's dossier it takes in.
type CarrierView struct{ ID, Text, Href, Title string }

func (s *site) carrierView(ctx context.Context, v *visit, id string) (*CarrierView, error) {
	d, ok, err := s.carrier(ctx, v, id)
	if err != nil || !ok {
		return nil, err
	}
	return &CarrierView{id, v.t("web.carried.form", i18n.Args{"code": d.Dossier, "office": d.From.Name, "files": len(d.Attachments)}), boxPath(d), d.Subject}, nil
}

// takeCarried takes in the dossier of a document.
func (s *site) takeCarried(ctx context.Context, v *visit, id string, f dossier.Filing) (dossier.Dossier, error) {
	d, _, err := s.carrier(ctx, v, id)
	if err != nil {
		return dossier.Dossier{}, err
	}
	return s.Dossiers.TakeCarried(ctx, d.ID, f, v.dossierActor())
}
