package office

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// batchSize is how many inbox entries, expired bundles or owed statuses are
	// looked at in one go.
	batchSize = 64
	// lookEvery is how often Run looks for expired bundles and owed statuses,
	// and tries again what failed.
	lookEvery = time.Minute
	// maxControl is the largest content of a notice or a list of cards, bytes.
	maxControl = 8 << 20
	// maxStatusHead is the largest sealed head of a status, bytes.
	maxStatusHead = 256 << 10
)

// rejection says that an inbox entry will never be what it should: trying
// again is useless. reason is the message "office.reject.<reason>".
type rejection struct {
	reason string
	args   i18n.Args
	err    error
}

func (r *rejection) Error() string {
	if r.err != nil {
		return r.reason + ": " + r.err.Error()
	}
	return r.reason
}

func (r *rejection) Unwrap() error { return r.err }

func reject(reason string, err error) error { return &rejection{reason: reason, err: err} }

// words is the reason for people of the other office and of this one.
func (r *rejection) words() wording { return said("office.reject."+r.reason, r.args) }

// Run handles what comes in, checks signatures in attachments, tells the track
// of first bytes, and ends what has expired, until ctx ends. At most one may run.
func (o *Office) Run(ctx context.Context) error {
	changes, stop := o.queue.Watch()
	defer stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		o.checkLoop(ctx)
	}()
	defer func() { <-checked }()
	if err := o.retake(ctx, "", ""); err != nil { // a crash may have come between a document and what waited for it
		o.complain(ctx, "messages that waited for a document not taken in", err)
	}
	for {
		o.round(ctx)
		for inbox := false; !inbox; {
			select {
			case <-ctx.Done():
				return nil
			case c, ok := <-changes:
				if !ok {
					return nil
				}
				inbox = c.Inbox
			case <-o.wake:
				if err := o.recordBegun(ctx); err != nil {
					o.complain(ctx, "first bytes not recorded", err)
				}
			case <-tick.C:
				inbox = true
			}
		}
	}
}

// round does all that is to be done now.
func (o *Office) round(ctx context.Context) {
	if err := o.drain(ctx); err != nil {
		o.complain(ctx, "inbox not handled", err)
	}
	if err := o.expire(ctx); err != nil {
		o.complain(ctx, "expired bundles not ended", err)
	}
	if err := o.expireOutside(ctx); err != nil {
		o.complain(ctx, "expired documents not ended", err)
	}
	if err := o.payOwed(ctx); err != nil {
		o.complain(ctx, "owed statuses not made", err)
	}
	if err := errors.Join(o.payOwedMail(ctx), o.forgetMail(ctx)); err != nil {
		o.complain(ctx, "messages not tidied", err)
	}
	if err := o.sendAsks(ctx); err != nil {
		o.complain(ctx, "recalls not made", err)
	}
	if err := o.stampSeals(ctx); err != nil && ctx.Err() == nil {
		o.log.Info("no time stamp from the external authority", "error", err) // the line may be down
	}
}

func (o *Office) complain(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		o.log.Error(what, "error", err)
	}
}

// drain handles the inbox until it is empty or nothing of it can be handled.
// What fails for a reason that may pass stays and is tried again later.
func (o *Office) drain(ctx context.Context) error {
	limit := batchSize
	var stuck []error
	faults := func() error {
		return errors.Join(slices.DeleteFunc(stuck, func(err error) bool { return errors.Is(err, ErrPremature) })...)
	}
	for ctx.Err() == nil {
		list, err := o.queue.Inbox(ctx, limit)
		if err != nil {
			return err
		}
		if len(list) <= len(stuck) {
			return faults()
		}
		stuck = nil
		for _, a := range list {
			err := o.handle(ctx, a)
			if o.premature.note(a, err, o.now(), o.log); err != nil {
				stuck = append(stuck, fmt.Errorf("bundle %s from %s: %w", a.ID, a.From, err))
			}
		}
		if len(stuck) == len(list) {
			if len(list) < limit || errors.Is(stuck[0], storage.ErrFull) {
				return faults()
			}
			limit += batchSize // look behind those that are stuck
		}
	}
	return nil
}

// handle deals with one entry of the inbox.
func (o *Office) handle(ctx context.Context, a queue.Arrived) error {
	log := o.log.With("id", a.ID, "from", a.From, "kind", bundle.Kind(a.Kind).String())
	var err error
	switch bundle.Kind(a.Kind) {
	case bundle.KindDocument:
		return o.receive(ctx, a, log)
	case bundle.KindStatus:
		err = o.receiveStatus(ctx, a)
	case bundle.KindNotice:
		err = o.receiveNotice(ctx, a)
	case bundle.KindRegistry:
		err = o.receiveCards(ctx, a)
	case bundle.KindCommand:
		err = o.receiveCommand(ctx, a)
	case bundle.KindSoftware:
		err = o.receiveSoftware(ctx, a)
	default:
		if bundle.Kind(a.Kind) == bundle.KindDossier || o.boxOf(bundle.Kind(a.Kind)) != nil {
			return o.receiveMail(ctx, a, log)
		}
		err = reject("kind", nil)
	}
	var r *rejection
	if !errors.As(err, &r) {
		return err
	}
	log.Warn("bundle rejected", "reason", r.reason, "error", r.err)
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := o.queue.Done(tx, a.ID); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{
			Actor: o.me.Code, Action: actionDrop, Subject: a.ID.String(),
			Detail: map[string]string{
				"from": a.From, "kind": bundle.Kind(a.Kind).String(), "reason": r.reason, "cause": cause(r.err), "header": hexDigest(a.Header),
			},
		})
	})
}

func cause(err error) string {
	if err == nil {
		return ""
	}
	return cut(err.Error(), 1000)
}

// opened is an inbox entry whose key slip opened.
type opened struct {
	queue.Arrived
	header bundle.Header
	key    bundle.Key
}

// open finds this office's key slip and opens it.
func (o *Office) open(ctx context.Context, a queue.Arrived) (opened, error) {
	signed, err := bundle.Parse(a.Header)
	if err != nil {
		return opened{}, reject("header", err)
	}
	slip := a.Slip
	if slip == nil {
		if slip, err = o.findSlip(ctx, a.ID, signed.Header); err != nil {
			return opened{}, err
		}
	}
	key, err := bundle.OpenSlip(slip, o.me.Age)
	for _, former := range o.me.FormerAge {
		if err == nil {
			break
		}
		key, err = bundle.OpenSlip(slip, former)
	}
	if err != nil {
		return opened{}, reject("key", err)
	}
	if err := key.Opens(signed.Header); err != nil {
		return opened{}, reject("key", err)
	}
	return opened{Arrived: a, header: signed.Header, key: key}, nil
}

// findSlip takes our slip out of the slips object.
func (o *Office) findSlip(ctx context.Context, id storage.ID, h bundle.Header) ([]byte, error) {
	index := h.Slips()
	if index < 0 {
		return nil, reject("key", errors.New("no key slip came along"))
	}
	r, size, err := o.queue.OpenObject(ctx, id, index)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > bundle.MaxSlips {
		return nil, reject("key", bundle.ErrTooLarge)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read key slips: %w", err)
	}
	slips, err := bundle.DecodeSlips(raw)
	if err != nil {
		return nil, reject("key", err)
	}
	for code, slip := range slips {
		if registry.Key(code) == registry.Key(o.me.Code) {
			return slip, nil
		}
	}
	return nil, reject("key", errors.New("no key slip for this office"))
}

// content opens an object of an entry, decrypted. The caller closes it.
func (o *Office) content(ctx context.Context, e opened, index int, limit int64) (io.Reader, io.Closer, error) {
	sent, _, err := o.queue.OpenObject(ctx, e.ID, index)
	if err != nil {
		return nil, nil, err
	}
	r, err := e.key.Decrypt(&interrupted{ctx, sent}, e.header.Objects[index], limit)
	if err != nil {
		_ = sent.Close() // only read
		return nil, nil, undecryptable(err)
	}
	return r, sent, nil
}

// small reads an object that fits into memory.
func (o *Office) small(ctx context.Context, e opened, index int, limit int64) ([]byte, error) {
	r, closer, err := o.content(ctx, e, index, limit)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, undecryptable(err)
	}
	return data, nil
}

// undecryptable tells what is wrong with the content for good from what may
// pass, such as an I/O error.
func undecryptable(err error) error {
	for _, final := range []error{bundle.ErrKey, bundle.ErrMalformed, bundle.ErrTooLarge} {
		if errors.Is(err, final) {
			return reject("decrypt", err)
		}
	}
	return err
}

// recordBegun writes the transfers whose first byte left into the track.
func (o *Office) recordBegun(ctx context.Context) error {
	o.mu.Lock()
	begun := o.began
	o.began = map[storage.ID]time.Time{}
	o.mu.Unlock()
	if len(begun) == 0 {
		return nil
	}
	err := o.db.Update(ctx, func(tx *sqlite.Tx) error {
		for id, at := range begun {
			seq, err := find(tx, Out, id)
			if errors.Is(err, storage.ErrNotFound) {
				_, err := o.moveMail(tx, id, MailEvent{Event: Event{Step: Sending, At: at}})
				if err != nil {
					return err
				}
				continue // that, or a status
			}
			if err != nil {
				return err
			}
			if err := o.overtaken(tx, seq); err != nil {
				return err
			}
			moved, err := advance(tx, seq, "", Sending, "", wording{})
			if err != nil {
				return err
			}
			if moved == 0 {
				continue
			}
			if err := insertEvent(tx, seq, Event{Step: Sending, At: at, Learnt: tx.Now()}, 0); err != nil {
				return err
			}
			o.changed(tx)
		}
		return nil
	})
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		for id, at := range begun {
			o.began[id] = at
		}
	}
	return err
}

// expire ends outgoing bundles whose lifetime is over. The sender of a document
// finds it among the failed ones.
func (o *Office) expire(ctx context.Context) error {
	for {
		var ids []storage.ID
		err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
			ids, err = o.queue.Expired(tx, o.ends(), batchSize)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
			for _, id := range ids {
				if err := o.expireOne(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (o *Office) expireOne(tx *sqlite.Tx, id storage.ID) error {
	if err := o.queue.End(tx, id); err != nil {
		return err
	}
	o.transfers.end(id)
	seq, err := find(tx, Out, id)
	if errors.Is(err, storage.ErrNotFound) {
		why := said("office.failed.expired")
		if ours, err := o.failMail(tx, id, "", why, MailEvent{}); err != nil || ours {
			return err
		}
		if err := o.unasked(tx, id, why); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: o.me.Code, Action: actionOldBundle, Subject: id.String()})
	}
	if err != nil {
		return err
	}
	if err := o.fail(tx, seq, "", said("office.failed.expired"), Event{At: tx.Now(), Learnt: tx.Now()}, 0); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: o.me.Code, Action: actionExpire, Subject: id.String()})
}

// fail marks the recipients that have not receipted, or one of them, as failed.
func (o *Office) fail(tx *sqlite.Tx, seq int64, office string, why wording, e Event, proof int64) error {
	moved, err := advance(tx, seq, office, Failed, "", why)
	if err != nil || moved == 0 {
		return err
	}
	e.Step, e.Office, e.Note, e.Said = Failed, office, why.text, why.said
	o.changed(tx)
	return insertEvent(tx, seq, e, proof)
}
