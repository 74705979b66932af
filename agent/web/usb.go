package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/agent/web/account"
	"tram/sync/usb"
)

const (
	stickPath = "/usb"
	// atBrowser is the place of packages that the browser brings and takes.
	atBrowser = "trinh-duyet"
	// slotLife is how long packages wait there.
	slotLife = 24 * time.Hour
)

// Sticks is the exchange by stick. All of it is required.
type Sticks struct {
	Station func() (usb.Station, error)
	Places  func() []stick.Place
	// Record writes into the audit log who did what through which place.
	Record func(ctx context.Context, by, action, place string, detail map[string]string) error
	// Dir is a folder of the pages' own for packages that browsers bring and take.
	Dir string
	// Limit bounds these, in bytes.
	Limit int64
}

func (s Sticks) missing() bool {
	return s.Station == nil || s.Places == nil || s.Record == nil || s.Dir == ""
}

func (s *site) stickRoutes() []route {
	who := account.Stick
	return []route{
		{who: who, pattern: "GET " + stickPath, do: s.stick},
		{who: who, pattern: "GET " + stickPath + "/xem", do: s.stickLook},
		{who: who, pattern: "POST " + stickPath + "/xuat", do: s.stickExport},
		{who: who, pattern: "POST " + stickPath + "/nhap", do: s.stickImport},
		{who: who, pattern: "POST " + stickPath + "/tai-len", do: s.stickBring, files: true},
		{who: who, pattern: "GET " + stickPath + "/goi.zip", do: s.stickTake},
	}
}

// slot is the visitor's own folder for packages.
func (s *site) slot(v *visit) string {
	sum := sha256.Sum256([]byte(v.session.User.Name))
	return filepath.Join(s.Sticks.Dir, hex.EncodeToString(sum[:8]))
}

// newSlot empties it, and drops what others left behind.
func (s *site) newSlot(v *visit) (string, error) {
	dir := s.slot(v)
	entries, err := os.ReadDir(s.Sticks.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("list folder for packages: %w", err)
	}
	for _, e := range entries {
		full := filepath.Join(s.Sticks.Dir, e.Name())
		info, err := e.Info()
		if full == dir || err == nil && time.Since(info.ModTime()) > slotLife {
			if err := os.RemoveAll(full); err != nil {
				return "", fmt.Errorf("empty folder for packages: %w", err)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder for packages: %w", err)
	}
	return dir, nil
}

// place finds the folder that a form names: one of those that are there, or the
// visitor's own.
func (s *site) place(v *visit, named string) (string, error) {
	if named == atBrowser {
		return s.slot(v), nil
	}
	for _, p := range s.Sticks.Places() {
		if p.Path == named {
			return p.Path, nil
		}
	}
	return "", problem.New(problem.NotFound, "usb.no-place", "", i18n.Args{"place": named})
}

// placeName is how a place is called.
func (v *visit) placeName(place string) string {
	if place == atBrowser {
		return v.t("usbpage.browser")
	}
	return place
}

// stickPage is the layout of the pages about sticks.
func (s *site) stickPage(ctx context.Context, v *visit) AdminView {
	view := AdminView{Page: s.page(ctx, v, v.t("usbpage.title"), stickPath), Heading: v.t("usbpage.title")}
	view.Styles, view.Path = s.some("admin.css"), stickPath
	return view
}

func (s *site) stick(ctx context.Context, v *visit) error { return s.showStick(ctx, v, nil) }

func (s *site) showStick(ctx context.Context, v *visit, err error) error {
	view := s.stickPage(ctx, v)
	if job := s.usb.of(v.session.User.Name); job != nil {
		view.Sections = append(view.Sections, s.jobSection(v, job))
	}
	view.Sections = append(view.Sections, s.stickWaiting(ctx, v))
	places := s.Sticks.Places()
	if len(places) == 0 {
		view.Sections = append(view.Sections, Section{Title: v.t("usbpage.places"), Text: v.t("usbpage.no-place"), Commands: []string{
			"sudo tram usb export --out /media/usb", "sudo tram usb import /media/usb"}})
	}
	for _, p := range places {
		room := v.t("usbpage.free", i18n.Args{"size": formatSize(v.lang, p.Free)})
		if p.Total == 0 {
			room = ""
		}
		view.Sections = append(view.Sections, Section{Title: v.t("usbpage.stick", i18n.Args{"path": p.Path}), Text: room, Forms: []Form{stickForm(v, p.Path)}})
	}
	file := Input{ID: "files", Name: "files", Kind: "file", Label: v.t("usbpage.bring"), Hint: v.t("usbpage.bring-hint", i18n.Args{"max": formatSize(v.lang, s.Sticks.Limit)})}
	view.Sections = append(view.Sections, Section{Title: v.t("usbpage.browser"), Text: v.t("usbpage.browser-what"), Forms: []Form{
		{Action: stickPath + "/xuat", Inputs: []Input{hidden(atBrowser)}, Buttons: []Button{{v.t("usbpage.take"), "", "", ""}}},
		{Action: stickPath + "/tai-len", Files: true, Inputs: []Input{file}, Buttons: []Button{{v.t("usbpage.bring-go"), "", "", "plain"}}}}})
	if err != nil {
		forms := view.Sections[len(view.Sections)-1].Forms
		return s.mended(v, view, forms[1].Inputs, err)
	}
	return s.show(v, view, nil, 0)
}

func hidden(place string) Input { return Input{Name: "noi", Kind: "hidden", Value: place} }

// stickForm offers both ways of a place.
func stickForm(v *visit, place string) Form {
	return Form{Action: stickPath + "/xuat", Inputs: []Input{hidden(place)}, Buttons: []Button{{v.t("usbpage.export"), "", "", ""}},
		Links: []Option{{Value: stickPath + "/xem?noi=" + url.QueryEscape(place), Text: v.t("usbpage.look")}}}
}

// stickWaiting says what an export would put onto a stick.
func (s *site) stickWaiting(ctx context.Context, v *visit) Section {
	part := Section{Title: v.t("usbpage.waiting")}
	station, err := s.Sticks.Station()
	var waiting usb.Waiting
	if err == nil {
		waiting, err = station.Outgoing(ctx, "")
	}
	if err != nil {
		p := problem.From(stick.Explain(err))
		part.Notices = []Notice{{Tone: "amber", Text: p.Message(v.lang), Fix: p.Next(v.lang)}}
		return part
	}
	size := int64(0)
	for _, l := range waiting.Letters {
		size += l.Size()
	}
	part.Text = v.t("usbpage.waiting-line", i18n.Args{"n": len(waiting.Letters), "size": formatSize(v.lang, size), "to": waiting.To})
	if len(waiting.Letters) == 0 {
		part.Text = v.t("usbpage.waiting-none", i18n.Args{"to": waiting.To})
	}
	return part
}

// stickLook says what is on a stick, before anything is taken from it.
func (s *site) stickLook(ctx context.Context, v *visit) error {
	named := v.r.URL.Query().Get("noi")
	view := s.stickPage(ctx, v)
	view.Heading, view.Back, view.BackText = v.t("usbpage.look-title", i18n.Args{"place": v.placeName(named)}), stickPath, v.t("usbpage.title")
	view.Path = v.r.URL.RequestURI()
	var found []usb.Found
	err := s.withStick(v, named, func(st *usb.Stick, station usb.Station) (err error) {
		found, err = usb.Look(ctx, st, station)
		return err
	})
	if err != nil {
		return s.mended(v, view, nil, err)
	}
	grid := Grid{Caption: v.t("usbpage.packages"), Empty: v.t("problem.usb.nothing"), Head: []string{v.t("usb.col.from"), v.t("usb.col.to"), v.t("usb.col.created"),
		v.t("usb.col.count"), v.t("usb.col.size"), v.t("usb.col.replies"), v.t("usb.col.state")}}
	fresh := false
	for _, f := range found {
		fresh = fresh || f.State == usb.New || f.State == usb.Incomplete
		grid.Rows = append(grid.Rows, []Cell{{Text: dash(stickParty(f.From))}, {Text: dash(stickParty(f.To))}, {Text: dash(formatFull(f.Created))}, {Text: strconv.Itoa(f.Bundles)},
			{Text: formatSize(v.lang, f.Bytes)}, {Text: strconv.Itoa(f.Replies)}, {Tag: v.packageTag(f), Note: v.packageNote(f)}})
	}
	part := Section{Grid: grid}
	if fresh {
		part.Forms = []Form{{Action: stickPath + "/nhap", Inputs: []Input{hidden(named)}, Buttons: []Button{{v.t("usbpage.import"), "", "", ""}}}}
	}
	view.Sections = []Section{part}
	return s.show(v, view, nil, 0)
}

func stickParty(p usb.Party) string {
	if p.Name == "" {
		return p.Code
	}
	return p.Name + " (" + p.Code + ")"
}

func (v *visit) packageTag(f usb.Found) Tag {
	tones := map[usb.State]string{usb.New: "green", usb.Imported: "grey", usb.Other: "amber", usb.Invalid: "red", usb.Incomplete: "amber"}
	return Tag{v.t("usb.state." + string(f.State)), tones[f.State]}
}

// packageNote says what becomes of a package that is not simply new.
func (v *visit) packageNote(f usb.Found) string {
	switch f.State {
	case usb.Imported:
		at := f.Imported.In(vietnam)
		return v.t("usb.import.before", i18n.Args{"time": at.Format("15:04"), "date": at.Format("02/01/2006")})
	case usb.Other:
		return v.t("problem.usb.other-office", i18n.Args{"to": stickParty(f.To), "self": stickParty(f.Self)})
	case usb.Invalid:
		return v.t("problem.usb.invalid")
	case usb.Incomplete:
		return v.t("problem.usb.incomplete", i18n.Args{"from": stickParty(f.From)})
	}
	return ""
}

// withStick opens a place for what do does. Errors are for people.
func (s *site) withStick(v *visit, named string, do func(*usb.Stick, usb.Station) error) error {
	dir, err := s.place(v, named)
	if err != nil {
		return err
	}
	return s.atStick(dir, do)
}

func (s *site) atStick(dir string, do func(*usb.Stick, usb.Station) error) error {
	station, err := s.Sticks.Station()
	if err != nil {
		return err
	}
	st, err := usb.Open(dir)
	if err != nil {
		return stick.Explain(err)
	}
	return errors.Join(stick.Explain(do(st, station)), st.Close())
}

// stickBring takes the packages that a browser brings and shows them.
func (s *site) stickBring(ctx context.Context, v *visit) error {
	up, err := s.receiveWithin(v, s.Sticks.Limit, s.Sticks.Limit)
	defer up.remove(s.Logger)
	if err == nil && len(up.files) != 1 {
		err = problem.New(problem.Usage, "usb.one-archive", "files", nil)
	}
	if err == nil {
		err = s.unpack(v, up.files[0])
	}
	if err != nil {
		if problem.From(err).Class == problem.Denied {
			return err
		}
		return s.showStick(ctx, v, err)
	}
	v.redirect(stickPath + "/xem?noi=" + atBrowser)
	return nil
}

func (s *site) unpack(v *visit, file spooled) error {
	if s.usb.busy() {
		return problem.New(problem.Busy, "usb.busy", "", nil)
	}
	dir, err := s.newSlot(v)
	if err != nil {
		return err
	}
	f, err := os.Open(file.path)
	if err != nil {
		return fmt.Errorf("read upload: %w", err)
	}
	defer f.Close()
	return stick.Unpack(f, file.size, dir, s.Sticks.Limit)
}

// stickTake hands the visitor's packages to the browser.
func (s *site) stickTake(_ context.Context, v *visit) error {
	dir := s.slot(v)
	if _, err := os.Stat(dir); err != nil {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="tram-usb-`+v.now.In(vietnam).Format("20060102-1504")+`.zip"`)
	h.Set("Cache-Control", "private, no-store")
	if v.r.Method == http.MethodHead {
		return nil
	}
	if err := stick.Pack(v.w, dir, s.Config.Unit.Code, v.now); err != nil {
		s.Logger.Error("packages not sent", "error", err)
		panic(http.ErrAbortHandler) // the browser sees that it is cut
	}
	return nil
}
