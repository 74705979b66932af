package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
)

// maxDossierExport is how many dossiers one file has. Of more, the first are in it,
// and its last line says so.
const maxDossierExport = 5000

// Forms of exports, and columns that no book has.
const (
	dossierTable register.Kind = "dossier-list"
	statsTable   register.Kind = "dossier-stats"

	dossierCode      register.Field = "dossier-code"
	dossierApplicant register.Field = "dossier-applicant"
	dossierProcedure register.Field = "dossier-procedure"
	dossierChannel   register.Field = "dossier-channel"
	dossierTaken     register.Field = "dossier-taken"
	dossierDue       register.Field = "dossier-due"
	dossierEnded     register.Field = "dossier-ended"
	dossierState     register.Field = "dossier-state"
	dossierOutcome   register.Field = "dossier-outcome"
	dossierHandler   register.Field = "dossier-handler"

	statsCode    register.Field = "stats-code"
	statsTaken   register.Field = "stats-taken"
	statsEarly   register.Field = "stats-early"
	statsOnTime  register.Field = "stats-on-time"
	statsLate    register.Field = "stats-late"
	statsPercent register.Field = "stats-percent"
	statsOpen    register.Field = "stats-open"
	statsOpenOff register.Field = "stats-open-late"
)

// dossierBook is the list as a form.
var dossierBook = register.Book{Kind: dossierTable, Columns: []register.Column{
	{Field: dossierCode, Width: 40}, {Field: dossierApplicant, Width: 32}, {Field: dossierProcedure, Width: 50}, {Field: dossierChannel, Width: 18},
	{Field: dossierTaken, Width: 20, Align: register.Center}, {Field: dossierDue, Width: 20, Align: register.Center}, {Field: dossierEnded, Width: 20, Align: register.Center},
	{Field: dossierState, Width: 20}, {Field: dossierOutcome, Width: 15}, {Field: dossierHandler, Width: 22},
}}

// statsBook is the figures of a month as a form.
var statsBook = register.Book{Kind: statsTable, Columns: []register.Column{
	{Field: statsCode, Width: 25}, {Field: dossierProcedure, Width: 92}, {Field: statsTaken, Width: 20, Align: register.Center},
	{Field: statsEarly, Width: 20, Align: register.Center}, {Field: statsOnTime, Width: 20, Align: register.Center}, {Field: statsLate, Width: 20, Align: register.Center},
	{Field: statsPercent, Width: 20, Align: register.Center}, {Field: statsOpen, Width: 20, Align: register.Center}, {Field: statsOpenOff, Width: 20, Align: register.Center},
}}

// dossierExport sends the list as a file: what the list shows, masked as there.
func (s *site) dossierExport(ctx context.Context, v *visit) error {
	l := dossiersAsked(v)
	if len(l.errs) > 0 {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	l.query.After, l.query.Limit = "", dossier.MaxPage
	table := s.exportTable(v, dossierBook)
	table.Volume.FirstDay, table.Volume.LastDay = l.query.From, l.query.To
	for {
		page, err := s.Dossiers.List(ctx, l.query)
		if err != nil {
			return fmt.Errorf("list dossiers: %w", err)
		}
		for _, r := range page.Rows {
			if len(table.Lines) == maxDossierExport {
				table.Lines = append(table.Lines, register.Line{Key: "cut", Values: map[register.Field]string{
					dossierProcedure: i18n.T(i18n.Vietnamese, "web.dossier.export-cut", i18n.Args{"n": maxDossierExport}),
				}})
				return s.sendTable(v, table, "ho-so-mot-cua")
			}
			table.Lines = append(table.Lines, dossierLine(r))
		}
		if l.query.After = page.Next; page.Next == "" {
			return s.sendTable(v, table, "ho-so-mot-cua")
		}
	}
}

func (s *site) exportTable(v *visit, book register.Book) register.Table {
	return register.Table{Book: book, Made: v.now, Volume: register.Volume{Office: partyName(s.Config.Unit), Year: v.now.In(vietnam).Year()}}
}

// dossierLine is one dossier. Forms are Vietnamese whatever the page's language.
func dossierLine(r dossier.Row) register.Line {
	return register.Line{Key: r.ID.String(), Values: map[register.Field]string{
		dossierCode: r.Code.String(), dossierApplicant: r.Applicant, dossierProcedure: r.Procedure,
		dossierChannel: i18n.T(i18n.Vietnamese, "web.dossier.channel."+strconv.Itoa(int(r.Channel))),
		dossierTaken:   formatFull(r.Accepted), dossierDue: formatFull(r.Due), dossierEnded: formatFull(r.Ended),
		dossierState: r.Status.Text(i18n.Vietnamese), dossierOutcome: r.Outcome.Text(i18n.Vietnamese), dossierHandler: r.Handler,
	}}
}

// sendTable sends a table as xlsx or, when the address asks for it, as csv.
func (s *site) sendTable(v *visit, t register.Table, name string) error {
	kind := v.r.URL.Query().Get("dang")
	var data []byte
	var err error
	media := exportTypes["xlsx"]
	switch kind {
	case "xlsx":
		data, err = t.XLSX()
	case "csv":
		media = "text/csv; charset=utf-8"
		data, err = tableCSV(t)
	default:
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + "-" + v.now.In(vietnam).Format("20060102-1504") + "." + kind}))
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// tableCSV writes a table for spreadsheets, which take text that begins as a formula
// does for one: such a value gets an apostrophe.
func tableCSV(t register.Table) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("\ufeff") // or Excel takes it for another encoding
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	record := make([]string, len(t.Book.Columns))
	for i, c := range t.Book.Columns {
		record[i] = c.Title()
	}
	_ = w.Write(record) // into memory: Flush tells all there is to tell
	for _, l := range t.Lines {
		for i, c := range t.Book.Columns {
			if record[i] = l.Values[c.Field]; strings.ContainsAny(record[i][:min(1, len(record[i]))], "=+-@\t\r") {
				record[i] = "'" + record[i]
			}
		}
		_ = w.Write(record)
	}
	w.Flush()
	return out.Bytes(), w.Error()
}
