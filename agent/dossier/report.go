package dossier

import (
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/dossier/code"
	"tram/storage"
)

// Bounds of a report.
const (
	MaxReport    = 4 << 20 // bytes
	maxOffices   = 20_000
	maxMonths    = 40 // of one office
	maxCounts    = 5000
	reportMonths = 13 // how far back the figures of months are told
)

// ReportVersion is the version of the format of reports.
const ReportVersion = 1

// Report is what an office tells its hub, and a hub the one above it: figures, and up
// to where that hub's catalogue is known (agent/README.md, "Report to a hub"). It has
// no personal data. A report stands in the place of those that have lower numbers.
type Report struct {
	Version int             `json:"v"`
	Store   storage.ID      `json:"store"` // of the sender; another one numbers anew
	Number  int64           `json:"number"`
	Has     Mark            `json:"has"` // of the catalogue of the hub that it goes to
	Offices []OfficeFigures `json:"offices"`
}

// OfficeFigures are the months of an office that the hub does not have as they are.
type OfficeFigures struct {
	Code   string         `json:"code"`
	At     time.Time      `json:"at"` // as of when
	Months []MonthFigures `json:"months"`
}

// MonthFigures are those of one month, whole: they stand in the place of earlier ones.
type MonthFigures struct {
	Month  string   `json:"month"` // yyyy-mm in Vietnam
	Counts []Counts `json:"counts"`
}

// Counts are the figures of one procedure; see [Figures]. Open ones are told with the
// month that is under way.
type Counts struct {
	Procedure string `json:"procedure"`
	Taken     int    `json:"taken,omitempty"`
	Early     int    `json:"early,omitempty"`
	OnTime    int    `json:"on_time,omitempty"`
	Late      int    `json:"late,omitempty"`
	Open      int    `json:"open,omitempty"`
	OpenLate  int    `json:"open_late,omitempty"`
}

// ReadReport reads and judges a report.
func ReadReport(raw []byte) (Report, error) {
	var r Report
	if len(raw) > MaxReport {
		return r, fmt.Errorf("read report: longer than %d bytes", MaxReport)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read report: %w", err)
	}
	if r.Version != ReportVersion || r.Store == (storage.ID{}) || r.Number < 1 || r.Has.Serial < 0 || len(r.Offices) > maxOffices {
		return r, fmt.Errorf("read report: version %d, number %d, %d offices", r.Version, r.Number, len(r.Offices))
	}
	for _, o := range r.Offices {
		if err := o.check(); err != nil {
			return r, fmt.Errorf("read report: office %.80q: %w", o.Code, err)
		}
	}
	return r, nil
}

func (o OfficeFigures) check() error {
	if o.Code == "" || len(o.Code) > 64 || len(o.Months) > maxMonths || !inYears(o.At) {
		return fmt.Errorf("%d months as of %v", len(o.Months), o.At)
	}
	months := map[string]bool{}
	for _, m := range o.Months {
		if _, err := time.Parse("2006-01", m.Month); err != nil || months[m.Month] || len(m.Counts) > maxCounts {
			return fmt.Errorf("month %.20q with %d procedures", m.Month, len(m.Counts))
		}
		months[m.Month] = true
		seen := map[string]bool{}
		for _, c := range m.Counts {
			if p, err := code.ParseProcedure(c.Procedure); err != nil || p.String() != c.Procedure || seen[c.Procedure] {
				return fmt.Errorf("procedure %.80q in %s", c.Procedure, m.Month)
			}
			seen[c.Procedure] = true
			for _, n := range []int{c.Taken, c.Early, c.OnTime, c.Late, c.Open, c.OpenLate} {
				if n < 0 || int64(n) > maxAmount {
					return fmt.Errorf("figure %d of %s in %s", n, c.Procedure, m.Month)
				}
			}
		}
	}
	return nil
}
