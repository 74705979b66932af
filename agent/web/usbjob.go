package web

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/sync/usb"
)

const (
	// jobWait is how long a form waits for what it began, so that a small package
	// is done when the page comes.
	jobWait = time.Second
	// jobLook is after how many seconds the page of something that goes on looks
	// again.
	jobLook = "3"
	// maxJobs bounds how many results are remembered, one for each account.
	maxJobs = 64
)

// stickState is what goes on with sticks: one thing at a time.
type stickState struct {
	mu   sync.Mutex
	jobs map[string]*stickJob // the last one of each account
}

// stickJob is an export or import under way or done. It goes on when the
// browser leaves.
type stickJob struct {
	what, place string // "xuat" or "nhap"
	over        chan struct{}

	mu          sync.Mutex
	done, total int64
	err         error
	exported    usb.Exported
	results     []usb.Result
}

func (j *stickJob) set(done, total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done, j.total = done, total
}

func (j *stickJob) running() bool {
	select {
	case <-j.over:
		return false
	default:
		return true
	}
}

func (s *stickState) of(name string) *stickJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[name]
}

func (s *stickState) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.running() {
			return true
		}
	}
	return false
}

// begin makes room for another one, nil while one goes on.
func (s *stickState) begin(name, what, place string) *stickJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, j := range s.jobs {
		if j.running() {
			return nil
		}
		if len(s.jobs) >= maxJobs {
			delete(s.jobs, other)
		}
	}
	if s.jobs == nil {
		s.jobs = map[string]*stickJob{}
	}
	s.jobs[name] = &stickJob{what: what, place: place, over: make(chan struct{})}
	return s.jobs[name]
}

func (s *site) stickExport(ctx context.Context, v *visit) error {
	return s.stickGo(ctx, v, "xuat", func(ctx context.Context, j *stickJob, st *usb.Stick, station usb.Station) (map[string]string, error) {
		o := usb.ExportOptions{Progress: j.set, Now: s.Now}
		if j.place == atBrowser {
			o.MaxBytes = s.Sticks.Limit
		}
		x, err := usb.Export(ctx, st, station, o)
		j.mu.Lock()
		j.exported = x
		j.mu.Unlock()
		return map[string]string{"to": x.To, "count": strconv.Itoa(x.Bundles)}, err
	})
}

func (s *site) stickImport(ctx context.Context, v *visit) error {
	return s.stickGo(ctx, v, "nhap", func(ctx context.Context, j *stickJob, st *usb.Stick, station usb.Station) (map[string]string, error) {
		found, err := usb.Look(ctx, st, station)
		taken := 0
		for _, f := range found {
			if err != nil {
				break
			}
			var r usb.Result
			if r, err = usb.Take(ctx, st, station, f, usb.ImportOptions{Progress: j.set, Now: s.Now}); f.State == usb.Invalid {
				err = nil // it is told with the others
			}
			taken += r.Taken
			j.mu.Lock()
			j.results = append(j.results, r)
			j.mu.Unlock()
		}
		return map[string]string{"packages": strconv.Itoa(len(found)), "taken": strconv.Itoa(taken)}, err
	})
}

// stickGo begins what do does with the place that the form names, and shows how
// it goes.
func (s *site) stickGo(ctx context.Context, v *visit, what string, do func(context.Context, *stickJob, *usb.Stick, usb.Station) (map[string]string, error)) error {
	named := v.r.PostFormValue("noi")
	dir, err := s.place(v, named)
	if err != nil {
		return s.showStick(ctx, v, err)
	}
	by := v.session.User.Name
	j := s.usb.begin(by, what, named)
	if j == nil {
		return s.showStick(ctx, v, problem.New(problem.Busy, "usb.busy", "", nil))
	}
	if named == atBrowser && what == "xuat" {
		if _, err := s.newSlot(v); err != nil {
			close(j.over)
			return err
		}
	}
	// It outlives the request: the stick must not be left half written because a
	// browser was closed.
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer close(j.over)
		var detail map[string]string
		err := s.atStick(dir, func(st *usb.Stick, station usb.Station) (err error) {
			detail, err = do(ctx, j, st, station)
			return err
		})
		if err == nil {
			err = s.Sticks.Record(ctx, by, map[string]string{"xuat": "usb.export", "nhap": "usb.import"}[what], named, detail)
		}
		if err != nil && !errors.As(err, new(*problem.Problem)) {
			s.Logger.Error("exchange by stick failed", "error", err)
		}
		j.mu.Lock()
		j.err = err
		j.mu.Unlock()
	}()
	select {
	case <-j.over:
	case <-time.After(jobWait):
	case <-v.r.Context().Done():
	}
	v.redirect(stickPath)
	return nil
}

// jobSection says how an export or import goes, or went.
func (s *site) jobSection(v *visit, j *stickJob) Section {
	running := j.running()
	j.mu.Lock()
	defer j.mu.Unlock()
	part := Section{Title: v.t("usbpage."+j.what+"-title", i18n.Args{"place": v.placeName(j.place)})}
	again := Form{Action: stickPath + "/" + j.what, Inputs: []Input{hidden(j.place)}, Buttons: []Button{{v.t("usbpage.continue"), "", "", ""}}}
	switch {
	case running:
		v.w.Header().Set("Refresh", jobLook)
		part.Text, part.Bar = v.t("usbpage.running", i18n.Args{"sizes": formatPair(v.lang, j.done, j.total)}), true
		if j.total > 0 {
			part.Percent = int(min(100, j.done*100/j.total))
		}
	case errors.Is(j.err, usb.ErrStick):
		part.Notices = []Notice{{Tone: "red", Text: v.t("usbpage.pulled"), Fix: v.t("usbpage.pulled-next")}}
		part.Forms = []Form{again}
	case j.err != nil:
		p := problem.From(j.err)
		part.Notices = []Notice{{Tone: "red", Text: p.Message(v.lang), Fix: p.Next(v.lang)}}
		part.Forms = []Form{again}
	case j.what == "xuat":
		part.Notices = v.exportNotices(j.exported)
	default:
		part.Notices = v.importNotices(j.results)
	}
	if !running && j.err == nil && j.place == atBrowser {
		part.Forms = []Form{{Action: stickPath, Get: true, Links: []Option{{Value: stickPath + "/goi.zip", Text: v.t("usbpage.download"), Chosen: true}}}}
	} else if !running && j.err == nil {
		part.Notices = append(part.Notices, Notice{Tone: "green", Text: v.t("usb.remove")})
	}
	return part
}

func (v *visit) exportNotices(x usb.Exported) []Notice {
	args := i18n.Args{"to": x.To, "count": x.Bundles, "size": formatSize(v.lang, x.Bytes), "already": x.Already, "left": x.Left, "left_size": formatSize(v.lang, x.LeftSize)}
	key := "usb.export.nothing"
	if x.Bundles > 0 {
		key = "usb.export.done"
	} else if x.Already > 0 {
		key = "usb.export.already"
	}
	list := []Notice{{Tone: "green", Text: v.t(key, args)}}
	if x.Left > 0 {
		list = append(list, Notice{Tone: "amber", Text: v.t("usbpage.left", args)})
	}
	return list
}

func (v *visit) importNotices(results []usb.Result) []Notice {
	var list []Notice
	add := func(tone, text string) { list = append(list, Notice{Tone: tone, Text: text}) }
	for _, r := range results {
		if note := v.packageNote(r.Found); note != "" && (r.State != usb.Incomplete || r.Bundles+r.Replies == 0) {
			add(map[usb.State]string{usb.Invalid: "red"}[r.State], note)
			continue
		}
		add("green", v.t("usb.import.done", i18n.Args{"from": stickParty(r.From), "taken": r.Taken, "refused": r.Refused, "later": r.Later, "replies": r.Replies}))
		if r.Full {
			add("amber", v.t("problem.usb.no-room"))
		} else if r.Later > 0 {
			add("amber", v.t("usb.import.later", i18n.Args{"count": r.Later}))
		}
		if r.NoReturn {
			add("amber", v.t("usb.import.no-return"))
		}
	}
	if len(results) == 0 {
		add("", v.t("problem.usb.nothing"))
	}
	return list
}
