package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tram/agent/hub/software"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// addCommand is how a release is added. Programs are signed by who has a sign-in of the
// hub's machine: no browser can put a program on the boxes of a province.
const addCommand = "sudo tram-hub software add --version 1.5.0 tram-linux-amd64 tram-linux-arm64 tram-windows-amd64.exe"

var (
	standingTones = map[software.Standing]string{
		software.Added: "grey", software.Rolling: "blue", software.Held: "amber", software.Paused: "grey", software.Withdrawn: "grey", software.Complete: "green",
	}
	progressTones = map[software.Progress]string{
		software.Failed: "amber", software.Silent: "grey", software.OnItsWay: "blue", software.Lacks: "grey", software.Done: "green",
	}
)

func updateHref(version string) string { return updatePath + url.PathEscape(version) }

// updates lists the releases, and which versions the boxes run.
func (s *site) updates(ctx context.Context, v *page.Visit) error {
	all, err := s.Releases.List(ctx)
	if err != nil {
		return fmt.Errorf("list releases: %w", err)
	}
	offices, err := s.Releases.Offices(ctx)
	if err != nil {
		return fmt.Errorf("list versions: %w", err)
	}
	o, err := s.Fleet.Overview(ctx, scope(v))
	if err != nil {
		return fmt.Errorf("read how the boxes stand: %w", err)
	}
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.updates.title"), updatesPath), Heading: v.T("console.updates.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), updatesPath
	if len(all.Releases) > 0 {
		view.Sections = append(view.Sections, page.Section{Text: v.T("console.updates.summary", i18n.Args{"n": all.Offices, "back": all.RolledBy}), Grid: w.releases(all.Releases)})
	}
	view.Sections = append(view.Sections, w.addRelease(s.Releases.Above(), len(all.Releases) == 0)...)
	if len(offices) > 0 {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.updates.versions"), Grid: w.versions(offices, o.Versions)})
	}
	return s.show(v, view)
}

func (w words) releases(list []software.Release) page.Grid {
	g := page.Grid{Caption: w.T("console.updates.title"), Head: []string{w.T("hub.col.version"), w.T("hub.col.state"), w.T("hub.col.ring-open"), w.T("hub.col.aim"),
		w.T("hub.col.done"), w.T("hub.col.taken-back"), w.T("hub.col.silent"), w.T("console.updates.created")}}
	for _, r := range list {
		failed, silent := 0, 0
		for _, n := range r.Rings {
			failed, silent = failed+n.Failed, silent+n.Silent
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: r.Version, Href: updateHref(r.Version)}, {Tag: w.standing(r)}, {Text: w.ring(r.Ring)}, {Text: w.ring(r.Aim)},
			{Text: w.T("console.percent", i18n.Args{"n": r.Done})}, {Text: strconv.Itoa(failed)}, {Text: strconv.Itoa(silent)}, {Text: page.Day(r.Created), Whole: true}})
	}
	return g
}

func (w words) standing(r software.Release) page.Tag {
	return page.Tag{Text: w.T("console.updates.state." + string(r.Standing)), Tone: standingTones[r.Standing]}
}

// ring names a ring; "–" for none.
func (w words) ring(n int) string {
	if n < release.RingNamed {
		return "–"
	}
	return w.T("console.updates.ring." + strconv.Itoa(n))
}

// addRelease says how a release is added: by the command line alone.
func (w words) addRelease(above string, first bool) []page.Section {
	if above != "" {
		return []page.Section{{Title: w.T("console.updates.add"), Text: w.T("console.updates.above", i18n.Args{"hub": cmp.Or(w.named(above), above)})}}
	}
	title := w.T("console.updates.add")
	if first {
		title = w.T("console.updates.none")
	}
	return []page.Section{{Title: title, Text: w.T("console.updates.add-text"), Commands: []string{addCommand}}}
}

// versions counts which version how many offices run, each with its boxes. shown are
// the versions that the list of boxes can be narrowed to.
func (w words) versions(offices []software.Office, shown []string) page.Grid {
	counts := map[string]int{}
	for _, o := range offices {
		if !o.Hub {
			counts[o.Version]++
		}
	}
	g := page.Grid{Caption: w.T("console.updates.versions"), Empty: w.T("console.updates.nobody"), Head: []string{w.T("hub.col.version"), w.T("console.updates.boxes")}}
	versions := make([]string, 0, len(counts))
	for version := range counts {
		versions = append(versions, version)
	}
	slices.SortFunc(versions, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for _, version := range versions {
		cell := page.Cell{Text: version}
		if i := slices.IndexFunc(shown, func(s string) bool { return strings.TrimPrefix(s, "tram ") == version }); i >= 0 {
			cell.Href = linkTo(devicesPath, url.Values{"phien-ban": {shown[i]}})
		}
		g.Rows = append(g.Rows, []page.Cell{cell, {Text: w.Count(counts[version])}})
	}
	return g
}

// update shows one release.
func (s *site) update(ctx context.Context, v *page.Visit) error {
	return s.showUpdate(ctx, v, nil)
}

// found is the release that the address names.
func (s *site) found(ctx context.Context, v *page.Visit) (software.Release, error) {
	all, err := s.Releases.List(ctx)
	if err != nil {
		return software.Release{}, fmt.Errorf("list releases: %w", err)
	}
	version := v.R.PathValue("version")
	for _, r := range all.Releases {
		if r.Version == version {
			return r, nil
		}
	}
	return software.Release{}, problem.New(problem.NotFound, "console.updates.unknown", "", i18n.Args{"version": version})
}

// showUpdate shows a release with what can be done to it; failed is what a form of it
// could not do.
func (s *site) showUpdate(ctx context.Context, v *page.Visit, failed error) error {
	r, err := s.found(ctx, v)
	if err != nil {
		return err
	}
	list, hubs, err := s.Releases.Members(ctx, r.Version, nil)
	if err != nil {
		return fmt.Errorf("list offices of a release: %w", err)
	}
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.updates.one", i18n.Args{"version": r.Version}), updatesPath), Back: updatesPath, BackText: v.T("console.updates.title"),
		Heading: v.T("console.updates.one", i18n.Args{"version": r.Version}), Tag: w.standing(r)}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), updateHref(r.Version)
	view.Sections = append([]page.Section{w.progressOf(r, hubs)}, page.Section{Title: v.T("console.updates.progress"), Grid: w.progresses(r, list)})
	if which := software.Progress(v.R.URL.Query().Get("xem")); slices.Contains(software.Progresses, which) {
		section, pager := w.officesAt(v, r, list, which)
		view.Sections, view.Pager = append(view.Sections, section), pager
	}
	inputs := w.stageInputs(v, r)
	if s.Releases.Above() == "" {
		view.Sections = append(view.Sections, w.updateActs(r, inputs)...)
	}
	view.Sections = append(view.Sections, page.Section{Title: v.T("console.updates.about"), Facts: w.releaseFacts(r), Text: w.notes(r)})
	if failed != nil {
		return s.mended(v, view, inputs, failed)
	}
	return s.show(v, view)
}

// progressOf is how far a release is in its rings, and why it goes no further.
func (w words) progressOf(r software.Release, hubs int) page.Section {
	sec := page.Section{Title: w.T("console.updates.done", i18n.Args{"n": r.Done}), Bar: true, Percent: r.Done, Text: w.whyNot(r)}
	if r.Aim < release.RingNamed {
		sec.Title, sec.Bar = w.T("console.updates.rings"), false
	}
	g := page.Grid{Caption: w.T("console.updates.rings"), Head: []string{w.T("hub.col.ring"), w.T("hub.col.ring-open"), w.T("hub.col.offices"), w.T("hub.col.done"),
		w.T("console.updates.share"), w.T("hub.col.taken-back"), w.T("hub.col.silent")}}
	for _, n := range r.Rings {
		open, share := w.T("console.updates.shut"), "–"
		if n.Ring <= r.Ring {
			open = w.T("console.updates.open")
		} else if n.Ring <= r.Aim {
			open = w.T("console.updates.next")
		}
		if n.Offices > 0 {
			share = w.T("console.percent", i18n.Args{"n": n.Done * 100 / n.Offices})
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: w.ring(n.Ring)}, {Text: open}, {Text: w.Count(n.Offices)}, {Text: w.Count(n.Done)}, {Text: share},
			{Text: w.Count(n.Failed)}, {Text: w.Count(n.Silent)}})
	}
	sec.Grid = g
	if hubs > 0 {
		sec.Notices = []page.Notice{{Text: w.T("console.updates.hubs", i18n.Args{"n": hubs})}}
	}
	return sec
}

// whyNot says why a release goes no further, or what it waits for.
func (w words) whyNot(r software.Release) string {
	args := i18n.Args{"version": r.Version, "limit": r.Most, "ring": w.ring(r.Ring), "next": w.ring(min(r.Ring+1, release.RingAll)), "aim": w.ring(r.Aim)}
	if r.Standing == software.Held {
		bad, offices := 0, 0
		for _, n := range r.Rings[:min(r.Ring+1, len(r.Rings))] {
			bad, offices = bad+n.Failed+n.Silent, offices+n.Offices
		}
		args["bad"], args["n"], args["percent"] = bad, offices, bad*100/max(offices, 1)
	}
	return w.T("console.updates.why."+string(r.Standing), args)
}

// progresses counts offices by how far they are, each count with its list.
func (w words) progresses(r software.Release, list []software.OfficeProgress) page.Grid {
	g := page.Grid{Caption: w.T("console.updates.progress"), Head: []string{w.T("hub.col.state"), w.T("console.updates.boxes"), w.T("console.updates.which")}, Empty: w.T("console.updates.nobody")}
	if len(list) == 0 {
		return g
	}
	for _, p := range software.Progresses {
		n := 0
		for _, m := range list {
			if m.Progress == p {
				n++
			}
		}
		row := []page.Cell{{Tag: page.Tag{Text: w.T("console.updates.box." + string(p)), Tone: progressTones[p]}}, {Text: w.Count(n)}, {Text: "–"}}
		if n > 0 {
			row[2] = page.Cell{Text: w.T("console.updates.list", i18n.Args{"state": w.T("console.updates.box." + string(p))}), Href: updateHref(r.Version) + "?xem=" + string(p)}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// officesAt lists those that are as far as which, a page of them.
func (w words) officesAt(v *page.Visit, r software.Release, list []software.OfficeProgress, which software.Progress) (page.Section, page.Pager) {
	list = slices.DeleteFunc(slices.Clone(list), func(m software.OfficeProgress) bool { return m.Progress != which })
	from := min(at(v.R.URL.Query().Get("tu-dong")), len(list))
	until := min(from+invitesShown, len(list))
	var pager page.Pager
	if len(list) > invitesShown {
		pager = w.pager(from, until, len(list), func(n int) string {
			return updateHref(r.Version) + "?" + url.Values{"xem": {string(which)}, "tu-dong": {strconv.Itoa(n)}}.Encode()
		})
	}
	return page.Section{Title: w.T("console.updates.box." + string(which)), Grid: w.progressGrid(list[from:until])}, pager
}

func (w words) progressGrid(list []software.OfficeProgress) page.Grid {
	g := page.Grid{Caption: w.T("console.updates.progress"), Empty: w.T("console.updates.nobody"),
		Head: []string{w.T("console.col.name"), w.T("console.updates.runs"), w.T("hub.col.ring"), w.T("console.updates.sent-at"), w.T("console.col.reason")}}
	for _, m := range list {
		why, sent := "–", "–"
		if m.Failure != nil {
			why = w.updateReason(m.Failure.Reason)
		} else if m.NoProgram && m.Progress == software.Lacks {
			why = w.updateReason("no-program")
		}
		if !m.Since.IsZero() {
			sent = page.Full(m.Since)
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: cmp.Or(w.named(m.Code), m.Code), Note: m.Code, Href: deviceHref(m.Code)}, {Text: m.Version}, {Text: w.ring(m.Ring)}, {Text: sent}, {Text: why}})
	}
	return g
}

// updateReason words why a release was taken back; one of a later version stays as it is.
func (w words) updateReason(reason string) string {
	if key := "update.reason." + reason; i18n.Has(key) {
		return w.T(key)
	}
	return reason
}

func (w words) notes(r software.Release) string {
	if w.Lang == i18n.English {
		return strings.TrimSpace(r.NotesEN)
	}
	return strings.TrimSpace(r.NotesVI)
}

func (w words) releaseFacts(r software.Release) []page.Fact {
	facts := []page.Fact{
		{Name: w.T("console.updates.created"), Value: page.Full(r.Created)}, {Name: w.T("console.updates.origin"), Value: cmp.Or(w.named(r.Origin), r.Origin)},
		{Name: w.T("console.updates.channel"), Value: w.T("console.updates.channel." + r.Channel)}, {Name: w.T("console.updates.serial"), Value: strconv.FormatUint(r.Serial, 10)},
	}
	for _, p := range r.Programs {
		facts = append(facts, page.Fact{Name: p.OS + "/" + p.Arch, Value: w.T("console.updates.size", i18n.Args{"size": page.Size(w.Lang, p.Size), "sent": page.Size(w.Lang, p.Sent)})})
	}
	return facts
}

// updateActs are what the visitor may do to a release.
func (w words) updateActs(r software.Release, inputs []page.Input) []page.Section {
	if r.Standing == software.Withdrawn {
		return nil
	}
	base := updateHref(r.Version)
	button := func(text, what, tone string) []page.Button {
		return []page.Button{{Text: w.T(text), Name: "viec", Value: what, Tone: tone}}
	}
	var all []page.Section
	if w.May(account.Stage) {
		all = append(all, page.Section{Title: w.T("console.updates.stage"), Text: w.T("console.updates.stage-text"),
			Forms: []page.Form{{Action: base, Inputs: inputs, Buttons: button("console.updates.preview", actStage, "")}}})
	}
	switch {
	case r.Standing == software.Paused && w.May(account.Stage):
		all = append(all, page.Section{Title: w.T("console.updates.resume"), Text: w.T("console.updates.resume-text"), Forms: []page.Form{{Action: base, Buttons: button("console.updates.resume-go", actGoOn, "plain")}}})
	case r.Standing != software.Paused && r.Aim >= release.RingNamed:
		all = append(all, page.Section{Title: w.T("console.updates.pause"), Text: w.T("console.updates.pause-text"), Forms: []page.Form{{Action: base + "/dung", Buttons: button("console.updates.pause-go", actStop, "plain")}}})
	}
	if w.May(account.Stage) {
		all = append(all, page.Section{Title: w.T("console.updates.withdraw"), Text: w.T("console.updates.withdraw-text"), Forms: []page.Form{{Action: base, Buttons: button("console.updates.withdraw-go", actPullBack, "warn")}}})
	}
	return all
}
