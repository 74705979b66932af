package office

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Medium says what the original of a document is.
type Medium string

// The media.
const (
	Electronic Medium = "electronic"
	Paper      Medium = "paper" // came or went on paper; its files are scans
)

// PaperFacts is what nothing but the entry says of a paper document.
type PaperFacts struct {
	Signer  string `json:"signer"`
	Copies  int    `json:"copies"`  // issued, 0 when nobody said
	Arrived string `json:"arrived"` // ngày đến, yyyy-mm-dd; "" of outgoing ones
}

// Limits of a [PaperEntry].
const (
	MaxPartyName = 200
	MaxTypeName  = 100
	MaxPaperTo   = 500     // recipients of one document
	MaxCopies    = 100_000 // of one document
)

// PaperEntry is a paper document that a person enters in a register.
type PaperEntry struct {
	Box    Box
	Number string // số đến, or số of an outgoing one; "" takes the next of the series
	// Code is what an incoming document bears as số and ký hiệu, in one; it may
	// have none. Notation is the ký hiệu of an outgoing one, "" as in [Draft].
	Code, Notation string
	From           Party   // of an incoming one; its code may be ""
	To             []Party // of an outgoing one; codes may be ""
	Type           string  // abbreviation; of an incoming one any name as well
	Subject        string
	Date           string // of the document; "" is today for an outgoing one, none for an incoming one
	Arrived        string // ngày đến, "" for today
	Urgency        Urgency
	Signer         string
	Copies         int
	Files          []Upload // scans; there need not be any
	Cleared        bool     // as in [Draft]
	// Sure says that a person has read that the document may be there already, or
	// that its number leaves others out, and goes on.
	Sure bool
	By   string // as in [Draft]
	Key  string // as in [Draft]
}

// entering is a checked entry.
type entering struct {
	PaperEntry
	letter
	typeName string
	facts    PaperFacts
	arrived  time.Time // day of arrival, or now when that is today
	no       int       // given by hand, 0 for the next
	files    []file
}

// Enter puts a paper document into its register. It gets its number from the
// series that electronic documents have theirs from, or one that a person gives
// and no document bears. No bundle, seal or status is made of it. When Enter
// returns without error the entry is durable. Faults come as a problem.List;
// "enter.duplicate" and "enter.gap" are for a person to decide, see PaperEntry.Sure.
func (o *Office) Enter(ctx context.Context, e PaperEntry) (Document, error) {
	if doc, ok, err := o.handed(ctx, e.Key); err != nil || ok {
		return doc, err
	}
	r := &review{o: o}
	x := r.entry(e)
	if err := o.doubts(ctx, r, x); err != nil {
		return Document{}, err
	}
	if len(e.Files) > o.limits.Files {
		r.fault("send.too-many-files", "files", i18n.Args{"limit": o.limits.Files, "have": len(e.Files)})
	} else {
		for i, u := range e.Files {
			x.files = append(x.files, r.name(u.Name, i, e.Cleared))
		}
		if err := r.read(ctx, Draft{Files: e.Files}, x.files); err != nil {
			return Document{}, err
		}
	}
	if err := r.faults.Err(); err != nil {
		return Document{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Document{}, fmt.Errorf("enter document: %w", err)
	}
	if e.Box == In {
		o.answering.Lock() // arrival numbers follow the order of acceptance
		defer o.answering.Unlock()
	}
	series, err := o.entrySeries(ctx, x)
	if err != nil {
		return Document{}, err
	}
	save := func(no int, reserved bool) error {
		err := o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.enter(tx, id, x, series, no, reserved) })
		if err != nil {
			return storing(err)
		}
		return nil
	}
	if x.no > 0 {
		err = save(x.no, false)
	} else {
		err = o.withNumber(ctx, series, x.code.Notation, func(no int) error { return save(no, true) })
	}
	if err != nil {
		return Document{}, err
	}
	return o.Get(ctx, id)
}

// entry checks what can be known of an entry by itself.
func (r *review) entry(e PaperEntry) *entering {
	x := &entering{PaperEntry: e}
	if e.Box != In && e.Box != Out {
		r.fault("enter.box", "box", nil)
	}
	x.at, x.by, x.key, x.urgency, x.cleared = r.o.now(), strings.TrimSpace(e.By), e.Key, e.Urgency, e.Cleared
	if x.subject = r.words("subject", e.Subject, MaxSubject); x.subject == "" && strings.TrimSpace(e.Subject) == "" {
		r.fault("send.no-subject", "subject", nil)
	}
	r.secret("subject", e.Subject, e.Cleared)
	if e.Urgency > maxUrgency {
		r.fault("send.urgency", "urgency", nil)
	}
	if e.Copies < 0 || e.Copies > MaxCopies {
		r.fault("enter.copies", "copies", i18n.Args{"limit": MaxCopies})
	}
	x.facts = PaperFacts{Signer: r.words("signer", e.Signer, MaxSigner), Copies: e.Copies}
	if e.Box == In {
		r.arriving(x)
	} else {
		r.issuing(x)
	}
	return x
}

// arriving checks an incoming document. What it bears is taken as it stands.
func (r *review) arriving(x *entering) {
	typed := strings.TrimSpace(x.From.Name + x.From.Code)
	if x.From = r.party(x.From, "from"); typed == "" {
		r.fault("enter.no-author", "from", nil)
	}
	number, notation := register.SplitCode(r.words("code", x.PaperEntry.Code, 0))
	r.length("code", number, MaxNumber)
	r.length("code", notation, MaxNotation)
	x.code = edxml.Code{Number: number, Notation: notation}
	name := r.words("type", x.Type, MaxTypeName)
	kind, ok := edxml.KindByAbbr(cmp.Or(name, edxml.KindCongVan))
	if !ok {
		kind, ok = edxml.KindByName(name)
	}
	if x.typeName = name; ok {
		x.kind, x.typeName = kind, kind.Name
	}
	x.date = r.day("date", x.PaperEntry.Date, edxml.Date{})
	today := edxml.DateOf(x.at)
	day := r.day("arrived", x.Arrived, today)
	x.facts.Arrived, x.arrived = day.ISO(), x.at
	if day != today {
		x.arrived = time.Date(day.Day.Year(), day.Day.Month(), day.Day.Day(), 0, 0, 0, 0, edxml.Vietnam)
	}
	r.givenNumber(x)
}

// issuing checks an outgoing document.
func (r *review) issuing(x *entering) {
	as := r.coded(x.Type, x.Number, x.Notation)
	x.kind, x.code, x.typeName = as.kind, as.code, as.kind.Name
	x.Number = x.code.Number
	x.date = r.day("date", x.PaperEntry.Date, edxml.DateOf(x.at))
	if own := r.o.letter.Signer; x.facts.Signer == "" && own != r.o.me.Name {
		x.facts.Signer = own
	}
	var to []Party
	for _, p := range x.To {
		if p = r.party(p, "to"); p.Name != "" && !slices.Contains(to, p) {
			to = append(to, p)
		}
	}
	switch x.To = to; {
	case len(to) == 0:
		r.fault("send.no-recipient", "to", nil)
	case len(to) > MaxPaperTo:
		r.fault("send.too-many-recipients", "to", i18n.Args{"limit": MaxPaperTo})
	}
	r.givenNumber(x)
}

// givenNumber reads a number that a person gave: one of a series.
func (r *review) givenNumber(x *entering) {
	number := strings.TrimSpace(x.Number)
	if number == "" {
		return
	}
	if x.no = plainNumber(number); x.no == 0 {
		r.fault("enter.number", "number", i18n.Args{"number": printable(number)})
	}
}

// party checks an office that is written by name; a code fills its name in.
func (r *review) party(p Party, field string) Party {
	p.Name, p.Code = r.words(field, p.Name, MaxPartyName), r.words(field, p.Code, MaxNotation)
	if p.Name == "" && p.Code != "" {
		p.Name = r.o.name(p.Code)
	}
	return p
}

// day reads a date, which has to have come.
func (r *review) day(field, text string, otherwise edxml.Date) edxml.Date {
	if strings.TrimSpace(text) == "" {
		return otherwise
	}
	const earliest = 2000 // before it lies no register that is still kept
	date, ok := typedDate(text)
	switch {
	case !ok:
		r.fault("send.date", field, i18n.Args{"date": printable(text)})
	case date.Day.Year() < earliest || edxml.DateOf(r.o.now()).ISO() < date.ISO():
		r.fault("enter.date", field, i18n.Args{"date": register.Day(date.Day)})
	}
	return date
}

// entrySeries is the series of an entry: that of the day of arrival, or of the
// document's date.
func (o *Office) entrySeries(ctx context.Context, x *entering) (register.Series, error) {
	if x.Box == In {
		return register.IncomingSeries(x.arrived.In(edxml.Vietnam).Year()), nil
	}
	return o.seriesOf(ctx, x.year(), x.kind, x.code.Notation)
}

// doubts looks at what is there already: a number that is borne is a fault,
// a document that may be the same one and a leap in the series are for a person.
func (o *Office) doubts(ctx context.Context, r *review, x *entering) error {
	if len(r.faults) > 0 {
		return nil
	}
	series, err := o.entrySeries(ctx, x)
	if err != nil {
		return err
	}
	next, err := o.numbers.next(ctx, series)
	if err != nil {
		return err
	}
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		if x.no > 0 {
			if err := free(tx, series, x); err != nil {
				return err
			}
		}
		if x.Sure || x.Box != In {
			return nil
		}
		twins, err := o.twins(tx, twinOf{code: x.code, from: x.From})
		if err == nil && len(twins) > 0 {
			r.faults = append(r.faults, problem.New(problem.Conflict, "enter.duplicate", "code", i18n.Args{
				"twin": twins[0].words(), "id": twins[0].ID.String(),
			}))
		}
		return err
	})
	if p := (*problem.Problem)(nil); errors.As(err, &p) {
		r.faults = append(r.faults, p)
		err = nil
	}
	if x.no > next && !x.Sure {
		r.faults = append(r.faults, problem.New(problem.Conflict, "enter.gap", "number", i18n.Args{
			"numbers": register.Range{First: next, Last: x.no - 1}.String(), "number": register.Number(x.no),
		}))
	}
	return err
}

// free is the problem that a document bears the number of an entry, nil when
// none does.
func free(tx *sqlite.Tx, s register.Series, x *entering) error {
	if s.Direction == register.In {
		id, found, err := arrivalOfYear(tx, s.Year, x.no)
		if err != nil || !found {
			return err
		}
		return arrivalTaken(tx, id)
	}
	id, found, err := bearer(tx, s.Year, x.code.Number, x.code.Notation)
	if err == nil && !found {
		err = tx.QueryRow(`SELECT id FROM documents INDEXED BY documents_series
			WHERE box = 'out' AND serial > 0 AND booked = ? AND series = ? AND serial = ? LIMIT 1`, s.Year, s.Group, x.no).Scan(&id)
		found, err = err == nil, notFoundAs(nil, err)
	}
	if err != nil || !found {
		return err
	}
	return takenBy(tx, id)
}

// arrivalTaken is the problem that an incoming document bears a number.
func arrivalTaken(tx *sqlite.Tx, id storage.ID) error {
	d, err := getRow(tx, id)
	if err != nil {
		return err
	}
	return problem.New(problem.Conflict, "enter.arrival-taken", "number", i18n.Args{
		"number": register.Number(d.Arrival), "subject": cut(d.Subject, 80), "id": id.String(),
	})
}

// enter writes an entry.
func (o *Office) enter(tx *sqlite.Tx, id storage.ID, x *entering, s register.Series, no int, reserved bool) error {
	if err := free(tx, s, x.as(no)); err != nil {
		if p := (*problem.Problem)(nil); reserved && errors.As(err, &p) {
			return errNumberTaken
		}
		return err
	}
	row := o.entered(id, x.as(no), tx.Now())
	seq, err := insertDocument(tx, row, 0)
	if err != nil {
		return err
	}
	for i, f := range x.files {
		f.entry = strconv.Itoa(i) // of no container
		if err := insertAttachment(tx, seq, i, f); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO papers (document, signer, copies, arrived) VALUES (?, ?, ?, ?)`, seq, x.facts.Signer, x.facts.Copies, x.facts.Arrived)
	if err != nil {
		return fmt.Errorf("insert paper document: %w", err)
	}
	if err := keepKey(tx, x.key, seq); err != nil {
		return err
	}
	at, action := x.at, map[string]string{"number": symbolOf(row), "files": strconv.Itoa(len(x.files))}
	if x.Box == In {
		at = x.arrived
		action["arrival"] = register.Number(no)
		err = o.numbers.arrive(tx, seq, s, no)
	} else {
		err = o.numbers.number(tx, seq, numberedRow{series: s, number: row.Number, notation: row.Notation, reserved: reserved})
	}
	if err != nil {
		return err
	}
	if x.cleared {
		action["declared"] = declaredNoSecret
	}
	if err := insertEvent(tx, seq, Event{Step: row.State, At: at, Learnt: tx.Now()}, 0); err != nil {
		return err
	}
	o.changed(tx)
	return audit.Append(tx, audit.Entry{Actor: o.actor(x.by), Action: actionEnter, Subject: id.String(), Detail: action})
}

// as is the entry with its number.
func (x *entering) as(no int) *entering {
	with := *x
	with.no = no
	if x.Box == Out {
		with.code.Number = formatNumber(no)
	}
	return &with
}

// entered is the row of an entry.
func (o *Office) entered(id storage.ID, x *entering, now time.Time) Document {
	d := Document{
		ID: id, Box: x.Box, Medium: Paper, Subject: x.subject, Number: x.code.Number, Notation: x.code.Notation, Type: x.kind.Abbr,
		TypeName: x.typeName, Date: x.date.ISO(), Urgency: x.urgency, Created: now, Expires: now,
	}
	for _, f := range x.files {
		d.Size += f.content.Size
	}
	if x.Box == In {
		d.From, d.State, d.Arrival = x.From, Accepted, x.no
		d.To = []Recipient{{Party: Party{o.me.Code, o.me.Name}, State: Accepted, Number: strconv.Itoa(x.no)}}
		return d
	}
	d.From, d.State, d.EdXMLID = Party{o.me.Code, o.me.Name}, Issued, classicID(o.me.Code, x.letter)
	for _, p := range x.To {
		d.To = append(d.To, Recipient{Party: p, State: Issued})
	}
	return d
}

// arrive makes a number of arrival durable.
func (n *numbers) arrive(tx *sqlite.Tx, seq int64, s register.Series, no int) error {
	if _, err := tx.Exec(`UPDATE documents SET arrival = ?, booked = ? WHERE seq = ?`, no, s.Year, seq); err != nil {
		return fmt.Errorf("number document: %w", err)
	}
	if _, err := tx.Exec(`UPDATE recipients SET number = ? WHERE document = ?`, strconv.Itoa(no), seq); err != nil {
		return fmt.Errorf("number document: %w", err)
	}
	return n.confirm(tx, s, no)
}

// recipientKey tells the recipients of a document apart: on paper they need no
// code.
func recipientKey(p Party, pos int) string {
	if p.Code == "" {
		return "#" + strconv.Itoa(pos) // no office has such a code
	}
	return registry.Key(p.Code)
}

// errPaper is the problem that a paper document cannot be had or acted upon as
// an electronic one can.
func errPaper(code string) error { return problem.New(problem.Conflict, code, "", nil) }
