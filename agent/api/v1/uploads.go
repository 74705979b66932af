package v1

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Limits of uploads. All are hard.
const (
	// UploadLife is how long an upload lives after its last chunk.
	UploadLife = 24 * time.Hour
	// MaxUploads is how many an application may have. The bytes that it has said
	// they will take are at most those of one document.
	MaxUploads = 64
	// interruptWait is how long a new chunk waits for an older one of the same
	// upload, whose line is most likely dead.
	interruptWait = 5 * time.Second
	// partPrefix begins the names of partial contents that are uploads.
	partPrefix = "api-"
)

// uploads are files on their way into documents.
type uploads struct {
	s      *Server
	mu     sync.Mutex
	active map[storage.ID]*active
}

// active is an upload that somebody works on.
type active struct {
	u    *uploads
	id   storage.ID
	part *blob.Part // nil until open
	// stop is closed when another call wants it; done when it may have it.
	stop, done chan struct{}
	wanted     sync.Once
	control    *http.ResponseController // of the call that reads from the line; nil for others
}

func partName(id storage.ID) string { return partPrefix + hex.EncodeToString(id[:]) }

func (up Upload) id() storage.ID { return uuid.MustParse(up.ID) }

// hold takes an upload for one call. One that receives a chunk is interrupted:
// what it has received stays.
func (u *uploads) hold(c *call, id storage.ID) (*active, error) {
	mine := &active{u: u, id: id, stop: make(chan struct{}), done: make(chan struct{})}
	if c.r.Method == http.MethodPatch {
		mine.control = http.NewResponseController(c.w)
	}
	patience := time.NewTimer(interruptWait)
	defer patience.Stop()
	for {
		u.mu.Lock()
		other := u.active[id]
		if other == nil {
			u.active[id] = mine
			u.mu.Unlock()
			return mine, nil
		}
		u.mu.Unlock()
		other.interrupt()
		select {
		case <-other.done:
		case <-time.After(interruptWait / 50): // its read may have moved the deadline
		case <-patience.C:
			return nil, later{problem.New(problem.Busy, "upload.busy", "", nil), onceRetry}
		case <-c.ctx().Done():
			return nil, c.ctx().Err()
		}
	}
}

// held takes the upload in the path for one call.
func (u *uploads) held(c *call) (Upload, *active, error) {
	up, err := u.find(c, c.r.PathValue("id"))
	if err != nil {
		return Upload{}, nil, err
	}
	hold, err := u.hold(c, up.id())
	return up, hold, err
}

func (a *active) interrupt() {
	if a.control == nil {
		return // it ends soon by itself
	}
	a.wanted.Do(func() { close(a.stop) })
	_ = a.control.SetReadDeadline(time.Unix(1, 0)) // a writer without deadlines does not hang
}

func (a *active) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

func (a *active) open() (*blob.Part, error) {
	part, err := a.u.s.o.Blobs.Part(partName(a.id))
	if err != nil {
		return nil, storing(err)
	}
	a.u.mu.Lock()
	defer a.u.mu.Unlock()
	a.part = part
	return part, nil
}

func (a *active) release() {
	a.u.mu.Lock()
	defer a.u.mu.Unlock()
	if a.part != nil {
		if err := a.part.Close(); err != nil {
			a.u.s.log.Warn("upload not closed", "error", err)
		}
	}
	delete(a.u.active, a.id)
	close(a.done)
}

// durable is how many bytes of an upload are safe.
func (u *uploads) durable(id storage.ID) (int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a := u.active[id]; a != nil && a.part != nil {
		return a.part.Len(), nil
	}
	part, err := u.s.o.Blobs.Part(partName(id))
	if err != nil {
		return 0, storing(err)
	}
	n := part.Len()
	return n, part.Close()
}

// find looks up an upload of the application. Another's is the same as none.
func (u *uploads) find(c *call, text string) (Upload, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(id.String()) {
		return Upload{}, badParameter("id", shown(text), i18n.Say("api.want.id"))
	}
	up := Upload{ID: id.String()}
	err = u.s.o.DB.View(c.ctx(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT name, length, created, expires FROM api_uploads WHERE id = ? AND app = ?`, id, c.app.Name).
			Scan(&up.Name, &up.Size, sqlite.Timestamp(&up.CreatedAt), sqlite.Timestamp(&up.ExpiresAt))
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Upload{}, problem.New(problem.NotFound, "upload.unknown", "upload", i18n.Args{"id": id.String()})
	case err != nil:
		return Upload{}, fmt.Errorf("look upload up: %w", err)
	case !u.s.now().Before(up.ExpiresAt):
		return Upload{}, problem.New(problem.NotFound, "upload.ended", "upload", i18n.Args{"id": id.String()})
	}
	up.Offset, err = u.durable(id)
	up.Complete = up.Offset == up.Size
	return up, err
}

func (u *uploads) create(c *call) error {
	if err := c.version(); err != nil {
		return err
	}
	size, err := c.length("Upload-Length")
	if err != nil {
		return err
	}
	header := c.r.Header.Get("Upload-Metadata")
	pairs, ok := metadata(header)
	if !ok {
		return problem.New(problem.Usage, "upload.metadata", "Upload-Metadata", i18n.Args{"value": shown(header), "most": MaxMetadata})
	}
	name := pairs["filename"]
	switch {
	case name == "":
		return problem.New(problem.Usage, "upload.no-name", "Upload-Metadata", nil)
	case size == 0:
		return problem.New(problem.Usage, "send.file-empty", "Upload-Length", i18n.Args{"name": shown(name)})
	case size > u.s.o.Limits.File:
		return problem.New(problem.Usage, "upload.too-large", "Upload-Length", i18n.Args{"name": shown(name), "most": u.s.o.Limits.File})
	case c.r.ContentLength > 0:
		return problem.New(problem.Usage, "upload.with-body", "Content-Length", nil)
	}
	return c.once(false, sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", size, header)), func(keep keeper) (answer, error) {
		return u.insert(c, name, size, keep)
	})
}

func (u *uploads) insert(c *call, name string, size int64, keep keeper) (a answer, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return a, fmt.Errorf("create upload: %w", err)
	}
	if err := u.s.o.Blobs.Room(size); err != nil {
		return a, storing(err)
	}
	up := Upload{ID: id.String(), Name: name, Size: size}
	err = u.s.o.DB.Update(c.ctx(), func(tx *sqlite.Tx) error {
		var count, bytes int64
		if err := tx.QueryRow(`SELECT count(*), coalesce(sum(length), 0) FROM api_uploads WHERE app = ? AND expires > ?`, c.app.Name, tx.Now()).
			Scan(&count, &bytes); err != nil {
			return err
		}
		if count >= MaxUploads || bytes+size > u.s.o.Limits.Total {
			return problem.New(problem.Conflict, "upload.too-many", "", i18n.Args{"most": MaxUploads, "bytes": u.s.o.Limits.Total})
		}
		up.CreatedAt, up.ExpiresAt = tx.Now(), tx.Now().Add(UploadLife)
		if _, err := tx.Exec(`INSERT INTO api_uploads (id, app, name, length, created, expires) VALUES (?, ?, ?, ?, ?, ?)`,
			id, c.app.Name, name, size, up.CreatedAt, up.ExpiresAt); err != nil {
			return err
		}
		a = answer{status: http.StatusCreated, location: Base + "/uploads/" + up.ID}
		if a.body, err = encode(up); err != nil || keep == nil {
			return err
		}
		return keep(tx, a)
	})
	if err != nil {
		return answer{}, fmt.Errorf("create upload: %w", storing(err))
	}
	c.w.Header().Set("Upload-Expires", up.ExpiresAt.Format(http.TimeFormat))
	return a, nil
}

func (u *uploads) prolong(c *call, id storage.ID) (until time.Time, err error) {
	err = u.s.o.DB.Update(c.ctx(), func(tx *sqlite.Tx) error {
		until = tx.Now().Add(UploadLife)
		_, err := tx.Exec(`UPDATE api_uploads SET expires = ? WHERE id = ?`, until, id)
		return err
	})
	if err != nil {
		return until, fmt.Errorf("prolong upload: %w", storing(err))
	}
	return until, nil
}

func (u *uploads) delete(c *call) error {
	if err := c.version(); err != nil {
		return err
	}
	up, hold, err := u.held(c)
	if err != nil {
		return err
	}
	defer hold.release()
	err = u.s.o.DB.Update(c.ctx(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM api_uploads WHERE id = ?`, up.id())
		return err
	})
	if err != nil {
		return fmt.Errorf("delete upload: %w", err)
	}
	if err := u.s.o.Blobs.RemovePart(partName(up.id())); err != nil {
		u.s.log.Warn("upload not removed", "error", err) // tidy does
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// taken are uploads on their way into one document.
type taken struct {
	u     *uploads
	holds []*active
	files []office.Upload
}

// take opens the uploads that a draft names. All that is wrong with them is told
// at once.
func (u *uploads) take(c *call, files []FileName) (*taken, error) {
	t := &taken{u: u}
	var faults problem.List
	var seen []string
	for _, f := range files {
		up, err := u.find(c, f.Upload)
		switch {
		case err == nil && slices.Contains(seen, up.ID):
			err = problem.New(problem.Usage, "upload.twice", "files", i18n.Args{"id": up.ID})
		case err == nil && !up.Complete:
			err = problem.New(problem.Conflict, "upload.incomplete", "files", i18n.Args{"id": up.ID, "have": up.Offset, "size": up.Size})
		case err == nil:
			err = t.add(c, up, f.Name)
		}
		seen = append(seen, strings.ToLower(f.Upload))
		var p *problem.Problem
		if errors.As(err, &p) {
			q := *p
			q.Class, q.Field = problem.Usage, "files"
			if p.Code == "upload.unknown" || p.Code == "upload.ended" || p.Code == "api.parameter" {
				q.Code, q.Args = "upload.not-there", i18n.Args{"id": shown(f.Upload)}
			}
			faults = append(faults, &q)
		} else if err != nil {
			t.release()
			return nil, err
		}
	}
	if err := faults.Err(); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

func (t *taken) add(c *call, up Upload, name string) error {
	hold, err := t.u.hold(c, up.id())
	if err != nil {
		return err
	}
	t.holds = append(t.holds, hold)
	part, err := hold.open()
	if err != nil {
		return err
	}
	if name == "" {
		name = up.Name
	}
	t.files = append(t.files, office.Upload{Name: name, Body: part.Reader()})
	return nil
}

// consume forgets the uploads within the transaction that saves the document.
func (t *taken) consume(tx *sqlite.Tx) error {
	for _, hold := range t.holds {
		if _, err := tx.Exec(`DELETE FROM api_uploads WHERE id = ?`, hold.id); err != nil {
			return fmt.Errorf("consume upload: %w", err)
		}
	}
	return nil
}

// remove removes the bytes of consumed uploads. What a crash leaves tidy removes.
func (t *taken) remove() {
	for _, hold := range t.holds {
		if err := hold.part.Remove(); err != nil {
			t.u.s.log.Warn("upload not removed", "error", err)
		}
	}
}

func (t *taken) release() {
	for _, hold := range t.holds {
		hold.release()
	}
}

// tidy removes uploads whose life is over, and bytes that belong to none.
func (u *uploads) tidy(ctx context.Context) error {
	known := map[string]bool{}
	names, err := u.s.o.Blobs.Parts() // first: each of them has had its row before
	if err != nil {
		return fmt.Errorf("tidy uploads: %w", err)
	}
	err = u.s.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`DELETE FROM api_uploads WHERE expires <= ?`, tx.Now()); err != nil {
			return err
		}
		clear(known)
		rows, err := tx.Query(`SELECT id FROM api_uploads`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id storage.ID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			known[partName(id)] = true
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("tidy uploads: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, partPrefix) && !known[name] {
			err = errors.Join(err, u.removeIdle(name))
		}
	}
	return err
}

// removeIdle removes the bytes of an upload that nobody works on.
func (u *uploads) removeIdle(name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.active {
		if partName(id) == name {
			return nil
		}
	}
	return u.s.o.Blobs.RemovePart(name)
}
