package web

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/workdays"
)

// dossierAct is one act on a dossier: who may do it, its form, and what it does.
type dossierAct struct {
	name   string       // in the address
	kind   dossier.Kind // what happens by it; "" for what is only prepared
	who    account.Right
	when   func(d dossier.Dossier) bool // it is offered; nil for whenever it may happen
	warn   bool                         // cannot be taken back
	files  bool
	fields []actField
	do     func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error)
}

// actField is a field of a form. Its name is that in the problems of [dossier.Store].
type actField struct {
	name, kind string
	begin      func(v *visit, s *site, d dossier.Dossier) string // what it begins with
}

// Kinds of fields.
const (
	asLine   = "line"
	asText   = "text"
	asDay    = "day"
	asPapers = "papers"
	asFee    = "fee"
	asPerson = "person"
	asTick   = "tick"
	asFiles  = "files"
	asTask   = "task"
	asTo     = "to"   // offices
	asHand   = "hand" // a hand-over that is under way
)

// actInput is a form as it came.
type actInput struct {
	*upload
	seen int
}

// apologise is where, behind the address of a dossier, the form for a new date is, and
// prepareApology the one for the desk's draft of it.
const (
	apologise      = "?xin-loi=1#gia-han"
	prepareApology = "?xin-loi=1#" + apologyPrepare
	// The acts on the draft of an apology.
	apologyPrepare, apologyBack = "soan-xin-loi", "tra-phieu"
)

// dossierActs are all acts, in the order of a dossier's life.
var dossierActs = []dossierAct{
	{name: "chap-nhan", kind: dossier.Accepted, who: account.DossierDesk, fields: []actField{{"copies", asPapers, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			copies, err := v.actCopies(d, in)
			if err != nil {
				return d, err
			}
			return s.Dossiers.Accept(ctx, d.ID, copies, v.dossierActor(), in.seen)
		}},
	{name: "tu-choi", kind: dossier.Refused, who: account.DossierDesk, warn: true, fields: []actField{{"text", asText, nil}, {"legal", asLine, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Refuse(ctx, d.ID, in.field("text"), in.field("legal"), v.dossierActor(), in.seen)
		}},
	{name: "bat-dau", kind: dossier.Started, who: account.DossierWork, fields: []actField{{"handler", asPerson, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Start(ctx, d.ID, in.field("handler"), v.dossierActor(), in.seen)
		}},
	{name: "bo-sung", kind: dossier.Supplemented, who: account.DossierDesk, files: true, fields: []actField{{"copies", asPapers, nil}, {"note", asLine, nil}, {"files", asFiles, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			copies, err := v.actCopies(d, in)
			if err != nil {
				return d, err
			}
			return s.Dossiers.Supplement(ctx, d.ID, copies, dossierUploads(in.upload, len(d.Papers)), in.field("note"), v.dossierActor(), in.seen)
		}},
	{name: "nop-phi", kind: dossier.Paid, who: account.DossierDesk, fields: []actField{{"fee", asFee, nil}, {"receipt", asLine, nil}, {"online", asTick, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			fee, err := strconv.Atoi(in.field("fee"))
			if err != nil {
				fee = -1 // refused
			}
			return s.Dossiers.Pay(ctx, d.ID, dossier.Payment{Fee: fee, Receipt: in.field("receipt"), Online: in.field("online") != ""}, v.dossierActor(), in.seen)
		}},
	{name: "co-ket-qua", kind: dossier.Finished, who: account.DossierWork, files: true,
		fields: []actField{{"result", asLine, firstResult}, {"number", asLine, nil}, {"date", asDay, today}, {"text", asText, nil}, {"files", asFiles, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			r := dossier.Result{Name: in.field("result"), Number: in.field("number"), Date: dateTyped(in.field("date")), Text: in.field("text")}
			return s.Dossiers.Finish(ctx, d.ID, r, dossierUploads(in.upload, 0), v.dossierActor(), in.seen)
		}},
	{name: "tra-ket-qua", kind: dossier.Returned, who: account.DossierDesk, fields: []actField{{"text", asLine, applicantName}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Return(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: "yeu-cau-bo-sung", kind: dossier.SupplementAsked, who: account.DossierWork, fields: []actField{{"text", asText, missingPapers}, {"legal", asLine, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.AskSupplement(ctx, d.ID, in.field("text"), in.field("legal"), v.dossierActor(), in.seen)
		}},
	{name: "yeu-cau-nop", kind: dossier.PaymentAsked, who: account.DossierWork, fields: []actField{{"text", asText, unpaidFees}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.AskPayment(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: "gia-han", kind: dossier.Extended, who: account.DossierDecide, fields: []actField{{"day", asDay, newDay}, {"reason", asText, apology}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Extend(ctx, d.ID, dateTyped(in.field("day")), in.field("reason"), v.dossierActor(), in.seen)
		}},
	{name: apologyBack, who: account.DossierDecide, warn: true, when: func(d dossier.Dossier) bool { return d.Apology.Draft() == dossier.DraftWaiting }, fields: []actField{{"text", asText, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.SendApologyBack(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: apologyPrepare, who: account.DossierDesk, when: func(d dossier.Dossier) bool { return d.Allows(dossier.Extended) == nil }, fields: []actField{{"day", asDay, newDay}, {"reason", asText, apology}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.PrepareApology(ctx, d.ID, dateTyped(in.field("day")), in.field("reason"), v.dossierActor(), in.seen)
		}},
	{name: "chuyen", kind: dossier.HandedOn, who: account.DossierWork, fields: []actField{{"to", asTo, nil}, {"task", asTask, nil}, {"note", asText, nil}, {"deadline", asDay, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			hands, err := s.hands(ctx, in)
			if err != nil {
				return d, err
			}
			return s.Dossiers.HandOn(ctx, d.ID, hands, v.dossierActor(), in.seen)
		}},
	{name: "goi-lai", kind: dossier.HandEnded, who: account.DossierWork, warn: true, fields: []actField{{"hand", asHand, nil}, {"text", asText, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			transfer, err := uuid.Parse(in.field("hand"))
			if err != nil {
				return d, problem.New(problem.Usage, "dossier.no-hand", "hand", nil)
			}
			return s.Dossiers.CallBack(ctx, d.ID, transfer, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: "ghi-chu", kind: dossier.Noted, who: account.DossierWork, fields: []actField{{"text", asText, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Note(ctx, d.ID, in.field("text"), v.dossierActor())
		}},
	{name: "xin-rut", kind: dossier.WithdrawalAsked, who: account.DossierDesk, fields: []actField{{"text", asText, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.AskWithdrawal(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: "cho-rut", kind: dossier.Withdrawn, who: account.DossierDesk, warn: true, fields: []actField{{"text", asLine, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Withdraw(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: "khong-cho-rut", kind: dossier.WithdrawalDenied, who: account.DossierDesk, fields: []actField{{"text", asText, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.DenyWithdrawal(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
	{name: "dung", kind: dossier.Stopped, who: account.DossierDecide, warn: true, fields: []actField{{"text", asText, nil}, {"legal", asLine, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Stop(ctx, d.ID, in.field("text"), in.field("legal"), v.dossierActor(), in.seen)
		}},
	{name: "mo-lai", kind: dossier.Reopened, who: account.DossierDecide, fields: []actField{{"text", asText, nil}},
		do: func(ctx context.Context, s *site, v *visit, d dossier.Dossier, in actInput) (dossier.Dossier, error) {
			return s.Dossiers.Reopen(ctx, d.ID, in.field("text"), v.dossierActor(), in.seen)
		}},
}

// dossierAct does an act and leads back to the dossier; with a mistake the form comes
// back as it was filled in.
func (s *site) dossierAct(a dossierAct) handler {
	return func(ctx context.Context, v *visit) error {
		in := actInput{upload: &upload{}}
		var failed error
		if a.files {
			in.upload, failed = s.receiveWithin(v, min(s.Config.MaxFile, dossier.MaxFile), s.Config.MaxUpload)
			defer in.remove(s.Logger)
			if failed != nil {
				v.w.Header().Set("Connection", "close") // the rest of the body is not read
			}
		} else {
			in.fields = v.r.PostForm
		}
		d, err := s.dossier(ctx, v)
		if err != nil {
			return err
		}
		if !a.mayActOn(d) {
			return problem.New(problem.Conflict, "web.dossier.owners", "", i18n.Args{"owner": d.OwnerName})
		}
		in.seen, _ = strconv.Atoi(in.field("seen"))
		if failed == nil {
			_, failed = a.do(ctx, s, v, d, in)
		}
		if failed == nil {
			v.redirect(dossierPath(d.ID) + "?xong=" + a.name)
			return nil
		}
		switch p := problem.From(problems(failed)[0]); p.Class {
		case problem.Failed:
			return fmt.Errorf("act on dossier: %w", failed)
		case problem.Denied:
			return p
		}
		if d, err = s.dossier(ctx, v); err != nil {
			return err
		}
		var errs []FieldError
		for _, p := range problems(failed) {
			errs = append(errs, FieldError{a.fieldID(p.Field), v.whole(p)})
		}
		return s.showDossier(ctx, v, d, came{a.name, in.upload}, errs, statusOf(problems(failed)[0]))
	}
}

// fieldID is the id of the input for the field of a problem; the form itself when it
// has none.
func (a dossierAct) fieldID(field string) string {
	name, index, _ := strings.Cut(strings.TrimSuffix(field, "]"), "[")
	if field == "paid" {
		name = "fee"
	}
	if !slices.ContainsFunc(a.fields, func(f actField) bool { return f.name == name }) {
		return a.name
	}
	if name == "to" {
		return name // as the script that finds offices has it
	}
	if name == "copies" {
		name += "-" + max(index, "0")
	}
	return a.name + "-" + name
}

// hands reads to which offices a dossier goes.
func (s *site) hands(ctx context.Context, in actInput) (hands []dossier.Hand, err error) {
	var list problem.List
	for _, c := range splitCodes(in.field("to")) {
		p, err := s.Directory.Lookup(ctx, c)
		if err != nil {
			list = append(list, problem.New(problem.Usage, "web.dossier.unknown-office", "to", i18n.Args{"code": c}))
			continue
		}
		hands = append(hands, dossier.Hand{To: p.Code, Name: partyName(p), Task: dossier.Task(in.field("task")), Note: in.field("note"), Deadline: dateTyped(in.field("deadline"))})
	}
	return hands, list.Err()
}

// mayActOn tells whether an act is this office's to do: the owner of a dossier keeps
// its clock and speaks with the applicant.
func (a dossierAct) mayActOn(d dossier.Dossier) bool {
	if !d.Guest {
		return true
	}
	switch a.kind {
	case "", dossier.Supplemented, dossier.Paid, dossier.Returned, dossier.Extended, dossier.WithdrawalAsked, dossier.Withdrawn, dossier.WithdrawalDenied:
		return false
	}
	return true
}

// actCopies reads the checklist of papers.
func (v *visit) actCopies(d dossier.Dossier, in actInput) ([]int, error) {
	copies, wrong := v.copies(len(d.Papers), in.upload, nil)
	var list problem.List
	for _, w := range wrong {
		field := "copies[" + strings.TrimPrefix(w.Field, "copies-") + "]"
		at, _ := strconv.Atoi(strings.TrimPrefix(w.Field, "copies-"))
		list = append(list, problem.New(problem.Usage, "dossier.copies", field, i18n.Args{"name": d.Papers[at].Paper.Name, "limit": dossier.MaxCopies}))
	}
	return copies, list.Err()
}

// Beginnings of fields. What applicants are told is Vietnamese.

func firstResult(_ *visit, _ *site, d dossier.Dossier) string {
	if len(d.Procedure.Results) == 0 {
		return ""
	}
	return d.Procedure.Results[0]
}

func today(v *visit, _ *site, _ dossier.Dossier) string { return formatDay(v.now) }

func applicantName(_ *visit, _ *site, d dossier.Dossier) string { return d.Applicant.Name }

func missingPapers(_ *visit, _ *site, d dossier.Dossier) string {
	var lines []string
	for _, h := range d.Papers {
		if h.Paper.Required && h.Copies == 0 {
			lines = append(lines, missingLine(h.Paper))
		}
	}
	return strings.Join(lines, "\n")
}

func unpaidFees(_ *visit, _ *site, d dossier.Dossier) string {
	var lines []string
	for _, c := range d.Charges {
		if c.Paid.IsZero() && c.Fee.Amount > 0 {
			lines = append(lines, joinDots(c.Fee.Name, formatMoney(c.Fee.Amount)))
		}
	}
	return strings.Join(lines, "\n")
}

// extendDays is how many working days an apology offers.
const extendDays = 2

// newDay is the day that an apology offers, for a leader to change; the one that the
// desk prepared when there is one.
func newDay(v *visit, s *site, d dossier.Dossier) string {
	if d.Apology != nil {
		return formatDocDate(d.Apology.Day)
	}
	from := v.now
	if d.Due.After(from) {
		from = d.Due
	}
	due, err := workdays.Due(s.Dossiers.Calendar(), workdays.Rule{Unit: workdays.WorkingDays, N: extendDays}, from)
	if err != nil {
		return ""
	}
	return formatDay(due.At)
}

func apology(_ *visit, _ *site, d dossier.Dossier) string {
	if d.Apology != nil {
		return d.Apology.Reason
	}
	return i18n.T(i18n.Vietnamese, "web.dossier.apology-text", i18n.Args{"procedure": d.Procedure.Name, "due": formatFull(d.Due)})
}
