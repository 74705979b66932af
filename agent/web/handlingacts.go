package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tram/agent/clock"
	"tram/agent/handling"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
)

func (s *site) handlingRoutes() []route {
	act := func(who account.Right, name string, do handlingAct) route {
		return route{who: who, pattern: "POST /van-ban-den/{id}/" + name, do: s.handle1(name, do)}
	}
	return []route{
		act(account.Direct, "trinh", s.submitTo),
		act(account.Direct, "but-phe", s.instruct),
		act(account.Direct, "chuyen", s.handOver),
		act(account.Direct, "gia-han", s.extend),
		act(account.Direct, "thu-hoi-y-kien", s.withdrawInstruction),
		act(account.Direct, "mo-lai", s.reopen),
		act(account.Handle, "tien-do", s.progress),
		act(account.Handle, "xong", s.finish),
		act(account.Handle, "giao-tiep", s.handOn),
		{who: account.Handed, pattern: "GET /van-ban-den/{id}/phieu-giai-quyet", do: s.reading(office.In, s.handlingSlip)},
		{who: account.Handle, pattern: "GET /viec-cua-toi", do: s.mine},
		{who: account.Direct, pattern: "GET /giao-lai", do: s.standInForm},
		{who: account.Direct, pattern: "POST /giao-lai", do: s.standIn},
	}
}

// handlingAct is one act on a document. seen is the version of the page, part what
// the form is about, 0 for none.
type handlingAct func(ctx context.Context, v *visit, d office.Document, part int64, seen int) error

// handle1 does one act and leads back to the document; with a mistake the form
// comes back as it was filled in.
func (s *site) handle1(name string, do handlingAct) handler {
	return func(ctx context.Context, v *visit) error {
		d, err := s.document(ctx, v, office.In)
		if err != nil {
			return err
		}
		partText := v.r.PostFormValue("part")
		part, _ := strconv.ParseInt(partText, 10, 64) // 0 is no part
		seen, _ := strconv.Atoi(v.r.PostFormValue("seen"))
		if err = do(ctx, v, d, part, seen); err == nil {
			v.redirect(boxPath(d) + "#xu-ly")
			return nil
		}
		p := problem.From(problems(err)[0])
		if p.Class == problem.Failed {
			return fmt.Errorf("handle document: %w", err)
		}
		if p.Class == problem.Denied {
			return p
		}
		return s.handlingFailed(ctx, v, d, name, partText, err)
	}
}

// handlingFailed shows the document as it is now, the form open and filled in.
func (s *site) handlingFailed(ctx context.Context, v *visit, d office.Document, form, part string, err error) error {
	fresh, getErr := s.Office.Get(ctx, d.ID)
	if getErr != nil {
		return fmt.Errorf("get document: %w", getErr)
	}
	var errs []FieldError
	for _, p := range problems(err) {
		field := "xu-ly"
		if p.Class == problem.Usage && p.Field != "" {
			field = fieldOf(form, part, p.Field)
		}
		errs = append(errs, FieldError{field, v.whole(p)})
	}
	v.came, v.cameFor = form, part
	return s.showIncoming(ctx, v, fresh, errs, "", statusOf(problems(err)[0]))
}

// assignee reads a person who was chosen or a unit that was typed; the zero
// Assignee when neither was.
func (s *site) assignee(ctx context.Context, person, unit, field string) (handling.Assignee, error) {
	if person == "" {
		return handling.Assignee{Name: unit}, nil
	}
	people, err := s.people(ctx)
	if err != nil {
		return handling.Assignee{}, err
	}
	for _, u := range people {
		if u.Name == person {
			return handling.Assignee{Person: u.Name, Name: u.Display}, nil
		}
	}
	return handling.Assignee{}, problem.New(problem.Usage, "handling.unknown-person", field, i18n.Args{"name": person[:min(len(person), 32)]})
}

func (s *site) submitTo(ctx context.Context, v *visit, d office.Document, _ int64, seen int) error {
	leader, err := s.assignee(ctx, v.r.PostFormValue("leader"), "", "leader")
	if err != nil {
		return err
	}
	return s.Handling.Submit(ctx, d.ID, leader, v.actor(), seen)
}

func (s *site) instruct(ctx context.Context, v *visit, d office.Document, _ int64, seen int) error {
	f := v.r.PostFormValue
	lead, err := s.assignee(ctx, f("lead"), "", "lead")
	if err != nil {
		return err
	}
	in := handling.Instruction{Text: f("instruction"), Of: f("opinion_of"), Lead: append([]handling.Assignee{lead}, units(f("lead_unit"))...),
		Support: units(f("support_unit")), Inform: units(f("inform_unit")), Deadline: dateTyped(f("deadline")), HandOver: f("hand_over") != ""}
	if v.session.User.Role == account.Leader {
		in.Of = v.session.User.Display
	}
	people, err := s.people(ctx)
	if err != nil {
		return err
	}
	for _, u := range people {
		who := handling.Assignee{Person: u.Name, Name: u.Display}
		if f("support_"+u.Name) != "" {
			in.Support = append(in.Support, who)
		}
		if f("inform_"+u.Name) != "" {
			in.Inform = append(in.Inform, who)
		}
	}
	return s.Handling.Instruct(ctx, d.ID, in, v.actor(), seen)
}

// units are names of units, separated by commas, semicolons or lines.
func units(text string) (list []handling.Assignee) {
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",;\r\n", r) }) {
		list = append(list, handling.Assignee{Name: strings.TrimSpace(name)})
	}
	return list
}

func (s *site) handOver(ctx context.Context, v *visit, d office.Document, _ int64, seen int) error {
	return s.Handling.HandOver(ctx, d.ID, v.actor(), seen)
}

func (s *site) extend(ctx context.Context, v *visit, d office.Document, part int64, seen int) error {
	return s.Handling.Extend(ctx, d.ID, part, dateTyped(v.r.PostFormValue("deadline")), v.r.PostFormValue("reason"), v.actor(), seen)
}

func (s *site) withdrawInstruction(ctx context.Context, v *visit, d office.Document, _ int64, seen int) error {
	return s.Handling.Withdraw(ctx, d.ID, v.r.PostFormValue("reason"), v.actor(), seen)
}

func (s *site) reopen(ctx context.Context, v *visit, d office.Document, _ int64, seen int) error {
	return s.Handling.Reopen(ctx, d.ID, v.r.PostFormValue("reason"), v.actor(), seen)
}

func (s *site) progress(ctx context.Context, v *visit, d office.Document, part int64, _ int) error {
	return s.Handling.Progress(ctx, d.ID, part, v.r.PostFormValue("progress"), v.actor())
}

func (s *site) finish(ctx context.Context, v *visit, d office.Document, part int64, seen int) error {
	return s.Handling.Finish(ctx, d.ID, part, v.r.PostFormValue("result"), v.actor(), seen)
}

func (s *site) handOn(ctx context.Context, v *visit, d office.Document, part int64, seen int) error {
	to, err := s.assignee(ctx, v.r.PostFormValue("to"), v.r.PostFormValue("to_unit"), "to")
	if err != nil {
		return err
	}
	return s.Handling.HandOn(ctx, d.ID, part, to, v.r.PostFormValue("reason"), v.actor(), seen)
}

// handlingSlip is the phiếu giải quyết văn bản đến, as PDF.
func (s *site) handlingSlip(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	w, _, err := s.Handling.Of(ctx, d.ID)
	if err != nil {
		return fmt.Errorf("read handling: %w", err)
	}
	form := w.Slip(d)
	form.Office, form.Date = s.Config.Unit.Name, v.now.In(clock.Vietnam)
	pdf, err := form.PDF()
	if err != nil {
		return fmt.Errorf("make slip: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `inline; filename="phieu-giai-quyet.pdf"`)
	h.Set("Content-Length", strconv.Itoa(len(pdf)))
	h.Set("Cache-Control", "private, no-store")
	if _, err := v.w.Write(pdf); err != nil {
		s.Logger.Debug("send slip", "error", err)
	}
	return nil
}

// MineView is the list of what a person has, or had.
type MineView struct {
	Page
	Rows    []WorkRow
	Filters []Filter
	Pager   Pager
	Ended   bool
}

func (s *site) mine(ctx context.Context, v *visit) error {
	const path = "/viec-cua-toi"
	q := v.r.URL.Query()
	view := MineView{Page: s.page(ctx, v, v.t("web.mine.title"), ""), Ended: q.Get("loc") == "da-xong"}
	view.Filters = []Filter{{path, v.t("web.mine.open"), !view.Ended}, {path + "?loc=da-xong", v.t("web.mine.ended"), view.Ended}}
	number, err := strconv.Atoi(q.Get("trang"))
	if err != nil || number < 1 || number > 1_000_000 {
		number = 1
	}
	offset := (number - 1) * handling.MaxTodo
	items, total, err := s.Handling.Mine(ctx, v.session.User.Name, view.Ended, offset)
	if err != nil {
		return fmt.Errorf("list own work: %w", err)
	}
	view.Pager = v.numbered(number, offset, len(items), total)
	for _, i := range items {
		row := v.workWaiting(i)
		row.Role = v.t("web.handling.role." + string(i.Role))
		if view.Ended && row.Due.Text != "" {
			row.Due = Tag{v.t("web.handling.deadline", i18n.Args{"date": formatDocDate(i.Deadline)}), "grey"}
		}
		view.Rows = append(view.Rows, row)
	}
	view.Styles = s.some("handling.css")
	return s.render(v, "mine", view, http.StatusOK)
}

// numbered leads through a list whose pages have numbers in the address.
func (v *visit) numbered(number, offset, shown, total int) Pager {
	if shown == total {
		return Pager{}
	}
	at := func(n int) string {
		values := v.r.URL.Query()
		values.Set("trang", strconv.Itoa(n))
		return linkTo(v.r.URL.Path, values)
	}
	p := Pager{Text: v.t("web.pager", i18n.Args{"from": min(offset+1, total), "to": offset + shown, "total": total})}
	if number > 1 {
		p.Prev = at(number - 1)
	}
	if offset+shown < total {
		p.Next = at(number + 1)
	}
	return p
}

// StandInView gives all work of a person to another one.
type StandInView struct {
	Page
	From, To      []Option
	ToUnit        string
	Reason        string
	Done          string
	MaxText       int
	NobodyHasWork bool
}

func (s *site) standInForm(ctx context.Context, v *visit) error {
	view := StandInView{}
	if n := v.r.URL.Query().Get("xong"); n != "" {
		count, _ := strconv.Atoi(n)
		view.Done = v.t("web.standin.done", i18n.Args{"n": count})
	}
	return s.showStandIn(ctx, v, view, v.r.URL.Query().Get("cua"), "", nil, http.StatusOK)
}

func (s *site) showStandIn(ctx context.Context, v *visit, view StandInView, from, to string, errs []FieldError, status int) error {
	load, err := s.Handling.Load(ctx)
	if err != nil {
		return fmt.Errorf("count work: %w", err)
	}
	all, err := s.Accounts.Users(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, u := range all {
		if n := load[u.Name]; n > 0 {
			key := "web.standin.has"
			if u.Disabled {
				key = "web.standin.has-closed"
			}
			view.From = append(view.From, Option{u.Name, v.t(key, i18n.Args{"name": u.Display, "n": n}), u.Name == from})
		}
		if !u.Disabled && u.Role.May(account.Handle) {
			view.To = append(view.To, Option{u.Name, u.Display, u.Name == to})
		}
	}
	view.NobodyHasWork = len(view.From) == 0
	view.Page, view.MaxText = s.page(ctx, v, v.t("web.standin.title"), ""), handling.MaxText
	view.Path = "/giao-lai"
	view.setErrors(v, errs)
	return s.render(v, "standin", view, status)
}

func (s *site) standIn(ctx context.Context, v *visit) error {
	f := v.r.PostFormValue
	view := StandInView{ToUnit: f("to_unit"), Reason: f("reason")}
	all, err := s.Accounts.Users(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	n := 0
	if from := f("from"); !slices.ContainsFunc(all, func(u account.User) bool { return u.Name == from }) {
		err = problem.New(problem.Usage, "handling.unknown-person", "from", i18n.Args{"name": from[:min(len(from), 32)]})
	} else if to, toErr := s.assignee(ctx, f("to"), f("to_unit"), "to"); toErr != nil {
		err = toErr
	} else {
		n, err = s.Handling.ReassignAll(ctx, from, to, f("reason"), v.actor())
	}
	if err != nil {
		p := problems(err)[0]
		if p.Class == problem.Failed {
			return fmt.Errorf("reassign work: %w", err)
		}
		return s.showStandIn(ctx, v, view, f("from"), f("to"), v.fieldErrors(err), statusOf(p))
	}
	v.redirect("/giao-lai?xong=" + strconv.Itoa(n))
	return nil
}
