package lgsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

const (
	maxPending = 500 // messages that are looked at before they are taken in
	maxTries   = 10_000
	listEvery  = 24 * time.Hour // between lists of offices
	listAgain  = time.Hour      // after one that failed
	maxRef     = 200            // bytes of the axis's name of a message
)

// tries is how often a message could not be taken in.
type tries struct {
	n    int
	next time.Time
}

// Collect implements [connector.Connector]: it takes in what the axis has,
// looks after what was sent, and reads the list of offices now and then.
func (a *axis) Collect(ctx context.Context) error {
	var errs []error
	for _, kind := range []string{kindDocument, kindStatus} {
		err := a.round(ctx, kind)
		if errs = append(errs, err); isAway(err) {
			return err // the other calls fail as well
		}
	}
	errs = append(errs, a.watch(ctx), a.refresh(ctx), a.state.tidy(ctx, a.env.Now()))
	return errors.Join(errs...)
}

func isAway(err error) bool {
	return errors.Is(err, problem.New(problem.LinkDown, "lgsp.away", "", nil)) || errors.Is(err, context.Canceled)
}

// round takes in all messages of a kind that the axis holds.
func (a *axis) round(ctx context.Context, kind string) error {
	began := a.env.Now()
	from, err := a.since(ctx, kind)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var wrong error
	for {
		list, err := a.pending(ctx, kind, from, seen)
		if err != nil {
			return err
		}
		for _, e := range list {
			seen[string(e.DocID)] = true
			if err := a.takeIn(ctx, e); err != nil {
				if stops(ctx, err) {
					return err
				}
				wrong = err
			}
		}
		if len(list) < maxPending {
			break
		}
	}
	if wrong != nil {
		return wrong
	}
	return a.state.setMark(ctx, markRound+kind, began.UnixMilli())
}

// since is the day from which on a list is asked for: what came while there was
// no line is behind the last round that took everything.
func (a *axis) since(ctx context.Context, kind string) (time.Time, error) {
	from := a.env.Now().AddDate(0, 0, -a.axis.Days)
	last, err := a.state.mark(ctx, markRound+kind)
	if err != nil {
		return time.Time{}, err
	}
	if before := time.UnixMilli(last).AddDate(0, 0, -a.axis.Days); last > 0 && before.Before(from) {
		from = before
	}
	return from.In(edxml.Vietnam), nil
}

// stops reports whether a round cannot go on.
func stops(ctx context.Context, err error) bool {
	var r *refused
	return ctx.Err() != nil || isAway(err) || problem.From(err).Class == problem.Full || errors.As(err, &r) && r.code == codeCredentials
}

// pending lists messages that the axis holds and that are due.
func (a *axis) pending(ctx context.Context, kind string, from time.Time, seen map[string]bool) (list []entry, err error) {
	now := a.env.Now()
	err = a.axis.list(ctx, a.axis.Paths.Received, kind, from, a.tomorrow(), func(e entry) error {
		ref := string(e.DocID)
		if ref == "" || len(ref) > maxRef || e.state() == delivered || e.state() == failed || seen[ref] || len(list) >= maxPending {
			return nil
		}
		a.mu.Lock()
		due := !a.tries[ref].next.After(now)
		a.mu.Unlock()
		if due {
			list = append(list, e)
		}
		return nil
	})
	return list, err
}

// takeIn takes one message in and tells the axis.
func (a *axis) takeIn(ctx context.Context, e entry) error {
	ref := string(e.DocID)
	body := &download{start: func(w io.Writer) error { return a.axis.download(ctx, e, w) }}
	taken, err := a.desk.TakeIn(ctx, office.Foreign{Via: a.env.Name, Ref: ref, Name: ref, Body: body})
	body.close()
	if err == nil {
		state := delivered
		if taken.Aside != nil {
			state = failed
			a.env.Logger.Warn("message set aside", "ref", clip(ref), "reason", taken.Aside.Text(i18n.English))
		}
		err = a.axis.update(ctx, ref, state)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.tries, ref)
		return nil
	}
	if _, known := a.tries[ref]; ctx.Err() == nil && !stops(ctx, err) && (known || len(a.tries) < maxTries) {
		t := a.tries[ref]
		t.n++
		t.next = a.env.Now().Add(pause(t.n))
		a.tries[ref] = t
	}
	return err
}

// download is a message that is fetched when it is read for the first time: the
// office may know it already.
type download struct {
	start func(io.Writer) error
	r     *io.PipeReader
	ended chan struct{}
}

func (d *download) Read(p []byte) (int, error) {
	if d.r == nil {
		r, w := io.Pipe()
		d.r, d.ended = r, make(chan struct{})
		go func() {
			defer close(d.ended)
			_ = w.CloseWithError(d.start(w)) // nil is the end
		}()
	}
	return d.r.Read(p)
}

// close ends a download that was not read to its end.
func (d *download) close() {
	if d.r != nil {
		_ = d.r.Close()
		<-d.ended
	}
}

// watch looks what became of the documents that the axis has.
func (a *axis) watch(ctx context.Context) error {
	since, ok, err := a.state.open(ctx)
	if err != nil || !ok || a.axis.Paths.Sent == none {
		return err
	}
	ended := map[string]string{}
	err = a.axis.list(ctx, a.axis.Paths.Sent, kindDocument, since.AddDate(0, 0, -1).In(edxml.Vietnam), a.tomorrow(), func(e entry) error {
		if s := e.state(); (s == delivered || s == failed) && e.DocID != "" && len(ended) < maxTries {
			ended[string(e.DocID)] = s
		}
		return nil
	})
	if errors.Is(err, errMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	for ref, s := range ended {
		if err := a.moved(ctx, ref, s); err != nil {
			return err
		}
	}
	return nil
}

func (a *axis) moved(ctx context.Context, ref, to string) error {
	id, ok, err := a.state.known(ctx, ref, to)
	if err != nil || !ok {
		return err
	}
	if to == failed {
		if err := a.desk.Unreached(ctx, id, a.env.Name, nil, i18n.Say("lgsp.fail")); err != nil {
			return fmt.Errorf("note failure: %w", err)
		}
	}
	return a.state.moved(ctx, id, to)
}

// refresh reads the list of offices when it is due.
func (a *axis) refresh(ctx context.Context) error {
	if a.axis.Paths.Agencies == none {
		return nil
	}
	last, err := a.state.mark(ctx, markListed)
	if err != nil {
		return err
	}
	a.mu.Lock()
	due := a.env.Now().Sub(time.UnixMilli(last)) >= listEvery && !a.tries[markListed].next.After(a.env.Now())
	a.mu.Unlock()
	if !due {
		return nil
	}
	err = a.offices(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tries, markListed)
	if err != nil {
		a.tries[markListed] = tries{next: a.env.Now().Add(listAgain)}
	}
	if errors.Is(err, errMissing) {
		a.env.Logger.Info("the axis has no list of offices")
		return nil
	}
	return err
}

func (a *axis) offices(ctx context.Context) error {
	list, err := a.state.newAgencies(ctx)
	if err != nil {
		return err
	}
	if err := a.axis.offices(ctx, func(e entry) error { return list.add(ctx, e) }); err != nil {
		return err
	}
	return list.done(ctx, a.env.Now())
}
