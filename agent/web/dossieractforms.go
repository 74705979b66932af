package web

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/web/account"
)

// nextAct is the act that a status waits for: its form is open.
var nextAct = map[code.Status]dossier.Kind{
	code.Registered: dossier.Accepted, code.Received: dossier.Started, code.Processing: dossier.Finished, code.Supplement: dossier.Supplemented,
	code.Payment: dossier.Paid, code.WithdrawalWish: dossier.Withdrawn, code.Done: dossier.Returned,
}

// actViews are the forms of what the visitor may do now.
func (s *site) actViews(ctx context.Context, v *visit, d dossier.Dossier, view DossierView, form came) (list []ActView, err error) {
	kinds := dossier.Kinds(d.Status, v.dossierRoles())
	wanted := nextAct[d.Status]
	open := form.form
	switch asked := v.r.URL.Query().Get("xin-loi") != ""; {
	case form.form != "":
		wanted = ""
	case v.may(account.DossierDecide) && (asked || d.Apology.Draft() == dossier.DraftWaiting):
		wanted = dossier.Extended
	case asked:
		wanted, open = "", apologyPrepare
	}
	for _, a := range dossierActs {
		kind := a.kind
		if kind == dossier.Paid && d.Status != code.Payment {
			kind = dossier.FeePaid
		}
		if a.name != form.form && !(v.may(a.who) && (kind == "" || slices.Contains(kinds, kind)) && s.offered(d, a, kind)) {
			continue
		}
		act := ActView{Page: view.Page, ID: a.name, Action: view.Base + "/" + a.name, Title: v.t("web.dossier.act." + a.name),
			Go: v.t("web.dossier.go." + a.name), Seen: d.Version, Open: a.kind != "" && a.kind == wanted || a.name == open || a.name == apologyBack && form.form == "", Warn: a.warn, HasFiles: a.files, MaxSize: view.MaxSize, MaxBytes: view.MaxBytes}
		key := "web.dossier.hint." + a.name
		if a.kind == dossier.Supplemented && d.Accepted.IsZero() {
			key += "-moi"
		}
		if i18n.Has(key) {
			act.Hint = v.t(key)
		}
		if a.kind == dossier.Extended && d.Apology.Draft() == dossier.DraftWaiting {
			act.Title, act.Go = v.t("web.dossier.apology-confirm"), v.t("web.dossier.apology-go")
		}
		for _, f := range a.fields {
			field, err := s.actField(ctx, v, d, view, a, f, form)
			if err != nil {
				return nil, err
			}
			act.Fields = append(act.Fields, field)
		}
		list = append(list, act)
	}
	// What is waited for comes first.
	slices.SortStableFunc(list, func(x, y ActView) int {
		switch {
		case x.Open == y.Open:
			return 0
		case x.Open:
			return -1
		}
		return 1
	})
	return list, nil
}

// offered tells whether an act is one for this dossier now.
func (s *site) offered(d dossier.Dossier, a dossierAct, kind dossier.Kind) bool {
	switch {
	case !a.mayActOn(d):
		return false
	case a.when != nil:
		return a.when(d)
	case d.Allows(kind) != nil:
		return false
	case kind == dossier.FeePaid:
		return d.Status != code.Refused && slices.ContainsFunc(d.Charges, unpaid)
	case kind == dossier.HandEnded:
		return slices.ContainsFunc(d.Transfers, runs)
	}
	return true
}

// runs tells whether a hand-over to another office is under way.
func runs(t dossier.Transfer) bool {
	return !t.Incoming && (t.State == dossier.Sending || t.State == dossier.Delivered || t.State == dossier.Taken)
}

func unpaid(c dossier.Charge) bool { return c.Paid.IsZero() }

// actField fills in one field: with what was typed, or with what it begins with.
func (s *site) actField(ctx context.Context, v *visit, d dossier.Dossier, view DossierView, a dossierAct, f actField, form came) (ActField, error) {
	field := ActField{Page: view.Page, ID: a.name + "-" + f.name, Name: f.name, Kind: f.kind, Label: v.t("web.dossier.label." + a.name + "." + f.name), Max: dossier.MaxName}
	field.Error = view.ErrorOf(a.fieldID(f.name))
	if f.kind == asText {
		field.Max = dossier.MaxText
	}
	typed := form.form == a.name
	switch {
	case typed:
		field.Value = form.typed.fields.Get(f.name)
	case f.begin != nil:
		field.Value = f.begin(v, s, d)
	}
	err := s.fieldChoices(ctx, v, d, f, form, typed, &field)
	return field, err
}

// fieldChoices fills in what can be chosen.
func (s *site) fieldChoices(ctx context.Context, v *visit, d dossier.Dossier, f actField, form came, typed bool, field *ActField) error {
	switch f.kind {
	case asPapers:
		for i, h := range d.Papers {
			p := PaperField{Index: i, Number: i + 1, Name: h.Paper.Name, Kind: v.t("web.dossier.paper." + string(h.Paper.Kind)), Required: h.Paper.Required, Has: h.Copies > 0, Copies: strconv.Itoa(max(h.Copies, h.Paper.Copies, 1))}
			if typed {
				p.Has, p.Copies = form.typed.field(fmt.Sprintf("giay-%d", i)) != "", form.typed.field(fmt.Sprintf("so-%d", i))
			}
			field.Papers = append(field.Papers, p)
		}
	case asFee:
		for i, c := range d.Charges {
			if unpaid(c) || typed && field.Value == strconv.Itoa(i) {
				field.Options = append(field.Options, Option{strconv.Itoa(i), joinDots(c.Fee.Name, formatMoney(c.Fee.Amount)), field.Value == strconv.Itoa(i)})
			}
		}
	case asTask:
		for _, t := range []dossier.Task{dossier.Decide, dossier.Consult, dossier.Coordinate} {
			field.Options = append(field.Options, Option{string(t), v.t("web.dossier.task." + string(t)), string(t) == field.Value})
		}
	case asHand:
		for _, t := range d.Transfers {
			if runs(t) {
				field.Options = append(field.Options, Option{t.ID.String(), joinDots(t.ToName, v.t("web.dossier.task."+string(t.Task))), t.ID.String() == field.Value})
			}
		}
	case asTo:
		for _, c := range splitCodes(field.Value) {
			if p, err := s.Directory.Lookup(ctx, c); err == nil {
				field.Offices = append(field.Offices, p)
			}
		}
	case asPerson:
		people, err := s.people(ctx)
		if err != nil {
			return err
		}
		chosen := field.Value
		if !typed {
			chosen = v.session.User.Display
		}
		for _, u := range people {
			if u.Role.May(account.DossierWork) {
				field.Options = append(field.Options, Option{u.Display, u.Display, u.Display == chosen})
			}
		}
	}
	return nil
}
