package books

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/register"
	"tram/storage"
)

// line is an entry of a book as it stands today.
type line struct {
	register.Line
	day     time.Time // of the entry, for periods and covers
	series  string
	number  int      // in its series; 0 when it is no number
	remarks []string // those that count when the line is printed already
	notes   int64    // the newest correction that is in it
}

// Bounds of what a line of a book names.
const (
	maxNamed    = 30 // recipients; of more the rest is counted
	maxReturned = 5  // recipients that gave a document back
)

// paper is a text of the printed books, which are Vietnamese.
func paper(key string, args ...i18n.Args) string {
	return i18n.T(i18n.Vietnamese, "books.paper."+key, args...)
}

// made are the lines of a book that is made from documents, in the order in which
// they would be printed at once.
func (b *Books) made(ctx context.Context, kind register.Kind, year int) ([]line, error) {
	box := office.In
	if kind == register.Outgoing || kind == register.OutgoingReport {
		box = office.Out
	}
	docs, err := b.o.Source.Yearbook(ctx, box, year)
	if err != nil {
		return nil, err
	}
	if box == office.Out {
		heads, err := b.heads(ctx, docs)
		if err != nil {
			return nil, err
		}
		lines := make([]line, len(docs))
		for i, d := range docs {
			lines[i] = b.outgoing(d, heads[d.ID])
		}
		return inOrder(lines), nil
	}
	followed, err := b.followed(ctx, docs)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, d := range docs {
		f, ok := followed[d.ID]
		switch {
		case kind == register.Incoming:
			lines = append(lines, incoming(d, f))
		case ok || b.o.Followed == nil:
			lines = append(lines, followUp(d, f))
		}
	}
	return lines, nil
}

func (b *Books) followed(ctx context.Context, docs []office.Booking) (map[storage.ID]Followed, error) {
	if b.o.Followed == nil || len(docs) == 0 {
		return nil, nil
	}
	ids := make([]storage.ID, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	f, err := b.o.Followed(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("ask for the handling: %w", err)
	}
	return f, nil
}

func (b *Books) outgoing(d office.Booking, h head) line {
	copies := h.copies
	if p := d.Paper; p != nil {
		h.signer, copies = p.Signer, ""
		if p.Copies > 0 {
			copies = strconv.Itoa(p.Copies)
		}
	}
	if copies == "" {
		copies = strconv.Itoa(len(d.To))
	}
	l := line{day: dayOf(d.Entered), remarks: outgoingRemarks(d.Document)}
	l.number = leading(d.Number)
	l.series = d.Series
	l.Line = register.Line{Key: d.ID.String(), Values: map[register.Field]string{
		register.CodeOf: symbol(d.Document), register.DocumentDate: documentDay(d.Date), register.TypeSubject: typeSubject(d.Document),
		register.Signer: h.signer, register.Destination: destinations(d.To), register.CopyKeeper: paper("kept-by-clerk"), register.Copies: copies,
		register.HandoverDate: register.Day(l.day), register.Remarks: strings.Join(l.remarks, "\n"),
	}}
	return l
}

func incoming(d office.Booking, f Followed) line {
	l := line{day: arrivalDay(d), number: d.Arrival, remarks: incomingRemarks(d.Document)}
	l.Line = register.Line{Key: d.ID.String(), Values: map[register.Field]string{
		register.ArrivalDate: register.Day(l.day), register.ArrivalNo: register.Number(d.Arrival), register.Author: d.From.Name,
		register.CodeOf: symbol(d.Document), register.DocumentDate: documentDay(d.Date), register.TypeSubject: typeSubject(d.Document),
		register.Recipient: f.Recipient, register.HandoverDate: register.Day(dayOf(f.HandedOver)), register.Remarks: strings.Join(l.remarks, "\n"),
	}}
	return l
}

// arrivalDay is ngày đến: when an electronic document was accepted, when a paper
// one came.
func arrivalDay(d office.Booking) time.Time {
	if d.Paper != nil {
		if day, err := time.ParseInLocation(time.DateOnly, d.Paper.Arrived, clock.Vietnam); err == nil {
			return day
		}
	}
	return dayOf(d.Entered)
}

func followUp(d office.Booking, f Followed) line {
	l := line{day: dayOf(d.Entered), number: d.Arrival, remarks: incomingRemarks(d.Document)}
	origin := typeSubjectless(d.Document) + " " + symbol(d.Document)
	l.Line = register.Line{Key: d.ID.String(), Values: map[register.Field]string{
		register.ArrivalNo: register.Number(d.Arrival),
		register.Origin:    paper("origin", i18n.Args{"document": strings.TrimSpace(origin), "date": documentDay(d.Date), "author": d.From.Name}),
		register.Recipient: f.Recipient, register.Deadline: register.Day(dayOf(f.Deadline)), register.Progress: f.Progress, register.Reply: f.Reply,
		register.Remarks: strings.Join(l.remarks, "\n"),
	}}
	return l
}

// leading is the number with which a number begins: 15 of 15a, 0 of none.
func leading(number string) int {
	digits := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(number)
	}
	n, _ := strconv.Atoi(number[:digits])
	return n
}

// symbol is number and notation as the document bears them.
func symbol(d office.Document) string {
	if n, err := strconv.Atoi(d.Number); err == nil && n > 0 && d.Box == office.Out {
		return register.Code(n, d.Notation)
	}
	return strings.Trim(d.Number+"/"+d.Notation, "/")
}

// typeSubject joins type and subject. Many a subject begins with its type.
func typeSubject(d office.Document) string {
	if typ := []rune(typeSubjectless(d)); len([]rune(d.Subject)) >= len(typ) && strings.EqualFold(string([]rune(d.Subject)[:len(typ)]), string(typ)) {
		return d.Subject
	}
	return join(". ", typeSubjectless(d), d.Subject)
}

func typeSubjectless(d office.Document) string {
	if d.TypeName != "" {
		return d.TypeName
	}
	return d.Type
}

func destinations(to []office.Recipient) string {
	var names []string
	for i, r := range to {
		if i == maxNamed {
			names = append(names, paper("more-recipients", i18n.Args{"count": len(to) - i}))
			break
		}
		names = append(names, cmp.Or(r.Name, r.Code))
	}
	return strings.Join(names, "; ")
}

// outgoingRemarks is what became of a document, each said once and for good.
func outgoingRemarks(d office.Document) []string {
	var all []string
	if d.State == office.Withdrawn {
		all = append(all, paper("withdrawn"))
	}
	for _, l := range d.Links {
		if l.Kind == office.ReplacedBy || l.Kind == office.UpdatedBy {
			all = append(all, paper("change."+string(l.Kind), i18n.Args{"by": linked(l)}))
		}
	}
	var asked time.Time
	returned := 0
	for _, r := range d.To {
		if r.Recall != nil && (asked.IsZero() || r.Recall.At.Before(asked)) {
			asked = r.Recall.At
		}
		if r.State != office.Returned {
			continue
		}
		if returned++; returned > maxReturned {
			all = append(all, paper("returned-more"))
			break
		}
		all = append(all, paper("returned", i18n.Args{"office": cmp.Or(r.Name, r.Code), "reason": r.ReasonIn(i18n.Vietnamese)}))
	}
	if !asked.IsZero() {
		all = append(all, paper("recalled", i18n.Args{"date": register.Day(dayOf(asked))}))
	}
	return all
}

// linked names another document.
func linked(l office.Link) string {
	if l.Date == "" {
		return l.Symbol
	}
	return paper("dated", i18n.Args{"document": l.Symbol, "date": documentDay(l.Date)})
}

func incomingRemarks(d office.Document) []string {
	var all []string
	if d.State == office.Recalled {
		at := time.Time{}
		if d.Request != nil {
			at = d.Request.Answered
		}
		all = append(all, strings.TrimSpace(paper("cancelled", i18n.Args{"date": register.Day(dayOf(at))})))
	}
	for _, l := range d.Links {
		if (l.Kind == office.ReplacedBy || l.Kind == office.UpdatedBy) && !l.Waits {
			all = append(all, paper("change."+string(l.Kind), i18n.Args{"by": linked(l)}))
		}
	}
	return all
}

// since is what became of a printed line, each part said on a line of its own.
func (l line) since(printed register.Line) []string {
	parts := l.remarks
	if reply := l.Values[register.Reply]; reply != "" && printed.Values[register.Reply] == "" {
		parts = append(slices.Clone(parts), paper("replied", i18n.Args{"reply": reply}))
	}
	had := strings.Split(printed.Values[register.Remarks], "\n")
	return slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return slices.Contains(had, p) })
}

// sinceKey names the line that says text of the line named key.
func sinceKey(key, text string) string {
	sum := sha256.Sum256([]byte(text))
	return key + "!" + hex.EncodeToString(sum[:8])
}

// inOrder puts numbers of each series in order, and the series beside each other
// by day.
func inOrder(lines []line) []line {
	bySeries := map[string][]line{}
	for _, l := range lines {
		bySeries[l.series] = append(bySeries[l.series], l)
	}
	var names []string
	for name, list := range bySeries {
		slices.SortStableFunc(list, func(x, y line) int { return cmp.Compare(x.number, y.number) })
		names = append(names, name)
	}
	slices.Sort(names)
	out := make([]line, 0, len(lines))
	for len(out) < len(lines) {
		least := ""
		found := false
		for _, name := range names {
			list := bySeries[name]
			if len(list) > 0 && (!found || list[0].day.Before(bySeries[least][0].day)) {
				least, found = name, true
			}
		}
		out = append(out, bySeries[least][0])
		bySeries[least] = bySeries[least][1:]
	}
	return out
}

// dayOf is the day of t in Vietnam; the zero time stays it.
func dayOf(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	t = t.In(clock.Vietnam)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, clock.Vietnam)
}

// documentDay writes the date of a document, which may be no date at all.
func documentDay(date string) string {
	if t, err := time.Parse(time.DateOnly, date); err == nil {
		return register.Day(t)
	}
	return date
}

// join joins the texts that are not empty.
func join(by string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), by)
}

func descending(set map[int]bool) []int {
	var all []int
	for n := range set {
		all = append(all, n)
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all
}
