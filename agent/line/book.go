package line

import (
	"context"
	"embed"
	"fmt"
	"maps"
	"sync"
	"time"

	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema holds the tables of this package.
var Schema = sqlite.Embedded("line", migrations)

const (
	// segment is what a TCP segment carries on a mobile line, bytes, and header
	// what IPv4 and TCP with timestamps put before it.
	segment = 1360
	header  = 52
	// opening is how many segments without content a connection costs each way,
	// for its beginning and end.
	opening = 3
	// maxDays bounds the days that are kept; older ones are forgotten.
	maxDays = 1000
	// rateDays is from how many days the forecast is made, the present one
	// included.
	rateDays = 7
	// usualDays is from how many days on there is a usual one.
	usualDays = 3
	// SaveEvery is how long bytes may be counted in memory only; a power cut
	// loses those.
	SaveEvery = 5 * time.Minute
)

// Use is bytes over a line by direction.
type Use struct{ Sent, Received int64 }

// Total is the bytes of both directions.
func (u Use) Total() int64 { return u.Sent + u.Received }

func (u Use) plus(o Use) Use { return Use{u.Sent + o.Sent, u.Received + o.Received} }

// OnWire estimates what the provider counts for bytes at the socket: the
// headers of full segments, an acknowledgement for every second one, and the
// beginning and end of connections. It is for bytes of about a second: what is
// sent in smaller pieces costs more headers.
func OnWire(sent, received, connections int64) Use {
	segments := func(n int64) int64 { return (n + segment - 1) / segment }
	out, in := segments(sent), segments(received)
	return Use{
		Sent:     sent + header*(out+(in+1)/2+opening*connections),
		Received: received + header*(in+(out+1)/2+opening*connections),
	}
}

// day is a row of the book.
type day struct {
	number  int64 // since 1970-01-01 in the zone; 0: not known
	metered bool
}

// Book counts bytes by day. Its methods may be called from several goroutines.
type Book struct {
	db      *sqlite.DB
	now     func() time.Time // in the zone of the SIM's months
	trusted func() bool      // whether now is to be believed

	mu    sync.Mutex
	days  map[day]Use
	dirty map[day]bool
}

// OpenBook reads the book of a database that has Schema.
func OpenBook(ctx context.Context, db *sqlite.DB, now func() time.Time, trusted func() bool) (*Book, error) {
	b := &Book{db: db, now: now, trusted: trusted, days: map[day]Use{}, dirty: map[day]bool{}}
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT day, metered, sent, received FROM line_days`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d day
			var u Use
			if err := rows.Scan(&d.number, &d.metered, &u.Sent, &u.Received); err != nil {
				return err
			}
			b.days[d] = u
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read bytes used: %w", err)
	}
	return b, nil
}

func number(t time.Time) int64 {
	year, month, date := t.Date()
	return time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}

// Add counts bytes that went over a line just now.
func (b *Book) Add(metered bool, u Use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := day{metered: metered}
	if b.trusted() {
		d.number = number(b.now())
		for undated := range maps.Clone(b.days) {
			if undated.number == 0 && b.days[undated] != (Use{}) {
				b.put(day{d.number, undated.metered}, b.days[undated])
				b.days[undated], b.dirty[undated] = Use{}, true
			}
		}
	}
	if u != (Use{}) {
		b.put(d, u)
	}
}

func (b *Book) put(d day, u Use) {
	b.days[d] = b.days[d].plus(u)
	b.dirty[d] = true
}

// Save makes what was counted durable.
func (b *Book) Save(ctx context.Context) error {
	b.mu.Lock()
	changed := map[day]Use{}
	for d := range b.dirty {
		changed[d] = b.days[d]
	}
	b.dirty = map[day]bool{}
	b.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	err := b.db.Update(ctx, func(tx *sqlite.Tx) error {
		for d, u := range changed {
			_, err := tx.Exec(`INSERT INTO line_days (day, metered, sent, received) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET sent = excluded.sent, received = excluded.received`, d.number, d.metered, u.Sent, u.Received)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`DELETE FROM line_days WHERE day NOT IN (SELECT DISTINCT day FROM line_days ORDER BY day DESC LIMIT ?) AND day != 0`, maxDays)
		return err
	})
	if err == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for d := range changed {
		b.dirty[d] = true
	}
	return fmt.Errorf("save bytes used: %w", err)
}

// Account is the metered bytes of the month of a SIM.
type Account struct {
	Used     int64
	Forecast int64 // Used at the month's end when it goes on like the last days; -1: not known yet
	Today    int64
	Usual    int64     // mean of the last seven days before today; -1: not known yet
	Resets   time.Time // when the next month begins
}

// Account sums up the month that begins on this day of the calendar's months.
func (b *Book) Account(monthDay int) Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	from, to := Month(now, monthDay)
	a := Account{Forecast: -1, Usual: -1, Resets: to}
	today, first := number(now), number(now)
	recent, before := int64(0), int64(0)
	for d, u := range b.days {
		if d.number != 0 {
			first = min(first, d.number)
		}
		if !d.metered {
			continue
		}
		if d.number == 0 || d.number >= number(from) && d.number < number(to) {
			a.Used += u.Total()
		}
		if d.number == 0 || d.number > today-rateDays && d.number <= today {
			recent += u.Total()
		}
		switch {
		case d.number == today:
			a.Today += u.Total()
		case d.number >= today-rateDays && d.number < today:
			before += u.Total()
		}
	}
	if days := min(rateDays, today-first); days >= usualDays {
		a.Usual = before / days
	}
	year, month, date := now.Date()
	midnight := time.Date(year, month, date, 0, 0, 0, 0, now.Location())
	begin := midnight.AddDate(0, 0, -int(min(rateDays-1, today-first)))
	if span := now.Sub(begin); span >= 24*time.Hour {
		a.Forecast = a.Used + int64(float64(recent)*float64(to.Sub(now))/float64(span))
	}
	return a
}
