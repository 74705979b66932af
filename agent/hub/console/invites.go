package console

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

const (
	// invitesShown is how many invites a page lists.
	invitesShown = 100
	// maxDays bounds how long an invite is valid.
	maxDays = int(ca.MaxInviteLife / (24 * time.Hour))
	// maxUpload bounds a form with a list of offices, bytes.
	maxUpload = ca.MaxCSV + 64<<10
)

// inviteStates are the states of invites in the order of their filters.
var inviteStates = []ca.InviteState{ca.InviteOpen, ca.InviteUsed, ca.InviteExpired, ca.InviteRevoked}

var inviteTones = map[ca.InviteState]string{ca.InviteOpen: "blue", ca.InviteUsed: "green", ca.InviteExpired: "grey", ca.InviteRevoked: "grey"}

func batchHref(batch string) string {
	return invitesPath + "/dot?" + url.Values{"ten": {batch}}.Encode()
}

// invites lists batches, and what state filter and text leave of their invites.
func (s *site) invites(ctx context.Context, v *page.Visit) error {
	all, err := s.Invites.Invites(ctx)
	if err != nil {
		return fmt.Errorf("list invites: %w", err)
	}
	q := v.R.URL.Query()
	state, text, from := ca.InviteState(q.Get("trang-thai")), strings.TrimSpace(q.Get("tu")), at(q.Get("tu-dong"))
	found := slices.DeleteFunc(slices.Clone(all), func(i ca.InviteInfo) bool {
		return state != "" && i.State != state || text != "" && !matches(text, i.Code, i.Name, i.Batch, i.Short)
	})
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.invites.title"), invitesPath), Heading: v.T("console.invites.title")}
	filter := page.Section{Forms: []page.Form{{Action: invitesPath, Get: true, Inputs: s.say(v).inviteFilter(state, text), Buttons: []page.Button{{Text: v.T("web.lists.go")}}}}}
	if v.May(account.Invite) {
		filter.Forms[0].Links = []page.Option{{Value: invitesPath + "/them", Text: v.T("console.invites.new")}}
	}
	from = min(from, len(found))
	until := min(from+invitesShown, len(found))
	view.Sections = []page.Section{filter, {Grid: s.say(v).inviteGrid(found[from:until], true)}}
	view.Pager = s.say(v).pager(from, until, len(found), func(n int) string {
		return linkTo(invitesPath, url.Values{"trang-thai": {string(state)}, "tu": {text}, "tu-dong": {strconv.Itoa(n)}})
	})
	return s.show(v, view)
}

func (w words) inviteFilter(state ca.InviteState, text string) []page.Input {
	options := []page.Option{{Text: w.T("console.filter.any")}}
	for _, one := range inviteStates {
		options = append(options, page.Option{Value: string(one), Text: w.T("console.invite.state." + string(one)), Chosen: one == state})
	}
	return []page.Input{
		{ID: "tu", Name: "tu", Kind: "text", Label: w.T("console.invites.text"), Value: text},
		{ID: "trang-thai", Name: "trang-thai", Kind: "select", Label: w.T("console.col.state"), Options: options},
	}
}

// at is a place in a list as an address has it.
func at(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// pager leads from the rows from to until of a list of all rows.
func (w words) pager(from, until, all int, href func(int) string) page.Pager {
	if all == 0 {
		return page.Pager{}
	}
	p := page.Pager{Text: w.T("console.pager", i18n.Args{"from": from + 1, "to": until, "n": all})}
	if from > 0 {
		p.Prev = href(max(from-invitesShown, 0))
	}
	if until < all {
		p.Next = href(until)
	}
	return p
}

func (w words) inviteGrid(list []ca.InviteInfo, batches bool) page.Grid {
	g := page.Grid{Caption: w.T("console.invites.title"), Empty: w.T("console.invites.none"),
		Head: []string{w.T("console.col.name"), w.T("console.col.state"), w.T("console.invites.short"), w.T("console.invites.until")}}
	if batches {
		g.Head = append(g.Head, w.T("console.invites.batch"))
	}
	for _, i := range list {
		until := page.Day(i.NotAfter)
		if i.State == ca.InviteUsed {
			until = w.T("console.invites.used", i18n.Args{"time": page.Full(i.Redeemed)})
		}
		row := []page.Cell{{Text: i.Name, Note: i.Code}, {Tag: page.Tag{Text: w.T("console.invite.state." + string(i.State)), Tone: inviteTones[i.State]}},
			{Text: i.Short, Whole: true}, {Text: until, Whole: true}}
		if batches {
			row = append(row, page.Cell{Text: i.Batch, Href: batchHref(i.Batch)})
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// batch shows the invites of a batch with what can be done with them.
func (s *site) batch(ctx context.Context, v *page.Visit) error {
	name := v.R.URL.Query().Get("ten")
	view, err := s.batchView(ctx, v, name)
	if err != nil {
		return err
	}
	return s.show(v, view)
}

func (s *site) batchView(ctx context.Context, v *page.Visit, name string) (BoardView, error) {
	all, err := s.Invites.Invites(ctx)
	if err != nil {
		return BoardView{}, fmt.Errorf("list invites: %w", err)
	}
	all = slices.DeleteFunc(all, func(i ca.InviteInfo) bool { return i.Batch != name })
	if len(all) == 0 {
		return BoardView{}, problem.New(problem.NotFound, "console.no-batch", "", i18n.Args{"batch": name})
	}
	counts := map[ca.InviteState]int{}
	for _, i := range all {
		counts[i.State]++
	}
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.batch.title", i18n.Args{"batch": name}), invitesPath), Back: invitesPath, BackText: v.T("console.invites.title"),
		Heading: v.T("console.batch.title", i18n.Args{"batch": name})}
	view.Path = batchHref(name)
	facts := page.Section{}
	for _, state := range inviteStates {
		facts.Facts = append(facts.Facts, page.Fact{Name: v.T("console.invite.state." + string(state)), Value: v.Count(counts[state])})
	}
	view.Sections = []page.Section{facts}
	if counts[ca.InviteOpen] > 0 {
		view.Sections = append(view.Sections, s.say(v).batchActs(name)...)
	}
	until := min(len(all), invitesShown)
	view.Sections = append(view.Sections, page.Section{Title: v.T("console.batch.invites"), Grid: s.say(v).inviteGrid(all[:until], false)})
	if until < len(all) {
		view.Pager = page.Pager{Text: v.T("console.pager", i18n.Args{"from": 1, "to": until, "n": len(all)}), Next: linkTo(invitesPath, url.Values{"tu": {name}})}
	}
	return view, nil
}

// batchActs print, download and withdraw.
func (w words) batchActs(name string) []page.Section {
	hidden := page.Input{Name: "ten", Kind: "hidden", Value: name}
	sheet := []page.Option{{Value: invitesPath + "/phieu?" + url.Values{"ten": {name}}.Encode(), Text: w.T("console.batch.sheet")}}
	all := []page.Section{{Title: w.T("console.batch.sheet"), Text: w.T("console.batch.sheet-text"), Forms: []page.Form{{Action: invitesPath + "/phieu", Get: true, Links: sheet}}}}
	if w.May(account.Invite) {
		all = append(all,
			page.Section{Title: w.T("console.batch.download"), Text: w.T("console.batch.download-text"), Forms: []page.Form{{Action: invitesPath + "/tai",
				Inputs: []page.Input{hidden}, Buttons: []page.Button{{Text: w.T("console.batch.download-go")}}}}},
			page.Section{Title: w.T("console.batch.withdraw"), Text: w.T("console.batch.withdraw-text"), Forms: []page.Form{{Action: invitesPath + "/huy",
				Inputs:  []page.Input{hidden, {ID: "sure", Name: "sure", Kind: "check", Value: "1", Label: w.T("console.batch.withdraw-sure")}},
				Buttons: []page.Button{{Text: w.T("console.batch.withdraw-go"), Tone: "warn"}}}}})
	}
	return all
}

// sheet shows the printable page of a batch. It brings its own style, which the
// policy admits by its digest; there is no secret on it.
func (s *site) sheet(ctx context.Context, v *page.Visit) error {
	q := v.R.URL.Query()
	sheet, err := s.Invites.Sheet(ctx, q.Get("ten"), strings.ToLower(q.Get("moi")))
	if err != nil {
		return fmt.Errorf("make sheet: %w", err)
	}
	_, style, _ := strings.Cut(string(sheet), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	h := v.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "private, no-store")
	if _, err := v.W.Write(sheet); err != nil {
		s.Logger.Debug("send sheet", "error", err)
	}
	return nil
}

// download hands out the files of a batch, one as it is, more as a ZIP archive with
// their sheet.
func (s *site) download(ctx context.Context, v *page.Visit) error {
	batch := v.R.PostFormValue("ten")
	made, err := s.Invites.Download(ctx, batch, "", v.Session.User.Name)
	if err != nil {
		return fmt.Errorf("make invite files: %w", err)
	}
	switch len(made) {
	case 0:
		return problem.New(problem.NotFound, "console.no-batch", "", i18n.Args{"batch": batch})
	case 1:
		return s.file(v, made[0].File, "application/octet-stream", made[0].Raw)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	sheet, err := ca.Sheet(made, v.Now)
	if err != nil {
		return err
	}
	names, contents := []string{ca.SheetFile}, [][]byte{sheet}
	for _, m := range made {
		names, contents = append(names, m.File), append(contents, m.Raw)
	}
	for i, name := range names {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: v.Now})
		if err == nil {
			_, err = f.Write(contents[i])
		}
		if err != nil {
			return fmt.Errorf("pack invites: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("pack invites: %w", err)
	}
	return s.file(v, "thu-moi.zip", "application/zip", out.Bytes())
}

func (s *site) withdraw(ctx context.Context, v *page.Visit) error {
	batch := v.R.PostFormValue("ten")
	if err := sure(v, "sure"); err != nil {
		view, viewErr := s.batchView(ctx, v, batch)
		if viewErr != nil {
			return viewErr
		}
		return s.mended(v, view, []page.Input{{ID: "sure", Name: "sure"}}, err)
	}
	if _, err := s.Invites.Withdraw(ctx, batch, v.Session.User.Name); err != nil {
		return fmt.Errorf("withdraw invites: %w", err)
	}
	v.Redirect(batchHref(batch) + "&xong=huy")
	return nil
}

// inviteInputs are the fields of the form for one office, those in it for a list.
func (w words) inviteInputs(form url.Values) (one, list []page.Input) {
	value := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	days := value("days")
	if days == "" {
		days = strconv.Itoa(int(ca.DefaultInviteLife / (24 * time.Hour)))
	}
	one = []page.Input{
		{ID: "code", Name: "code", Kind: "text", Label: w.T("console.col.code"), Hint: w.T("console.invites.code-hint"), Value: value("code")},
		{ID: "name", Name: "name", Kind: "text", Label: w.T("console.col.name"), Value: value("name")},
		{ID: "parent", Name: "parent", Kind: "text", Label: w.T("console.offices.parent"), Hint: w.T("console.offices.parent-hint"), Value: value("parent")},
		{ID: "kind", Name: "kind", Kind: "text", Label: w.T("console.offices.kind"), Hint: w.T("console.offices.kind-hint"), Value: value("kind")},
		{ID: "batch", Name: "batch", Kind: "text", Label: w.T("console.invites.batch"), Hint: w.T("console.invites.batch-hint"), Value: value("batch")},
		{ID: "days", Name: "days", Kind: "number", Label: w.T("console.invites.days", i18n.Args{"max": maxDays}), Value: days},
	}
	list = []page.Input{
		{ID: "csv", Name: "csv", Kind: "file", Accept: ".csv,text/csv", Label: w.T("console.invites.csv"), Hint: w.T("console.invites.csv-hint")},
		{ID: "list-batch", Name: "batch", Kind: "text", Label: w.T("console.invites.batch"), Hint: w.T("console.invites.batch-hint"), Value: value("batch")},
		{ID: "list-days", Name: "days", Kind: "number", Label: w.T("console.invites.days", i18n.Args{"max": maxDays}), Value: days},
	}
	return one, list
}

func (s *site) inviteForm(ctx context.Context, v *page.Visit) error {
	one, list := s.say(v).inviteInputs(v.R.URL.Query())
	return s.show(v, s.inviteView(ctx, v, one, list))
}

func (s *site) inviteView(ctx context.Context, v *page.Visit, one, list []page.Input) BoardView {
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.invites.new"), invitesPath), Heading: v.T("console.invites.new"), Back: invitesPath, BackText: v.T("console.invites.title")}
	view.Path = invitesPath + "/them"
	view.Sections = []page.Section{
		{Title: v.T("console.invites.one"), Forms: []page.Form{{Action: invitesPath + "/them", Inputs: one, Buttons: []page.Button{{Text: v.T("console.invites.go")}}}}},
		{Title: v.T("console.invites.list"), Text: v.T("console.invites.list-text"), Forms: []page.Form{{Action: invitesPath + "/danh-sach", Files: true, Inputs: list,
			Buttons: []page.Button{{Text: v.T("console.invites.list-go")}}}}},
	}
	return view
}

// inviteOptions reads batch and life of a form.
func inviteOptions(v *page.Visit) (ca.InviteOptions, error) {
	o := ca.InviteOptions{Batch: strings.TrimSpace(v.R.PostFormValue("batch")), By: v.Session.User.Name}
	days, err := strconv.Atoi(strings.TrimSpace(v.R.PostFormValue("days")))
	if err != nil || days < 1 || days > maxDays {
		return o, problem.New(problem.Usage, "console.days", "days", i18n.Args{"max": maxDays})
	}
	o.TTL = time.Duration(days) * 24 * time.Hour
	if o.Batch == "" {
		o.Batch = v.Now.In(page.Zone).Format("2006-01-02")
	}
	return o, nil
}

// officeLine is one office as a list of offices has it. Problem console.no-code.
func officeLine(v *page.Visit) ([]byte, error) {
	if strings.TrimSpace(v.R.PostFormValue("code")) == "" {
		return nil, problem.New(problem.Usage, "console.no-code", "code", nil)
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	value := func(name string) string { return strings.TrimSpace(v.R.PostFormValue(name)) }
	_ = w.WriteAll([][]string{{"code", "name", "parent", "kind"}, {value("code"), value("name"), value("parent"), value("kind")}}) // to memory
	return out.Bytes(), nil
}

func (s *site) inviteOne(ctx context.Context, v *page.Visit) error {
	one, list := s.say(v).inviteInputs(v.R.PostForm)
	return s.makeInvites(ctx, v, one, one, list, func() ([]byte, error) { return officeLine(v) })
}

func (s *site) inviteList(ctx context.Context, v *page.Visit) error {
	if err := v.Upload(maxUpload); err != nil {
		return err
	}
	one, list := s.say(v).inviteInputs(v.R.PostForm)
	return s.makeInvites(ctx, v, list, one, list, func() ([]byte, error) { return uploaded(v) })
}

// uploaded is the list of offices in a form. Problem console.no-file.
func uploaded(v *page.Visit) ([]byte, error) {
	f, _, err := v.R.FormFile("csv")
	if err != nil {
		return nil, problem.New(problem.Usage, "console.no-file", "csv", nil)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxUpload))
	if err != nil {
		return nil, fmt.Errorf("read list of offices: %w", err)
	}
	return data, nil
}

// makeInvites invites the offices that read gives and leads to their batch; inputs
// are the fields of the form that came.
func (s *site) makeInvites(ctx context.Context, v *page.Visit, inputs, one, list []page.Input, read func() ([]byte, error)) error {
	o, err := inviteOptions(v)
	var data []byte
	if err == nil {
		data, err = read()
	}
	var made []ca.Made
	if err == nil {
		made, err = s.Invites.Invite(ctx, data, o)
	}
	if err != nil {
		return s.mended(v, s.inviteView(ctx, v, one, list), inputs, err)
	}
	done := "co-roi" // valid before, or enrolled: nothing was made
	for _, m := range made {
		if m.State == ca.InviteCreated {
			done = "lam"
		}
	}
	if done == "co-roi" {
		v.Redirect(linkTo(invitesPath, url.Values{"tu": {made[0].Office.Code}, "xong": {done}}))
		return nil
	}
	v.Redirect(batchHref(o.Batch) + "&xong=" + done)
	return nil
}

// root hands out the certificate that PCs are to trust for these pages.
func (s *site) root(_ context.Context, v *page.Visit) error {
	if s.Root == nil {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	data, err := s.Root()
	if err != nil {
		return err
	}
	v.W.Header().Set("Content-Disposition", `attachment; filename="tram-trung-tam.crt"`)
	v.W.Header().Set("Content-Type", "application/x-x509-ca-cert")
	http.ServeContent(v.W, v.R, "", time.Time{}, bytes.NewReader(data))
	return nil
}
