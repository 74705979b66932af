package web

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
)

const (
	logPath = adminPath + "/nhat-ky"
	// logRows is how many entries of the audit log stand on one page.
	logRows = 50
	// logExport is how many entries an export holds at most; the newest count.
	logExport = 200_000
	// exportStep is how many entries are read for it at a time.
	exportStep = 1000
)

// checked is what the last check of the audit log found.
type checked struct {
	at     time.Time
	report audit.Report
	broken *audit.BrokenError
}

// logFilter reads which entries are wanted. What cannot be read is a mistake in
// the form.
func (v *visit) logFilter() (f audit.Filter, inputs []Input, err error) {
	get := func(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }
	inputs = []Input{
		{ID: "actor", Name: "actor", Kind: "text", Label: v.t("admin.log-actor"), Value: get("actor")},
		{ID: "action", Name: "action", Kind: "text", Label: v.t("admin.log-action"), Hint: v.t("admin.log-action-hint"), Value: get("action")},
		{ID: "subject", Name: "subject", Kind: "text", Label: v.t("admin.log-subject"), Hint: v.t("admin.log-subject-hint"), Value: get("subject")},
		{ID: "from", Name: "from", Kind: "number", Label: v.t("admin.log-from"), Hint: v.t("admin.log-date-hint"), Value: get("from")},
		{ID: "until", Name: "until", Kind: "number", Label: v.t("admin.log-until"), Hint: v.t("admin.log-date-hint"), Value: get("until")},
	}
	f = audit.Filter{Actor: get("actor"), Action: get("action"), Subject: subjectOf(get("subject"))}
	var faults problem.List
	for field, into := range map[string]*time.Time{"from": &f.From, "until": &f.Until} {
		if get(field) == "" {
			continue
		}
		day, ok := typedDay(get(field))
		if *into = day; !ok {
			faults = append(faults, problem.New(problem.Usage, "web.date", field, i18n.Args{"value": get(field)}))
		}
	}
	if !f.Until.IsZero() {
		f.Until = f.Until.AddDate(0, 0, 1)
	}
	if text := get("truoc"); text != "" {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil || f.Before < 0 {
			return f, inputs, errNothing()
		}
	}
	return f, inputs, faults.Err()
}

// subjectOf is the subject of entries about a document when text is its address
// or ID.
func subjectOf(text string) string {
	path, _, _ := strings.Cut(text, "?")
	if id, err := uuid.Parse(path[strings.LastIndexByte(path, '/')+1:]); err == nil {
		return id.String()
	}
	return text
}

// logPage shows the audit log, the newest entries first.
func (s *site) logPage(ctx context.Context, v *visit) error {
	f, inputs, err := v.logFilter()
	view := AdminView{Page: s.adminPage(ctx, v, v.t("admin.log"), logPath), Heading: v.t("admin.log")}
	view.Path = v.r.URL.RequestURI()
	query := v.r.URL.Query()
	query.Del("truoc")
	query.Del("xong")
	filter := Form{Action: logPath, Get: true, Inputs: inputs, Buttons: []Button{{Text: v.t("admin.log-show")}}, Links: []Option{
		{Value: logPath + "/xuat?dang=csv&" + query.Encode(), Text: v.t("admin.log-csv"), Chosen: true},
		{Value: logPath + "/xuat?dang=jsonl&" + query.Encode(), Text: v.t("admin.log-jsonl"), Chosen: true}, {Value: logPath, Text: v.t("admin.log-all")}}}
	view.Sections = []Section{s.logChain(v), {Forms: []Form{filter}}}
	if err != nil {
		return s.mended(v, view, inputs, err)
	}
	rows, err := audit.Find(ctx, s.Admin.DB, f, logRows+1)
	if err != nil {
		return err
	}
	grid := Grid{Caption: v.t("admin.log"), Empty: v.t("admin.log-none"), Head: []string{v.t("admin.number"), v.t("admin.at"), v.t("admin.log-actor"), v.t("admin.log-action"), v.t("admin.log-subject"), v.t("admin.log-detail")}}
	for _, r := range rows[:min(len(rows), logRows)] {
		grid.Rows = append(grid.Rows, []Cell{{Text: strconv.FormatInt(r.Seq, 10)}, {Text: r.At.In(vietnam).Format("15:04:05 02/01/2006")}, {Text: r.Actor}, {Text: r.Action, Whole: true}, {Text: r.Subject, Whole: len(r.Subject) <= len(uuid.UUID{})}, {Text: detailWords(r.Detail)}})
	}
	if len(rows) > logRows {
		query.Set("truoc", strconv.FormatInt(rows[logRows-1].Seq, 10))
		view.Pager = Pager{Next: logPath + "?" + query.Encode(), Text: v.t("admin.log-rows", i18n.Args{"n": logRows})}
	} else if f.Before > 0 {
		view.Pager = Pager{Text: v.t("admin.log-end")}
	}
	view.Sections = append(view.Sections, Section{Grid: grid})
	return s.show(v, view, nil, 0)
}

func detailWords(detail map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		words = append(words, key+"="+detail[key])
	}
	return strings.Join(words, "; ")
}

// logChain says what the last check of the chain found, and offers another.
func (s *site) logChain(v *visit) Section {
	s.admin.mu.Lock()
	last := s.admin.checked
	s.admin.mu.Unlock()
	part := Section{Title: v.t("admin.chain"), Forms: []Form{{Action: logPath, Buttons: []Button{{v.t("admin.chain-check"), "viec", "kiem", "plain"}}}}}
	args := i18n.Args{"time": v.clock(last.at), "entries": last.report.Entries}
	switch {
	case last.at.IsZero():
		part.Text = v.t("admin.chain-never")
	case last.broken != nil:
		args["entry"] = last.broken.Seq
		part.Notices = []Notice{{Tone: "red", Text: v.t("admin.chain-broken", args), Fix: v.t("admin.fix.log-changed"), Since: last.broken.Why}}
	default:
		part.Text = v.t("admin.chain-whole", args)
		if last.report.Countersigned > 0 {
			part.Text += " " + v.t("admin.chain-witness", i18n.Args{"entry": last.report.Countersigned, "witness": last.report.Witness, "time": v.clock(last.report.WitnessedAt)})
		}
	}
	return part
}

// verifyLog checks the whole chain.
func (s *site) verifyLog(ctx context.Context, v *visit) error {
	report, err := audit.Verify(ctx, s.Admin.DB)
	found := checked{at: v.now, report: report}
	if err != nil && !errors.As(err, &found.broken) {
		return err
	}
	s.admin.mu.Lock()
	s.admin.checked = found
	s.admin.mu.Unlock()
	v.redirect(logPath)
	return nil
}

// exportLog writes the entries that the filter picks, the newest first.
func (s *site) exportLog(ctx context.Context, v *visit) error {
	f, _, err := v.logFilter()
	if err != nil {
		return err
	}
	kind := v.r.URL.Query().Get("dang")
	write, mime := jsonLine, "application/x-ndjson"
	if kind == "csv" {
		write, mime = csvLine, "text/csv; charset=utf-8"
	} else if kind != "jsonl" {
		return errNothing()
	}
	h := v.w.Header()
	h.Set("Content-Type", mime)
	h.Set("Content-Disposition", `attachment; filename="tram-nhat-ky-`+v.now.In(vietnam).Format("20060102-1504")+`.`+kind+`"`)
	h.Set("Cache-Control", "no-store")
	out := bufio.NewWriter(v.w)
	if kind == "csv" {
		fmt.Fprint(out, "\ufeffseq,at,actor,action,subject,detail,hash\r\n") // the mark has spreadsheets read UTF-8
	}
	for left := logExport; left > 0; left -= exportStep {
		rows, err := audit.Find(ctx, s.Admin.DB, f, min(left, exportStep))
		if err != nil {
			s.Logger.Error("audit log not exported", "error", err)
			panic(http.ErrAbortHandler) // the reader sees that it is cut
		}
		for _, r := range rows {
			if err := write(out, r); err != nil {
				return fmt.Errorf("export audit log: %w", err)
			}
			f.Before = r.Seq
		}
		if len(rows) < exportStep {
			break
		}
	}
	if err := out.Flush(); err != nil {
		s.Logger.Debug("send audit log", "error", err)
	}
	return nil
}

func jsonLine(w io.Writer, r audit.Row) error {
	return json.NewEncoder(w).Encode(struct {
		Seq     int64             `json:"seq"`
		At      time.Time         `json:"at"`
		Actor   string            `json:"actor"`
		Action  string            `json:"action"`
		Subject string            `json:"subject"`
		Detail  map[string]string `json:"detail"`
		Hash    string            `json:"hash"`
	}{r.Seq, r.At, r.Actor, r.Action, r.Subject, r.Detail, fmt.Sprintf("%x", r.Hash)})
}

func csvLine(w io.Writer, r audit.Row) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write([]string{strconv.FormatInt(r.Seq, 10), r.At.In(vietnam).Format(time.RFC3339), noFormula(r.Actor), noFormula(r.Action),
		noFormula(r.Subject), noFormula(detailWords(r.Detail)), fmt.Sprintf("%x", r.Hash)}); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

// noFormula keeps a spreadsheet from computing what somebody else wrote.
func noFormula(text string) string {
	if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r\n") {
		return "'" + text
	}
	return text
}
