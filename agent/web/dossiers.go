package web

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/workdays"
	"tram/storage"
)

// dossiersPath is where the one-stop dossiers (hồ sơ một cửa) are.
const dossiersPath = "/mot-cua"

func (s *site) dossierRoutes() []route {
	all := []route{
		{who: account.Dossiers, pattern: "GET " + dossiersPath, do: s.dossierList},
		{who: account.Dossiers, pattern: "GET " + dossiersPath + "/xuat", do: s.dossierExport},
		{who: account.Dossiers, pattern: "GET " + dossiersPath + "/thong-ke", do: s.dossierStats},
		{who: account.Dossiers, pattern: "GET " + dossiersPath + "/thong-ke/xuat", do: s.dossierStatsExport},
		{who: account.DossierWork, pattern: "GET " + dossiersPath + "/noi-nhan", do: s.recipients},
		{who: account.DossierDesk, pattern: "GET " + receptionPath, do: s.dossierChoose},
		{who: account.DossierDesk, pattern: "GET " + receptionPath + "/{procedure}", do: s.dossierForm},
		{who: account.DossierDesk, pattern: "POST " + receptionPath, do: s.dossierReceive(takeIn), files: true},
		{who: account.DossierDesk, pattern: "POST " + receptionPath + "/" + askFor, do: s.dossierReceive(askFor), files: true},
		{who: account.DossierDesk, pattern: "POST " + receptionPath + "/" + turnOff, do: s.dossierReceive(turnOff), files: true},
		{who: account.Dossiers, pattern: "GET " + dossiersPath + "/{id}", do: s.dossierOne},
		{who: account.Dossiers, pattern: "GET " + dossiersPath + "/{id}/tep/{index}", do: s.dossierFile},
	}
	for _, a := range dossierActs {
		all = append(all, route{who: a.who, pattern: "POST " + dossiersPath + "/{id}/" + a.name, do: s.dossierAct(a), files: a.files})
	}
	return all
}

func dossierPath(id storage.ID) string { return dossiersPath + "/" + id.String() }

// dossierActor is the visitor as who acts on dossiers.
func (v *visit) dossierActor() dossier.Actor {
	u := v.session.User
	return dossier.Actor{Person: u.Name, Name: u.Display, Roles: v.dossierRoles()}
}

// dossierRoles is what the visitor's rights are to the dossiers.
func (v *visit) dossierRoles() (r dossier.Role) {
	for right, role := range map[account.Right]dossier.Role{account.DossierDesk: dossier.Desk, account.DossierWork: dossier.Officer, account.DossierDecide: dossier.Leader} {
		if v.may(right) {
			r |= role
		}
	}
	return r
}

// dossier reads the one in the address.
func (s *site) dossier(ctx context.Context, v *visit) (dossier.Dossier, error) {
	id, err := uuid.Parse(v.r.PathValue("id"))
	if err != nil {
		return dossier.Dossier{}, problem.New(problem.NotFound, "dossier.unknown", "", nil)
	}
	d, err := s.Dossiers.Get(ctx, id)
	if err != nil {
		return d, fmt.Errorf("get dossier: %w", err)
	}
	return d, nil
}

// looked remembers who opened which dossier, so that a page that is loaded again at
// once is one look in the audit log.
type looked struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	// oneLook is how long looks at one dossier by one person are one.
	oneLook = 10 * time.Minute
	// looksKept bounds what is remembered. When it is reached all is forgotten, and
	// looks are written down once more.
	looksKept = 4096
)

// first reports whether a look is to be written down.
func (l *looked) first(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.at[key]; ok && now.Sub(last) < oneLook && !now.Before(last) {
		return false
	}
	if l.at == nil || len(l.at) >= looksKept {
		l.at = map[string]time.Time{}
	}
	l.at[key] = now
	return true
}

// openedDossier writes down who looked at personal data. Without that they are not
// shown.
func (s *site) openedDossier(ctx context.Context, v *visit, d dossier.Dossier) error {
	if !s.looks.first(v.session.User.Name+" "+d.ID.String(), v.now) {
		return nil
	}
	if err := s.Dossiers.Opened(ctx, d, v.dossierActor()); err != nil {
		return fmt.Errorf("note who opened a dossier: %w", err)
	}
	return nil
}

// dossierFile gives a file of a dossier, to be saved: it is foreign content, which
// this origin shows in no window.
func (s *site) dossierFile(ctx context.Context, v *visit) error {
	d, err := s.dossier(ctx, v)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(v.r.PathValue("index"), 10, 64)
	if err != nil {
		return problem.New(problem.NotFound, "dossier.no-file", "", nil)
	}
	f, r, err := s.Dossiers.Open(ctx, d.ID, number)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := s.openedDossier(ctx, v, d); err != nil {
		return err
	}
	return v.foreignFile(f.Name, r)
}

// foreignFile sends content that came from outside, to be saved.
func (v *visit) foreignFile(name string, body io.ReadSeeker) error {
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	http.ServeContent(v.w, v.r, "", time.Time{}, body)
	return nil
}

// statusTone colours a status.
var statusTone = map[code.Status]string{
	code.Registered: "amber", code.Received: "blue", code.Processing: "blue", code.Supplement: "amber", code.Payment: "amber",
	code.WithdrawalWish: "amber", code.Stopped: "grey", code.Refused: "grey", code.Done: "green", code.Returned: "green",
}

func (v *visit) dossierStatus(st code.Status) Tag { return Tag{st.Text(v.lang), statusTone[st]} }

var outcomeTone = map[dossier.Outcome]string{dossier.Early: "green", dossier.OnTime: "green", dossier.Late: "red"}

// outcomeTag words how a dossier that is ended stands to its date of return.
func (v *visit) outcomeTag(o dossier.Outcome) Tag {
	if o == "" {
		return Tag{}
	}
	return Tag{o.Text(v.lang), outcomeTone[o]}
}

// leftTag words how long a dossier has. A clock that is not to be believed counts
// days, not hours.
func (v *visit) leftTag(m workdays.Margin, unsure bool, soon bool) Tag {
	tone := "grey"
	switch {
	case m.Overdue:
		tone = "red"
	case soon:
		tone = "amber"
	}
	if unsure && m.Days == 0 {
		return Tag{v.t("web.dossier.today"), "amber"}
	}
	return Tag{m.Say().Text(v.lang), tone}
}

// dueSoon is how much working time makes a date of return near.
const dueSoon = 2 // days

func nearDue(m workdays.Margin) bool { return !m.Overdue && m.Days <= dueSoon }

// rowTag is what stands beside a dossier in a list: how long it has, why its clock
// stands, or how it ended.
func (s *site) rowTag(v *visit, r dossier.Row, unsure bool) Tag {
	if m, ok := s.Dossiers.LeftOf(r); ok {
		return v.leftTag(m, unsure, nearDue(m))
	}
	switch {
	case r.Outcome != "":
		return v.outcomeTag(r.Outcome)
	case !r.Paused.IsZero():
		return Tag{v.t("web.dossier.stands-since", i18n.Args{"time": v.clock(r.Paused)}), "amber"}
	}
	return Tag{}
}

// calendarLines name where the days off of a year, and of the next, come from.
func (s *site) calendarLines(v *visit) (lines []string) {
	cal := s.Dossiers.Calendar()
	year := v.now.In(vietnam).Year()
	for _, f := range cal.In(year) {
		lines = append(lines, v.t("web.dossier.calendar", i18n.Args{"name": f.Name, "source": f.Source, "updated": formatDocDate(f.Updated)}))
	}
	if !cal.Covered(year) {
		lines = append(lines, v.t("workdays.uncovered"))
	}
	return lines
}

// channelOptions are the ways in which dossiers are handed in.
func (v *visit) channelOptions(chosen dossier.Channel, first ...Option) []Option {
	list := first
	for c := dossier.AtDesk; c <= dossier.ByPost; c++ {
		list = append(list, Option{strconv.Itoa(int(c)), v.t("web.dossier.channel." + strconv.Itoa(int(c))), c == chosen})
	}
	return list
}
