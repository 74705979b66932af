package web

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"tram/agent/api"
	"tram/agent/api/appkey"
	"tram/agent/backup"
	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/support"
	"tram/agent/web/account"
	"tram/storage/sqlite"
)

const adminPath = "/quan-tri"

// Admin is what the administration pages ask of the office's parts. All of it
// is required but Since.
type Admin struct {
	Status func(context.Context) (api.Status, error)
	// Since tells from when on a condition has held; zero when it is not known.
	Since      func(health.Condition) time.Time
	Seals      Seals
	Connectors *connector.Host
	Aside      connector.Quarantine
	Apps       *appkey.Store
	DB         *sqlite.DB // has the audit log
	Storage    func(context.Context) (Storage, error)
	Settings   []config.Value
	File       string // path of the settings file
	Support    func(context.Context) []support.File
	Backup     func() backup.State
}

func (a Admin) missing() bool {
	return a.Status == nil || a.Seals == nil || a.Connectors == nil || a.Aside == nil || a.Apps == nil || a.DB == nil || a.Storage == nil || a.Support == nil || a.Backup == nil
}

// adminState is what the administration pages remember.
type adminState struct {
	mu      sync.Mutex
	keys    map[string]onceKey
	checked checked
}

// adminPages are the administration pages in the order of their list.
var adminPages = []struct {
	href, text string
	who        account.Right
}{
	{adminPath, "admin.overview", account.Admin},
	{"/nguoi-dung", "web.menu.users", account.Accounts},
	{sealsPath, "admin.seals", account.Admin},
	{connectorsPath, "admin.connectors", account.Admin},
	{asidePath, "admin.aside", account.Admin},
	{appsPath, "admin.apps", account.Admin},
	{policyPath, "admin.policy", account.Admin},
	{storagePath, "admin.storage", account.Admin},
	{backupPath, "admin.backup", account.Admin},
	{logPath, "admin.log", account.Admin},
	{"/chung-thu", "web.certificate.title", account.Accounts},
	{supportPath, "support.title", account.Admin},
}

func (s *site) adminRoutes() []route {
	who := account.Admin
	return []route{
		{who: who, pattern: "GET " + adminPath, do: s.overview},
		{who: who, pattern: "GET " + sealsPath, do: s.seals},
		{who: who, pattern: "POST " + sealsPath + "/{name}", do: s.changeSeal},
		{who: who, pattern: "GET " + connectorsPath, do: s.connectors},
		{who: who, pattern: "POST " + connectorsPath, do: s.addConnector},
		{who: who, pattern: "GET " + connectorsPath + "/them", do: s.connectorForm},
		{who: who, pattern: "GET " + connectorsPath + "/mot/{name}", do: s.oneConnector},
		{who: who, pattern: "POST " + connectorsPath + "/mot/{name}", do: s.changeConnector},
		{who: who, pattern: "GET " + asidePath, do: s.aside},
		{who: who, pattern: "POST " + asidePath + "/{id}", do: s.settleAside},
		{who: who, pattern: "GET " + appsPath, do: s.apps},
		{who: who, pattern: "POST " + appsPath, do: s.createApp},
		{who: who, pattern: "POST " + appsPath + "/{name}", do: s.changeApp},
		{who: who, pattern: "GET " + statesPath("{name}"), do: s.states},
		{who: who, pattern: "POST " + statesPath("{name}"), do: s.changeStates},
		{who: who, pattern: "GET " + policyPath, do: s.policyPage},
		{who: who, pattern: "GET " + storagePath, do: s.storagePage},
		{who: who, pattern: "GET " + backupPath, do: s.backupPage},
		{who: who, pattern: "GET " + logPath, do: s.logPage},
		{who: who, pattern: "POST " + logPath, do: s.verifyLog},
		{who: who, pattern: "GET " + logPath + "/xuat", do: s.exportLog},
	}
}

// overview says how the box stands.
func (s *site) overview(ctx context.Context, v *visit) error {
	st, err := s.Admin.Status(ctx)
	if err != nil {
		return fmt.Errorf("read state of the office: %w", err)
	}
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.title"), adminPath), Heading: v.t("admin.title"), Tag: Tag{v.t("admin.well"), "green"}}
	conditions := Section{Title: v.t("admin.conditions")}
	if len(st.Conditions) == 0 {
		conditions.Text = v.t("admin.conditions-none")
	} else {
		view.Tag = Tag{v.t("admin.look", i18n.Args{"n": len(st.Conditions)}), "amber"}
	}
	for _, c := range st.Conditions {
		conditions.Notices = append(conditions.Notices, s.notice(v, c))
	}
	view.Sections = append(view.Sections, conditions, Section{Title: v.t("admin.facts"), Facts: v.officeFacts(st)})
	return s.show(v, view, nil, 0)
}

// fixAt is where in these pages a condition is mended.
var fixAt = map[string]string{
	"connector": connectorsPath, "messages": asidePath, "seal": sealsPath, "disk": storagePath, "budget": policyPath, "pages": "/chung-thu", "log": logPath,
}

// notice words a condition with what mends it.
func (s *site) notice(v *visit, c health.Condition) Notice {
	n := Notice{Tone: "amber", Text: c.Message(v.lang)}
	if key := "admin.fix." + c.Code; i18n.Has(key) {
		n.Fix = v.t(key, c.Args)
	}
	if s.Admin.Since != nil {
		if at := s.Admin.Since(c); !at.IsZero() {
			n.Since = v.t("admin.since", i18n.Args{"time": v.clock(at)})
		}
	}
	part, _, _ := strings.Cut(c.Code, "-")
	if n.Href = fixAt[part]; n.Href != "" {
		n.Link = v.t("admin.open")
	}
	return n
}

// officeFacts are the figures that `tram status` prints.
func (v *visit) officeFacts(st api.Status) []Fact {
	link := v.t("admin.offline")
	if st.Link.Up {
		link = v.t("admin.online", i18n.Args{"time": v.clock(st.Link.Since)})
	}
	clock := formatFull(st.Clock.Now)
	if !st.Clock.Trusted {
		clock = joinDots(clock, v.t("admin.clock-untrusted"))
	}
	up := v.now.Sub(st.Started)
	return []Fact{
		{v.t("tram.status.office"), strings.TrimSpace(st.Office.Code + " " + st.Office.Name)},
		{v.t("tram.status.server"), st.Hub},
		{v.t("tram.status.line"), link},
		{v.t("tram.status.queue"), v.t("tram.status.queue-line", i18n.Args{"count": st.Queue.Waiting, "size": formatSize(v.lang, st.Queue.WaitingBytes),
			"express": st.Queue.ByUrgency[3], "unaccepted": st.Queue.Unaccepted})},
		{v.t("tram.status.version"), st.Version},
		{v.t("admin.uptime"), v.t("admin.uptime-line", i18n.Args{"days": int(up.Hours()) / 24, "hours": int(up.Hours()) % 24, "time": formatFull(st.Started)})},
		{v.t("tram.status.disk"), formatSize(v.lang, st.DiskFree)},
		{v.t("tram.status.clock"), clock},
		{v.t("tram.status.certificate"), v.t("tram.status.certificate-line", i18n.Args{"date": formatDay(st.CertUntil), "days": st.CertDays})},
		{v.t("tram.status.pages"), st.UI},
	}
}

// errNothing answers a form whose button is none of the page's.
func errNothing() error { return problem.New(problem.NotFound, "web.no-page", "", nil) }
