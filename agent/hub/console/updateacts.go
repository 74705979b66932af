package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tram/agent/hub/software"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/agent/web/page"
)

// What can be done to a release, as forms say it.
const (
	actStage    = "gui"
	actGoOn     = "di-tiep"
	actPullBack = "rut"
	actStop     = "dung"
)

// firstShown is how many boxes a preview names; it says how many more there are.
const firstShown = 10

// Fields of the form of a stage bear the names of the flags, by which problems name them.
const (
	ringField    = "--ring"
	percentField = "--percent"
	limitField   = "--limit"
	officesField = "--office"
)

// stageInputs are the fields that say how far a release is to go, as they came or as it
// stands.
func (w words) stageInputs(v *page.Visit, r software.Release) []page.Input {
	ring, percent, limit := max(r.Aim, release.RingNamed), r.Percent, r.Most
	if r.Aim < release.RingNamed {
		percent, limit = software.DefaultPercent, software.DefaultMost
	}
	value := func(name, now string) string {
		if v.R.PostForm.Has(name) {
			return strings.TrimSpace(v.R.PostForm.Get(name))
		}
		return now
	}
	in := page.Input{ID: "ring", Name: ringField, Kind: "select", Label: w.T("console.updates.to")}
	chosen := value(ringField, strconv.Itoa(ring))
	for n := max(r.Ring, release.RingNamed); n <= release.RingAll; n++ {
		if r.Channel == string(release.Trial) && n > release.RingNamed {
			break
		}
		in.Options = append(in.Options, page.Option{Value: strconv.Itoa(n), Text: w.ring(n), Chosen: chosen == strconv.Itoa(n)})
	}
	return []page.Input{
		in,
		{ID: "offices", Name: officesField, Kind: "list", Label: w.T("console.updates.named"), Hint: w.T("console.updates.named-hint", i18n.Args{"limit": release.MaxNamed}),
			Value: value(officesField, strings.Join(r.Named, " "))},
		{ID: "percent", Name: percentField, Kind: "number", Label: w.T("console.updates.percent"), Hint: w.T("console.updates.percent-hint"), Value: value(percentField, strconv.Itoa(percent))},
		{ID: "limit", Name: limitField, Kind: "number", Label: w.T("console.updates.limit"), Hint: w.T("console.updates.limit-hint"), Value: value(limitField, strconv.Itoa(limit))},
	}
}

// stageOf reads how far a release is to go. Problem console.updates.number.
func stageOf(v *page.Visit, version string) (software.Stage, error) {
	q := software.Stage{Version: version, Offices: slices.Compact(slices.Sorted(slices.Values(split(v.R.PostFormValue(officesField)))))}
	if q.Offices == nil {
		q.Offices = []string{} // the form shows those before: none is none
	}
	var faults problem.List
	for _, f := range []struct {
		name        string
		least, most int
		to          *int
	}{{ringField, release.RingNamed, release.RingAll, &q.Ring}, {percentField, 1, 100, &q.Percent}, {limitField, 0, 100, &q.Most}} {
		n, err := strconv.Atoi(strings.TrimSpace(v.R.PostFormValue(f.name)))
		if err != nil || n < f.least || n > f.most {
			faults.Note(problem.New(problem.Usage, "console.updates.number", f.name, i18n.Args{"least": f.least, "most": f.most}))
		}
		*f.to = n
	}
	return q, faults.Err()
}

// split takes codes apart that people have typed or pasted.
func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
}

// stageUpdate has a release go to a ring, go on, or ends it; first it says for how many
// boxes.
func (s *site) stageUpdate(ctx context.Context, v *page.Visit) error {
	r, err := s.found(ctx, v)
	if err != nil {
		return err
	}
	by := v.Session.User.Name
	switch what := v.R.PostFormValue("viec"); what {
	case actStage:
		q, err := stageOf(v, r.Version)
		if err != nil {
			return s.showUpdate(ctx, v, err)
		}
		return s.actOnUpdate(ctx, v, r, what, &q, func() error {
			_, err := s.Releases.Stage(ctx, q, by)
			return err
		})
	case actGoOn:
		return s.actOnUpdate(ctx, v, r, what, nil, func() error {
			_, err := s.Releases.Pause(ctx, r.Version, by, false)
			return err
		})
	case actPullBack:
		return s.actOnUpdate(ctx, v, r, what, nil, func() error {
			_, err := s.Releases.Withdraw(ctx, r.Version, by)
			return err
		})
	}
	return problem.New(problem.NotFound, "web.no-page", "", nil)
}

// stopUpdate has a release go no further for now.
func (s *site) stopUpdate(ctx context.Context, v *page.Visit) error {
	r, err := s.found(ctx, v)
	if err != nil {
		return err
	}
	return s.actOnUpdate(ctx, v, r, actStop, nil, func() error {
		_, err := s.Releases.Pause(ctx, r.Version, v.Session.User.Name, true)
		return err
	})
}

// actOnUpdate shows what an act would touch, and does it when the visitor has seen that.
func (s *site) actOnUpdate(ctx context.Context, v *page.Visit, r software.Release, what string, q *software.Stage, do func() error) error {
	list, hubs, err := s.Releases.Members(ctx, r.Version, q)
	if err == nil && v.R.PostFormValue("sure") == "1" {
		if err = do(); err == nil {
			v.Redirect(updateHref(r.Version) + "?xong=cap-nhat-" + what)
			return nil
		}
	}
	if err != nil {
		if !page.Mendable(err) {
			return fmt.Errorf("change a release: %w", err)
		}
		return s.showUpdate(ctx, v, err)
	}
	return s.show(v, s.previewUpdate(ctx, v, r, what, q, list, hubs))
}

// touched are the boxes that an act reaches, and how many among the others are left out
// because they took the release back, or it has no program for them.
func touched(r software.Release, what string, q *software.Stage, list []software.OfficeProgress) (some []software.OfficeProgress, back, never int) {
	most := r.Aim
	if q != nil {
		most = q.Ring
	}
	for _, m := range list {
		within := m.Ring <= most
		switch {
		case (what == actStage || what == actGoOn) && within && m.Progress == software.Failed:
			back++
		case (what == actStage || what == actGoOn) && within && m.Progress == software.Lacks && m.NoProgram:
			never++
		case (what == actStage || what == actGoOn) && within && m.Progress == software.Lacks:
			some = append(some, m)
		case what == actStop || what == actPullBack:
			if m.Progress == software.OnItsWay || m.Progress == software.Silent || within && m.Progress == software.Lacks && !m.NoProgram {
				some = append(some, m)
			}
		}
	}
	return some, back, never
}

func (s *site) previewUpdate(ctx context.Context, v *page.Visit, r software.Release, what string, q *software.Stage, list []software.OfficeProgress, hubs int) BoardView {
	w := s.say(v)
	some, back, never := touched(r, what, q, list)
	args := i18n.Args{"version": r.Version, "n": len(some), "all": len(list), "ring": w.ring(r.Aim)}
	form := page.Form{Action: updateHref(r.Version), Inputs: []page.Input{{Name: "viec", Kind: "hidden", Value: what}, {Name: "sure", Kind: "hidden", Value: "1"}},
		Buttons: []page.Button{{Text: w.T("console.updates.sure." + what)}}, Links: []page.Option{{Value: updateHref(r.Version), Text: w.T("console.preview.back")}}}
	if what == actStop {
		form.Action += "/dung"
	}
	if what == actPullBack {
		form.Buttons[0].Tone = "warn"
	}
	if q != nil {
		args["ring"] = w.ring(q.Ring)
		for name, value := range map[string]string{ringField: strconv.Itoa(q.Ring), percentField: strconv.Itoa(q.Percent), limitField: strconv.Itoa(q.Most), officesField: strings.Join(q.Offices, " ")} {
			form.Inputs = append(form.Inputs, page.Input{Name: name, Kind: "hidden", Value: value})
		}
	}
	view := BoardView{Page: s.Page(ctx, v, w.T("console.updates.title."+what, args), updatesPath), Back: updateHref(r.Version), BackText: w.T("console.updates.one", args), Heading: w.T("console.updates.title."+what, args)}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), updateHref(r.Version)
	sec := page.Section{Text: w.T("console.updates.touches."+what, args)}
	for key, n := range map[string]int{"console.updates.left-back": back, "console.updates.left-never": never, "console.updates.hubs": hubs} {
		if n > 0 {
			sec.Notices = append(sec.Notices, page.Notice{Text: w.T(key, i18n.Args{"n": n})})
		}
	}
	slices.SortFunc(sec.Notices, func(a, b page.Notice) int { return strings.Compare(a.Text, b.Text) })
	if q != nil {
		sec.Facts = w.ringFacts(list)
	}
	sec.Forms = []page.Form{form}
	view.Sections = []page.Section{sec}
	if len(some) > 0 {
		first := some[:min(len(some), firstShown)]
		view.Sections = append(view.Sections, page.Section{Title: w.T("console.preview.first", i18n.Args{"n": len(first), "all": len(some)}), Grid: w.progressGrid(first)})
	}
	return view
}

// ringFacts says how many offices would be in each ring.
func (w words) ringFacts(list []software.OfficeProgress) []page.Fact {
	counts := [release.RingAll + 1]int{}
	for _, m := range list {
		counts[m.Ring]++
	}
	var facts []page.Fact
	for ring, n := range counts {
		facts = append(facts, page.Fact{Name: w.ring(ring), Value: w.T("console.updates.in-ring", i18n.Args{"n": n})})
	}
	return facts
}
