package office

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// MaxAside is how many messages may be in quarantine. Beyond it TakeIn answers
// with a problem of class Full, and the other system keeps what it has.
const MaxAside = 1000

// Aside is a message from outside of Trạm that was refused.
type Aside struct {
	ID     int64      `json:"id"`
	Via    string     `json:"via"`    // connector through which it came
	Ref    string     `json:"ref"`    // how the other system names it
	Sender string     `json:"sender"` // as it says, "" when it could not be read
	At     time.Time  `json:"at"`
	Why    *i18n.Said `json:"why"`
	Size   int64      `json:"size"` // bytes
	Kept   bool       `json:"kept"` // false when it was too large
}

// refuse puts the message into quarantine, or leaves it there with the new
// reason.
func (in *taking) refuse(ctx context.Context, why *i18n.Said) (Taken, error) {
	if in.again != 0 {
		return in.set(ctx, why, nil)
	}
	if in.large {
		return in.set(ctx, why, nil)
	}
	c, err := in.whole.Commit()
	if err != nil {
		return Taken{}, storing(err)
	}
	return in.set(ctx, why, &c)
}

func (in *taking) set(ctx context.Context, why *i18n.Said, c *blob.Content) (Taken, error) {
	o, t := in.o, Taken{Aside: why}
	reason, err := wording{said: why}.kept()
	if err != nil {
		return Taken{}, err
	}
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if in.again != 0 {
			_, err := tx.Exec(`UPDATE quarantine SET reason = ? WHERE seq = ?`, reason, in.again)
			return err
		}
		if before, known, err := takenAs(tx, in.f); err != nil || known {
			t = before
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM quarantine`).Scan(&n); err != nil {
			return err
		}
		if n >= MaxAside {
			return problem.New(problem.Full, "aside.full", "", i18n.Args{"limit": MaxAside})
		}
		size, sha, inline := in.whole.Size(), any(nil), any(nil)
		if c != nil {
			sha = c.SHA256
			if c.Inline != nil {
				inline = c.Inline
			}
		}
		_, err := tx.Exec(`INSERT INTO quarantine (via, ref, name, sender, at, reason, size, sha256, inline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			in.f.Via, in.f.Ref, in.f.Name, in.sender, tx.Now(), reason, size, sha, inline)
		if err != nil {
			return err
		}
		o.changed(tx)
		return audit.Append(tx, audit.Entry{Actor: byConnector(in.f.Via), Action: actionAside, Subject: in.f.Ref, Detail: map[string]string{
			"reason": why.Text(i18n.Vietnamese), "from": cut(in.sender, MaxReason), "size": strconv.FormatInt(size, 10),
		}})
	})
	if err != nil {
		return Taken{}, storing(err)
	}
	return t, nil
}

// SetAside lists the messages in quarantine, the newest first.
func (o *Office) SetAside(ctx context.Context) ([]Aside, error) {
	list := []Aside{}
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT seq, via, ref, sender, at, reason, size, sha256 IS NOT NULL FROM quarantine ORDER BY seq DESC`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a Aside
			var why string
			if err := rows.Scan(&a.ID, &a.Via, &a.Ref, &a.Sender, sqlite.Timestamp(&a.At), &why, &a.Size, &a.Kept); err != nil {
				return err
			}
			a.Why = readWording(why).said
			list = append(list, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list messages set aside: %w", err)
	}
	return list, nil
}

// OpenAside opens a message in quarantine as it came. The caller closes it.
func (o *Office) OpenAside(ctx context.Context, id int64) (io.ReadCloser, error) {
	_, c, err := o.aside(ctx, id)
	if err != nil {
		return nil, err
	}
	return o.reader(ctx, c)
}

func (o *Office) aside(ctx context.Context, id int64) (f Foreign, c blob.Content, err error) {
	unknown := problem.New(problem.NotFound, "aside.unknown", "id", i18n.Args{"id": strconv.FormatInt(id, 10)})
	var sha []byte
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT via, ref, name, size, sha256, inline FROM quarantine WHERE seq = ?`, id).
			Scan(&f.Via, &f.Ref, &f.Name, &c.Size, &sha, &c.Inline)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Foreign{}, blob.Content{}, unknown
	case err == nil && sha == nil:
		return Foreign{}, blob.Content{}, problem.New(problem.Conflict, "aside.not-kept", "id", nil)
	}
	copy(c.SHA256[:], sha)
	return f, c, err
}

// reopen is a message in quarantine as it came. The caller closes its body.
func (o *Office) reopen(ctx context.Context, id int64) (Foreign, io.Closer, error) {
	f, c, err := o.aside(ctx, id)
	if err != nil {
		return Foreign{}, nil, err
	}
	body, err := o.blobs.Reader(c)
	if err != nil {
		return Foreign{}, nil, fmt.Errorf("read message set aside: %w", err)
	}
	f.Body = body
	return f, body, nil
}

// TakeAgain takes a message out of quarantine as if it came now, after what was
// in its way has changed. One that is refused again stays, with the reason.
func (o *Office) TakeAgain(ctx context.Context, id int64, by string) (Taken, error) {
	f, body, err := o.reopen(ctx, id)
	if err != nil {
		return Taken{}, err
	}
	defer body.Close()
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: o.actor(by), Action: actionAgain, Subject: f.Ref, Detail: map[string]string{"via": f.Via}})
	})
	if err != nil {
		return Taken{}, storing(err)
	}
	return o.takeIn(ctx, f, id)
}

// Discard gives a message in quarantine up for good.
func (o *Office) Discard(ctx context.Context, id int64, by string) error {
	err := o.db.Update(ctx, func(tx *sqlite.Tx) error {
		var via, ref string
		err := tx.QueryRow(`DELETE FROM quarantine WHERE seq = ? RETURNING via, ref`, id).Scan(&via, &ref)
		if err != nil {
			return notFoundAs(problem.New(problem.NotFound, "aside.unknown", "id", i18n.Args{"id": strconv.FormatInt(id, 10)}), err)
		}
		o.changed(tx)
		return audit.Append(tx, audit.Entry{Actor: o.actor(by), Action: actionDiscard, Subject: ref, Detail: map[string]string{"via": via}})
	})
	if err != nil {
		return storing(err)
	}
	return nil
}

// turned is a code in the other of its two written forms, 000.20.31.H53 and
// H53.31.20; code itself when it has none. It is a guess: use it to be careful,
// never to believe.
func turned(code string) string {
	parts := strings.Split(strings.TrimSpace(code), ".")
	var rest []string
	for i := len(parts) - 1; i >= 0; i-- {
		if strings.Trim(parts[i], "0") != "" {
			rest = append(rest, parts[i])
		}
	}
	if len(parts) < 2 || len(rest) == 0 {
		return code
	}
	return strings.Join(rest, ".")
}

// decodeSkeleton reads a document's message whose contents were taken out.
func decodeSkeleton(head []byte) (*edxml.Document, error) {
	msg, _, err := edxml.Decode(bytes.NewReader(head))
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	d, ok := msg.(*edxml.Document)
	if !ok {
		return nil, fmt.Errorf("read message: %w", storage.ErrNotFound)
	}
	return d, nil
}
