package dossier

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Tab is one of the lists of dossiers.
type Tab string

// The tabs. Those with a clock are in the order of their dates of return, the most
// urgent first; the others in that of their ends, the newest first.
const (
	TabNew     Tab = "new"     // registered, nobody has looked at them
	TabOpen    Tab = "open"    // đang giải quyết
	TabSoon    Tab = "soon"    // sắp đến hạn
	TabLate    Tab = "late"    // quá hạn
	TabWaiting Tab = "waiting" // chờ bổ sung, chờ nộp: for the applicant
	TabDone    Tab = "done"    // has a result that nobody fetched
	TabClosed  Tab = "closed"  // đã trả, từ chối, dừng
)

// Tabs in their order.
var Tabs = []Tab{TabNew, TabOpen, TabSoon, TabLate, TabWaiting, TabDone, TabClosed}

// soonDays is how many working days before its date of return a dossier is due soon.
const soonDays = 2

// PageSize is how many rows a page of a list has, MaxPage how many it may have.
const (
	PageSize = 50
	MaxPage  = 500
)

// Row is a dossier in a list, without what only those who open it may see.
type Row struct {
	ID         storage.ID   `json:"id"`
	Code       code.Dossier `json:"code"`
	Applicant  string       `json:"applicant"` // masked, unless it is an organisation
	Procedure  string       `json:"procedure"` // its name
	Channel    Channel      `json:"channel"`
	Status     code.Status  `json:"status"`
	Accepted   time.Time    `json:"accepted,omitzero"`
	Due        time.Time    `json:"due,omitzero"`
	Paused     time.Time    `json:"paused,omitzero"`
	Ended      time.Time    `json:"ended,omitzero"`
	Outcome    Outcome      `json:"outcome,omitempty"`
	Handler    string       `json:"handler,omitempty"`
	Guest      bool         `json:"guest,omitempty"`
	OwnerName  string       `json:"owner_name"`
	Book       int          `json:"book,omitempty"`
	Apology    Draft        `json:"apology,omitempty"` // prepared and not confirmed
	Version    int          `json:"version"`
	revision   int64
	seq, order int64
}

// Query asks for a page of a list.
type Query struct {
	Tab       Tab    // "" for all
	Words     string // of code, applicant, procedure, subject, phone, number
	Procedure string // its code
	Channel   Channel
	Outcome   Outcome
	From, To  time.Time // ended within, To not included; zero for no bound
	// TakenFrom and TakenTo are the same of when they were accepted.
	TakenFrom, TakenTo time.Time
	Running            bool   // accepted and not ended
	Own                bool   // none that were handed to this office
	Apology            Draft  // those with such a draft; NoDraft for all
	After              string // cursor of the page before
	Limit              int    // 0 for PageSize, at most MaxPage
}

// Page is one page of a list.
type Page struct {
	Rows []Row  `json:"dossiers"`
	Next string `json:"next,omitempty"` // cursor, "" when this is the last one
}

// where is the condition of a tab at a time.
func (t Tab) where(now, soonest time.Time) (string, []any) {
	ms, soon := now.UnixMilli(), soonest.UnixMilli()
	switch t {
	case TabNew:
		return `status = 1`, nil
	case TabOpen:
		return `status IN (2, 4, 7)`, nil
	case TabSoon:
		return `status IN (2, 4, 6, 7) AND paused = 0 AND due > ? AND due <= ?`, []any{ms, soon}
	case TabLate:
		return `status IN (2, 4, 6, 7) AND paused = 0 AND due > 0 AND due <= ?`, []any{ms}
	case TabWaiting:
		return `status IN (5, 6)`, nil
	case TabDone:
		return `status = 9`, nil
	case TabClosed:
		return `status IN (3, 8, 10)`, nil
	}
	return `1 = 1`, nil
}

// byEnd tells whether a tab is in the order of ends.
func (t Tab) byEnd() bool { return t == TabDone || t == TabClosed }

// List returns a page of dossiers.
func (s *Store) List(ctx context.Context, q Query) (p Page, err error) {
	where, args := q.where(s.now(), s.soon())
	order, dir, cmp := "due", "ASC", ">"
	if q.Tab.byEnd() || q.Tab == "" {
		order, dir, cmp = "ended", "DESC", "<"
	}
	if q.Tab == "" {
		order = "changed"
	}
	if q.After != "" {
		at, seq, ok := parseCursor(q.After)
		if !ok {
			return p, problem.New(problem.Usage, "dossier.cursor", "after", nil)
		}
		where += fmt.Sprintf(` AND (%s, seq) %s (?, ?)`, order, cmp)
		args = append(args, at, seq)
	}
	limit := q.Limit
	if limit <= 0 || limit > MaxPage {
		limit = PageSize
	}
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		p.Rows, err = rowsOf(tx, order, where+fmt.Sprintf(` ORDER BY %s %s, seq %s LIMIT ?`, order, dir, dir), append(args, limit+1)...)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("list dossiers: %w", err)
	}
	if len(p.Rows) > limit {
		p.Rows = p.Rows[:limit]
		last := p.Rows[limit-1]
		p.Next = cursor(last.order, last.seq)
	}
	return p, nil
}

func (q Query) where(now, soon time.Time) (string, []any) {
	where, args := q.Tab.where(now, soon)
	add := func(cond string, arg ...any) { where += " AND " + cond; args = append(args, arg...) }
	for _, w := range strings.Fields(fold.String(q.Words)) {
		add(`instr(folded, ?) > 0`, w)
	}
	if q.Procedure != "" {
		add(`procedure = ?`, q.Procedure)
	}
	if q.Channel != 0 {
		add(`channel = ?`, int(q.Channel))
	}
	if q.Outcome != "" {
		add(`outcome = ?`, string(q.Outcome))
	}
	if !q.From.IsZero() {
		add(`ended >= ?`, q.From.UnixMilli())
	}
	if !q.To.IsZero() {
		add(`ended > 0 AND ended < ?`, q.To.UnixMilli())
	}
	if !q.TakenFrom.IsZero() {
		add(`accepted >= ?`, q.TakenFrom.UnixMilli())
	}
	if !q.TakenTo.IsZero() {
		add(`accepted > 0 AND accepted < ?`, q.TakenTo.UnixMilli())
	}
	if q.Running {
		add(`accepted > 0 AND ended = 0`)
	}
	if q.Own {
		add(`guest = 0`)
	}
	if q.Apology != NoDraft {
		add(`EXISTS (SELECT 1 FROM dossier_apologies WHERE dossier = dossiers.seq AND (back = '') = ?)`, q.Apology == DraftWaiting)
	}
	return where, args
}

func rowsOf(tx *sqlite.Tx, order, where string, args ...any) ([]Row, error) {
	list := []Row{}
	rows, err := tx.Query(`SELECT seq, id, code, applicant, json_extract(content, '$.procedure.name'), json_extract(content, '$.applicant.kind'), channel,
		status, accepted, due, paused, ended, outcome,
		handler, guest, owner_name, book, version, revision,
		coalesce((SELECT iif(back = '', 'waiting', 'back') FROM dossier_apologies WHERE dossier = dossiers.seq), ''), `+order+` FROM dossiers WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r Row
		var text, applicant string
		var kind ApplicantKind
		var accepted, due, paused, ended int64
		if err := rows.Scan(&r.seq, &r.ID, &text, &applicant, &r.Procedure, &kind, &r.Channel, &r.Status, &accepted, &due, &paused, &ended, &r.Outcome,
			&r.Handler, &r.Guest, &r.OwnerName, &r.Book, &r.Version, &r.revision, &r.Apology, &r.order); err != nil {
			return nil, err
		}
		if r.Code, err = code.ParseDossier(text); err != nil {
			return nil, err
		}
		if r.Applicant = applicant; kind != Organisation { // whose name is no personal data
			r.Applicant = Mask(applicant)
		}
		r.Accepted, r.Due, r.Paused, r.Ended = sqlite.TimeOrZero(accepted), sqlite.TimeOrZero(due), sqlite.TimeOrZero(paused), sqlite.TimeOrZero(ended)
		list = append(list, r)
	}
	return list, rows.Err()
}

// Pulse tells whether a list of dossiers may show something else than before: it
// gives how many changes there were, and how many dossiers are late.
func (s *Store) Pulse(ctx context.Context) (changes int64, late int, err error) {
	where, args := TabLate.where(s.now(), time.Time{})
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT coalesce((SELECT last FROM dossier_counters WHERE series = 'revision'), 0), (SELECT count(*) FROM dossiers WHERE `+where+`)`, args...).Scan(&changes, &late)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count changes of dossiers: %w", err)
	}
	return changes, late, nil
}

// Counts are how many dossiers each tab has.
func (s *Store) Counts(ctx context.Context) (map[Tab]int, error) {
	counts := map[Tab]int{}
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		for _, t := range Tabs {
			where, args := t.where(s.now(), s.soon())
			var n int
			if err := tx.QueryRow(`SELECT count(*) FROM dossiers WHERE `+where, args...).Scan(&n); err != nil {
				return err
			}
			counts[t] = n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count dossiers: %w", err)
	}
	return counts, nil
}

// Mask is a name as lists show it: the family name and the first letters of the
// others, "Nguyễn V. A.".
func Mask(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		if i > 0 {
			words[i] = string([]rune(w)[:1]) + "."
		}
	}
	return strings.Join(words, " ")
}

func cursor(at, seq int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", at, seq))
}

func parseCursor(s string) (at, seq int64, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) > 64 {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(string(raw), "%d.%d", &at, &seq)
	return at, seq, err == nil && n == 2
}

// Figures count the dossiers that ended in a span, as QĐ 766/QĐ-TTg judges them.
type Figures struct {
	Procedure string `json:"procedure"` // code; "" for the sum
	Name      string `json:"name"`
	Taken     int    `json:"taken"` // accepted in the span
	Early     int    `json:"early"`
	OnTime    int    `json:"on_time"`
	Late      int    `json:"late"`
	Open      int    `json:"open"`      // accepted and not ended, now
	OpenLate  int    `json:"open_late"` // of those the ones beyond their date of return
}

// Stats counts a span of time by procedure, those with the most dossiers first, and
// in all. Dossiers that were handed to this office count at their owner.
func (s *Store) Stats(ctx context.Context, from, to time.Time) (sum Figures, list []Figures, err error) {
	now := s.now().UnixMilli()
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT procedure, max(json_extract(content, '$.procedure.name')), sum(accepted >= ?1 AND accepted < ?2),
				sum(ended >= ?1 AND ended < ?2 AND outcome = 'early'), sum(ended >= ?1 AND ended < ?2 AND outcome = 'on-time'),
				sum(ended >= ?1 AND ended < ?2 AND outcome = 'late'), sum(accepted > 0 AND ended = 0), sum(accepted > 0 AND ended = 0 AND paused = 0 AND due <= ?3)
			FROM dossiers WHERE guest = 0 AND accepted > 0 GROUP BY procedure ORDER BY 3 DESC, 1`, from.UnixMilli(), to.UnixMilli(), now)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var f Figures
			if err := rows.Scan(&f.Procedure, &f.Name, &f.Taken, &f.Early, &f.OnTime, &f.Late, &f.Open, &f.OpenLate); err != nil {
				return err
			}
			sum.add(f)
			list = append(list, f)
		}
		return rows.Err()
	})
	if err != nil {
		return sum, nil, fmt.Errorf("count dossiers: %w", err)
	}
	return sum, list, nil
}

func (f *Figures) add(g Figures) {
	f.Taken, f.Early, f.OnTime, f.Late = f.Taken+g.Taken, f.Early+g.Early, f.OnTime+g.OnTime, f.Late+g.Late
	f.Open, f.OpenLate = f.Open+g.Open, f.OpenLate+g.OpenLate
}

// Text implements [i18n.Speaker].
func (o Outcome) Text(lang i18n.Lang) string {
	if o == "" {
		return ""
	}
	return i18n.T(lang, "dossier.outcome."+string(o))
}
