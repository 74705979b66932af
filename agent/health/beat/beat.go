// Package beat is the heartbeat of an office's agent: a small JSON document that
// says how the office stands, and when it is sent.
//
// It is pure. It promises that what Encode writes Parse reads back as the same,
// that Parse bounds whatever comes from outside (P9), and that a reader who does
// not know a field passes over it. The format is specified in agent/README.md,
// "Heartbeat", with testdata/full.json as its vector.
package beat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tram/agent/health"
	"tram/agent/i18n"
)

// Version is the version of the format.
const Version = 1

// Limits, hard. Parse refuses what is over them; Encode leaves out what does not
// fit, and says how much.
const (
	MaxSize       = 4 << 10 // bytes of a heartbeat
	MaxConditions = 16
	MaxFailed     = 8
	MaxText       = 64 // bytes of each text but those in the arguments of conditions
	levels        = 4  // of urgency
)

// Bounds of Every and Away.
const (
	MinEvery = time.Second
	MaxEvery = 24 * time.Hour
	MaxAway  = 7 * 24 * time.Hour
)

// Errors of Parse.
var (
	ErrFormat  = errors.New("not a heartbeat")
	ErrVersion = errors.New("heartbeat of another version")
)

// Beat is a heartbeat. Times are the office's own, to the second.
type Beat struct {
	Version  int       `json:"v"`
	At       time.Time `json:"at"`
	Software string    `json:"software"`
	Started  time.Time `json:"started,omitzero"`
	// Every is within how many seconds the next one follows while the office is
	// connected; Away how many it may be without a connection by its own plan.
	Every int64 `json:"every"`
	Away  int64 `json:"away,omitempty"`
	// Conditions are what is not as it should be; More counts those that did not
	// fit.
	Conditions  []health.Condition `json:"conditions,omitempty"`
	More        int                `json:"more,omitempty"`
	Queue       Queue              `json:"queue"`
	Fetch       Fetch              `json:"fetch,omitzero"`
	Rate        int64              `json:"rate,omitempty"` // bytes per second that the last transfers were measured at; 0: not known
	Disk        Disk               `json:"disk"`
	Clock       Clock              `json:"clock"`
	Certificate time.Time          `json:"certificate,omitzero"` // end of the device certificate
	Line        Line               `json:"line"`
	Budget      *Budget            `json:"budget,omitempty"` // of the SIM; nil: there is none
	Backup      time.Time          `json:"backup,omitzero"`  // of the last one that was verified; zero: not known
	Failed      []Failed           `json:"failed,omitempty"` // of the last day
}

// Failed is a sender whose documents were sent back at their arrival, because of their
// seal or of what it covers, or came with signatures that failed.
type Failed struct {
	Sender string    `json:"sender"` // office code
	Count  int       `json:"count"`  // of such documents
	Last   time.Time `json:"last"`   // when the last one came
}

// Queue is the documents that are not at the hub yet.
type Queue struct {
	Count  int       `json:"count"`
	Bytes  int64     `json:"bytes,omitempty"`
	Since  time.Time `json:"since,omitzero"`   // creation of the oldest
	Levels []Level   `json:"levels,omitempty"` // the most urgent first; of each urgency that waits
}

// Level is those of one urgency.
type Level struct {
	Urgency uint8     `json:"urgency"` // 0–3
	Count   int       `json:"count"`
	Since   time.Time `json:"since"`
}

// Fetch is what is being fetched from the hub.
type Fetch struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"` // that have not come yet
}

// Disk is where the data folder lies.
type Disk struct {
	Free    int64 `json:"free"`                // bytes that may be used: without the reserve
	Reserve int64 `json:"reserve"`             // bytes that are never used
	Days    *int  `json:"full_days,omitempty"` // until Free is used up at the pace of the last days; nil: it is not foreseeable
}

// Clock is how far the office's clock is to be believed.
type Clock struct {
	Trusted bool  `json:"trusted"`
	Offset  int64 `json:"offset_ms,omitempty"` // hub's clock minus the office's, at the last session
}

// Line is the line in use.
type Line struct {
	Interface string `json:"interface,omitempty"`
	Metered   bool   `json:"metered,omitempty"`
	Carrier   string `json:"carrier,omitempty"` // or access point, of a metered line, as the settings name it
}

// Budget is the SIM's month, in bytes.
type Budget struct {
	Limit    int64  `json:"limit,omitempty"` // 0: no bound
	Used     int64  `json:"used"`
	Forecast *int64 `json:"forecast,omitempty"` // at the month's end; nil: not known yet
	Today    int64  `json:"today,omitempty"`
	Usual    int64  `json:"usual,omitempty"` // mean of the last seven days before today; 0: not known yet
}

// Encode writes b, with Version and times to the second. What does not fit into
// MaxSize is left out: first the arguments of conditions, then conditions.
func Encode(b Beat) ([]byte, error) {
	b.Version = Version
	for _, t := range b.times() {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Second)
		}
	}
	for _, text := range []*string{&b.Software, &b.Line.Interface, &b.Line.Carrier} {
		*text = tidyText(*text)
		for len(*text) > MaxText {
			_, size := utf8.DecodeLastRuneInString(*text)
			*text = (*text)[:len(*text)-size]
		}
	}
	b.Failed = b.Failed[:min(len(b.Failed), MaxFailed)]
	if n := len(b.Conditions) - MaxConditions; n > 0 {
		b.Conditions, b.More = b.Conditions[:MaxConditions], b.More+n
	}
	b.Conditions = slices.Clone(b.Conditions)
	for i := range b.Conditions {
		b.Conditions[i].Args = tidy(b.Conditions[i].Args)
	}
	for bare := len(b.Conditions); ; {
		data, err := json.Marshal(b)
		if err != nil {
			return nil, fmt.Errorf("encode heartbeat: %w", err)
		}
		switch n := len(b.Conditions); {
		case len(data) <= MaxSize:
			return data, nil
		case bare > 0:
			bare--
			b.Conditions[bare].Args = nil
		case n > 0:
			b.Conditions, b.More = b.Conditions[:n-1], b.More+1
		default:
			return nil, fmt.Errorf("encode heartbeat: %d bytes", len(data))
		}
	}
}

// times are all times of b; those of lists are copied first.
func (b *Beat) times() []*time.Time {
	b.Queue.Levels, b.Failed = slices.Clone(b.Queue.Levels), slices.Clone(b.Failed)
	list := []*time.Time{&b.At, &b.Started, &b.Certificate, &b.Backup, &b.Queue.Since}
	for i := range b.Queue.Levels {
		list = append(list, &b.Queue.Levels[i].Since)
	}
	for i := range b.Failed {
		list = append(list, &b.Failed[i].Last)
	}
	return list
}

// Parse reads a heartbeat. Errors are ErrFormat and ErrVersion.
func Parse(data []byte) (Beat, error) {
	var b Beat
	if len(data) > MaxSize {
		return Beat{}, fmt.Errorf("%w: %d bytes", ErrFormat, len(data))
	}
	if !utf8.Valid(data) {
		return Beat{}, fmt.Errorf("%w: not UTF-8", ErrFormat)
	}
	var head struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Beat{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if head.Version != Version {
		return Beat{}, fmt.Errorf("%w: %d", ErrVersion, head.Version)
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return Beat{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if fault := b.fault(); fault != "" {
		return Beat{}, fmt.Errorf("%w: %s", ErrFormat, fault)
	}
	for _, t := range b.times() {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Second)
		}
	}
	return b, nil
}

// fault is the field that is not as the format wants it, "" for none.
func (b *Beat) fault() string {
	if every := time.Duration(b.Every) * time.Second; b.Every > int64(MaxEvery/time.Second) || every < MinEvery {
		return "every"
	}
	if b.Away < 0 || b.Away > int64(MaxAway/time.Second) {
		return "away"
	}
	for name, text := range map[string]string{"software": b.Software, "line.interface": b.Line.Interface, "line.carrier": b.Line.Carrier} {
		if len(text) > MaxText || !plain(text) {
			return name
		}
	}
	if b.More < 0 || len(b.Conditions) > MaxConditions {
		return "conditions"
	}
	for _, c := range b.Conditions {
		if !code(c.Code) || !plainArgs(c.Args) {
			return "conditions"
		}
	}
	if len(b.Failed) > MaxFailed {
		return "failed"
	}
	for _, f := range b.Failed {
		if f.Count < 0 || f.Sender == "" || len(f.Sender) > MaxText || !plain(f.Sender) {
			return "failed"
		}
	}
	least := uint8(levels)
	for _, l := range b.Queue.Levels {
		if l.Urgency >= least || l.Count < 0 {
			return "queue.levels"
		}
		least = l.Urgency
	}
	counts := []int64{int64(b.Queue.Count), b.Queue.Bytes, int64(b.Fetch.Count), b.Fetch.Bytes, b.Rate, b.Disk.Free, b.Disk.Reserve}
	if b.Disk.Days != nil {
		counts = append(counts, int64(*b.Disk.Days))
	}
	if b.Budget != nil {
		counts = append(counts, b.Budget.Limit, b.Budget.Used, b.Budget.Today, b.Budget.Usual)
		if b.Budget.Forecast != nil {
			counts = append(counts, *b.Budget.Forecast)
		}
	}
	if slices.Min(counts) < 0 {
		return "a number below 0"
	}
	for _, t := range b.times() {
		if t.Year() < 0 || t.Year() > 9998 {
			return "a time"
		}
	}
	return ""
}

// tidy gives arguments as Parse takes them: numbers, messages, and texts without
// anything that acts on a terminal.
func tidy(args i18n.Args) i18n.Args {
	if len(args) == 0 {
		return nil
	}
	clean := i18n.Args{}
	for name, value := range args {
		switch v := value.(type) {
		case json.Number, bool, nil, int, int64, uint8, float64:
			clean[name] = v
		case *i18n.Said:
			clean[name] = i18n.Say(v.Key, tidy(v.Args))
		default:
			clean[name] = tidyText(fmt.Sprint(v))
		}
	}
	return clean
}

func tidyText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func plain(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }

// plainArgs tells whether nothing in args would act on a terminal.
func plainArgs(args i18n.Args) bool {
	for name, value := range args {
		switch v := value.(type) {
		case string:
			if !plain(v) {
				return false
			}
		case json.Number, bool, nil:
		case *i18n.Said:
			if !plain(v.Key) || !plainArgs(v.Args) {
				return false
			}
		default:
			return false
		}
		if !plain(name) {
			return false
		}
	}
	return true
}

// code tells whether s may be the code of a condition.
func code(s string) bool {
	return s != "" && len(s) <= MaxText && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
