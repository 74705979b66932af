package dossier

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// MaxHands is to how many offices a dossier can be handed in one act.
const MaxHands = 50

// Hand asks one office to do something with a dossier.
type Hand struct {
	To       string // code of the office
	Name     string // of the office
	Task     Task
	Note     string
	Deadline string // yyyy-mm-dd; "" for none

	outside bool // not on Trạm
}

// HandOn gives a dossier to other offices, the whole of it or for an opinion. The
// dossier and its clock stay this office's. What is saved goes out when the line is
// there; the time of hand-over is now (P1).
func (s *Store) HandOn(ctx context.Context, id storage.ID, hands []Hand, by Actor, seen int) (Dossier, error) {
	if err := checkHands(s.me, hands); err != nil {
		return Dossier{}, err
	}
	if s.carrier != nil {
		for i := range hands {
			if p, ok := s.carrier.Outside(hands[i].To); ok {
				hands[i].To, hands[i].outside = p.Code, true
			}
		}
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		for _, h := range hands {
			if err := a.hand(h); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkHands(me string, hands []Hand) error {
	var v faults
	if len(hands) == 0 || len(hands) > MaxHands {
		v.add("dossier.hands", "to", i18n.Args{"limit": MaxHands})
		return v.list.Err()
	}
	seen := map[string]bool{me: true}
	for i := range hands {
		h := &hands[i]
		h.Name, h.Note = v.short("to", h.Name), v.text("note", h.Note, h.Task != Decide)
		v.day("deadline", h.Deadline, false)
		if h.To == "" || seen[h.To] {
			v.add("dossier.hand-twice", "to", i18n.Args{"code": h.To})
		}
		seen[h.To] = true
		if h.Task != Decide && h.Task != Consult && h.Task != Coordinate {
			v.add("dossier.task", "task", nil)
		}
	}
	return v.list.Err()
}

func (a *acting) hand(h Hand) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	t := Transfer{
		ID: id, Task: h.Task, From: a.s.me, FromName: a.s.name, To: h.To, ToName: h.Name, Note: h.Note, State: Sending, Sent: a.tx.Now(), By: a.by.Name,
		Outside: h.outside,
	}
	if h.Deadline != "" {
		day, err := time.ParseInLocation(time.DateOnly, h.Deadline, clock.Vietnam)
		if err != nil {
			return err
		}
		if t.Deadline, err = endOf(a.s.Calendar(), day); err != nil {
			return err
		}
		if !t.Deadline.After(t.Sent) {
			return problem.New(problem.Usage, "dossier.day-early", "deadline", i18n.Args{"due": clockTime(t.Sent)})
		}
	}
	for _, old := range a.d.Transfers {
		if !old.Incoming && old.To == t.To && old.running() && (old.Task == t.Task || t.Task == Decide) {
			return problem.New(problem.Conflict, "dossier.hand-runs", "to", i18n.Args{"name": old.ToName})
		}
	}
	if err := insertTransfer(a.tx, a.seq, t, t.To); err != nil {
		return err
	}
	a.d.Transfers = append(a.d.Transfers, t)
	return a.event(Event{Kind: HandedOn, Text: h.Name, Transfer: id})
}

// running tells whether the other office still has to do something.
func (t Transfer) running() bool {
	return t.State == Sending || t.State == Delivered || t.State == Taken
}

// CallBack ends a hand-over whose result is not needed any more.
func (s *Store) CallBack(ctx context.Context, id, transfer storage.ID, reason string, by Actor, seen int) (Dossier, error) {
	var v faults
	reason = v.text("reason", reason, true)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		t := a.transfer(transfer)
		if t == nil || t.Incoming || !t.running() {
			return problem.New(problem.Conflict, "dossier.no-hand", "", nil)
		}
		t.State, t.Ended, t.Answer = Ended, a.tx.Now(), reason
		return a.event(Event{Kind: HandEnded, Text: reason, Transfer: transfer})
	})
}

// transfer is one of the dossier's, nil for none.
func (a *acting) transfer(id storage.ID) *Transfer {
	for i := range a.d.Transfers {
		if a.d.Transfers[i].ID == id {
			return &a.d.Transfers[i]
		}
	}
	return nil
}

// follow has the hand-overs follow from what happened to the dossier: those to other
// offices end with it, the one by which a guest came is what this office did.
func (a *acting) follow(e Event) {
	switch e.Kind {
	case Refused, Withdrawn, Stopped, Recalled, Finished:
		for i := range a.d.Transfers {
			if t := &a.d.Transfers[i]; !t.Incoming && t.running() {
				t.State, t.Ended = Ended, e.At
			}
		}
	}
	t := a.transfer(a.d.Transfer)
	if !a.d.Guest || t == nil {
		return
	}
	switch e.Kind {
	case Accepted:
		t.State, t.Taken, t.TakenBy = Taken, e.At, e.By
	case Refused, Stopped:
		t.State, t.Ended, t.Answer = Back, e.At, e.Text
	case Finished:
		t.State, t.Ended, t.Answer = Given, e.At, e.Text
		if n := len(a.d.Results); n > 0 {
			t.Result = a.d.Results[n-1]
		}
	case Reopened:
		t.State, t.Ended = Taken, time.Time{}
	case Recalled:
		t.State, t.Ended, t.Answer = Ended, e.At, e.Text
	}
}

func insertTransfer(tx *sqlite.Tx, seq int64, t Transfer, peer string) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO dossier_transfers (id, dossier, incoming, peer, state, deadline, owed, told, files, said, heard, content)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)`, t.ID, seq, t.Incoming, peer, string(t.State), sqlite.MillisOrZero(t.Deadline), !t.Incoming, string(raw))
	return err
}

// saveTransfers writes the hand-overs as they stand now. owe says that something
// happened that the other offices are to know.
func (a *acting) saveTransfers(owe bool) error {
	for _, t := range a.d.Transfers {
		raw, err := json.Marshal(t)
		if err != nil {
			return err
		}
		_, err = a.tx.Exec(`UPDATE dossier_transfers SET state = ?1, content = ?2, owed = owed OR (?3 AND (content <> ?2 OR state IN ('sending', 'delivered', 'taken')))
			WHERE id = ?4`, string(t.State), string(raw), owe, t.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

func transfers(tx *sqlite.Tx, seq int64) ([]Transfer, error) {
	return sqlite.Collect(tx, scanContent[Transfer], `SELECT content FROM dossier_transfers WHERE dossier = ? ORDER BY id`, seq)
}

// scanContent reads a row of one column of JSON.
func scanContent[T any](rows *sql.Rows, v *T) error {
	var raw string
	if err := rows.Scan(&raw); err != nil {
		return err
	}
	return json.Unmarshal([]byte(raw), v)
}
