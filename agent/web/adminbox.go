package web

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/office"
)

const (
	policyPath  = adminPath + "/duong-truyen"
	storagePath = adminPath + "/luu-tru"
	backupPath  = adminPath + "/sao-luu"
)

// Storage is what the office takes on the disk, in bytes.
type Storage struct {
	Database, Journal int64
	Unused            int64 // of the database, given back by and by
	Files             int64 // content files
	Count             int   // of them
	Partial           int64 // arrivals that are not complete
	Free, Total       int64 // of the disk; Total 0: not known
	Reserve           int64 // that is never used
	Documents         int
	Largest           []office.Document // the largest documents
}

// settingsWith lists settings by how their keys begin.
func (s *site) settingsWith(prefixes ...string) []config.Value {
	return slices.DeleteFunc(slices.Clone(s.Admin.Settings), func(set config.Value) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(set.Key, p) })
	})
}

// settingsGrid shows settings with where each comes from.
func (v *visit) settingsGrid(list []config.Value) Grid {
	g := Grid{Caption: v.t("admin.settings"), Head: []string{v.t("admin.setting"), v.t("admin.value"), v.t("admin.what"), v.t("admin.from")}}
	for _, set := range list {
		from := set.Origin.String()
		if set.Origin.Source == config.FromDefault {
			from = v.t("admin.default")
		} else if set.Origin.Source == config.FromFile {
			from = filepath.Base(from)
		}
		g.Rows = append(g.Rows, []Cell{{Text: set.Key}, {Text: dash(set.Value)}, {Text: v.t("config." + set.Key)}, {Text: from, Whole: true}})
	}
	return g
}

// toChange says how a setting is changed: in the file, taken up by a restart.
func (s *site) toChange(v *visit, example string) Section {
	key, value, _ := strings.Cut(example, " = ")
	table, name, _ := strings.Cut(key, ".")
	return Section{Title: v.t("admin.change"), Text: v.t("admin.change-what"), Commands: []string{
		"sudoedit " + s.Admin.File, "[" + table + "]", name + " = " + value, "", "sudo tram config show", "sudo tram restart"}}
}

// policyPage shows what may go over which line, and what it has cost.
func (s *site) policyPage(ctx context.Context, v *visit) error {
	st, err := s.Admin.Status(ctx)
	if err != nil {
		return err
	}
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.policy"), policyPath), Heading: v.t("admin.policy")}
	name := dash(st.Link.Interface)
	if st.Link.Metered {
		name = v.t("tram.line.sim", i18n.Args{"interface": name})
	}
	rule := v.t("tram.line."+string(st.Link.Rules.Code), i18n.Args{"least": v.t("urgency." + strconv.Itoa(int(st.Link.Rules.MinUrgency)))})
	if st.Link.Rules.Code == "" {
		rule = "–"
	}
	if st.Link.Rules.MaxSize > 0 {
		rule += v.t("tram.line.size", i18n.Args{"size": formatSize(v.lang, st.Link.Rules.MaxSize)})
	}
	limit, forecast := v.t("admin.no-limit"), "–"
	if st.Budget.Limit > 0 {
		limit = formatSize(v.lang, st.Budget.Limit)
	}
	if st.Budget.Forecast != nil {
		forecast = formatSize(v.lang, *st.Budget.Forecast)
	}
	view.Sections = []Section{
		{Title: v.t("admin.line-now"), Facts: []Fact{{v.t("tram.status.line"), name}, {v.t("admin.line-rule"), rule}, {v.t("admin.line-since"), dash(v.clock(st.Link.Since))},
			{v.t("admin.line-sent"), formatSize(v.lang, st.Link.Sent)}, {v.t("admin.line-received"), formatSize(v.lang, st.Link.Received)}}},
		{Title: v.t("tram.status.budget"), Facts: []Fact{{v.t("admin.budget-used"), formatSize(v.lang, st.Budget.Used)}, {v.t("admin.budget-limit"), limit},
			{v.t("admin.budget-forecast"), forecast}, {v.t("admin.budget-resets"), dash(formatDay(st.Budget.Resets))}}},
		{Title: v.t("admin.settings"), Grid: v.settingsGrid(s.settingsWith("metered.", "line.", "mqtt."))},
		s.toChange(v, `metered.budget = "2GB"`),
	}
	return s.show(v, view, nil, 0)
}

// storagePage shows what takes room, and what becomes of it.
func (s *site) storagePage(ctx context.Context, v *visit) error {
	st, err := s.Admin.Storage(ctx)
	if err != nil {
		return err
	}
	size := func(n int64) string { return formatSize(v.lang, n) }
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.storage"), storagePath), Heading: v.t("admin.storage"), Tag: Tag{v.t("admin.disk-well"), "green"}}
	if st.Free < 2*st.Reserve {
		view.Tag = Tag{v.t("admin.disk-low"), "amber"}
	}
	disk := size(st.Free)
	if st.Total > 0 {
		disk = formatPair(v.lang, st.Free, st.Total)
	}
	largest := Grid{Caption: v.t("admin.largest"), Empty: v.t("admin.largest-none"), Head: []string{v.t("admin.document"), v.t("admin.subject"), v.t("tram.bundle.size"), v.t("admin.at")}}
	for _, d := range st.Largest {
		largest.Rows = append(largest.Rows, []Cell{{Text: dash(symbol(d)), Href: boxPath(d)}, {Text: d.Subject}, {Text: size(d.Size)}, {Text: formatDay(d.Created)}})
	}
	view.Sections = []Section{
		{Title: v.t("admin.sizes"), Facts: []Fact{{v.t("tram.status.disk"), disk}, {v.t("admin.reserve"), size(st.Reserve)},
			{v.t("admin.database"), size(st.Database + st.Journal)}, {v.t("admin.contents"), v.t("admin.contents-line", i18n.Args{"size": size(st.Files), "count": st.Count})},
			{v.t("admin.documents"), strconv.Itoa(st.Documents)}}},
		{Title: v.t("admin.freed"), Text: v.t("admin.freed-what"), Facts: []Fact{{v.t("admin.unused"), size(st.Unused)}, {v.t("admin.partial"), size(st.Partial)}}},
		{Title: v.t("admin.largest"), Grid: largest},
		{Title: v.t("admin.retention"), Text: v.t("admin.retention-what"), Grid: v.settingsGrid(s.settingsWith("documents.", "storage.", "limits."))},
		s.toChange(v, `storage.reserve = "500MB"`),
	}
	return s.show(v, view, nil, 0)
}

// backupPage says how the last backup went, and how one is made and restored.
func (s *site) backupPage(ctx context.Context, v *visit) error {
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.backup"), backupPath), Heading: v.t("admin.backup"), Tag: Tag{v.t("admin.backup-none"), "amber"}}
	state := s.Admin.Backup()
	if last := state.Last; last != nil {
		view.Tag = Tag{v.t("admin.backup-verified"), "green"}
		if v.now.Sub(last.At) > backupOld {
			view.Tag = Tag{v.t("admin.backup-old"), "amber"}
		}
		view.Sections = append(view.Sections, Section{Title: v.t("admin.backup-last"), Facts: []Fact{
			{v.t("tram.backup.at"), formatFull(last.At)}, {v.t("admin.backup-place"), last.Place}, {v.t("tram.backup.database"), formatSize(v.lang, last.Database)},
			{v.t("tram.backup.size"), v.t("admin.contents-line", i18n.Args{"size": formatSize(v.lang, last.Bytes), "count": last.Files})}}})
	}
	if state.Failed.After(state.Ended) {
		view.Sections = append(view.Sections, Section{Title: v.t("admin.backup-failed"), Text: v.t("problem."+state.Code, state.Args)})
	}
	view.Sections = append(view.Sections,
		Section{Title: v.t("admin.backup-how"), Text: v.t("admin.backup-how-what"), Commands: []string{"sudo tram backup /media/usb", "sudo tram backup list /media/usb"}},
		Section{Title: v.t("admin.retention"), Text: v.t("admin.backup-kept"), Grid: v.settingsGrid(s.settingsWith("backup."))},
		Section{Title: v.t("admin.restore"), Text: v.t("admin.restore-what"), Commands: []string{
			"sudo tram stop", "sudo tram restore /media/usb", "sudo tram enroll /media/usb/tram/invites --again", "sudo tram start", "sudo tram status"}},
		s.toChange(v, `backup.place = "/srv/sao-luu"`))
	return s.show(v, view, nil, 0)
}

// backupOld is how old the last verified backup may be before the page says so.
const backupOld = 14 * 24 * time.Hour
