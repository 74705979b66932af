package line

import (
	"context"
	"errors"
	"time"
)

// moves tells whether so many more bytes over the modem's line are content.
func (l *Line) moves(bytes int64) bool {
	l.minute += bytes
	content := bytes > quiet || l.minute > slow
	if content || time.Since(l.began) >= time.Minute {
		l.minute, l.began = 0, time.Now()
	}
	return content
}

// drive runs the modem.
func (l *Line) drive(ctx context.Context) {
	if l.modem == nil {
		return
	}
	now := time.Now()
	select {
	case failed := <-l.ended:
		l.modem.done(now, failed)
	default:
	}
	l.wish.scheduled = l.o.Modem.Times.Contains(l.o.Now())
	l.wish.connected = l.o.Connection.Status().Connected
	if l.modem.stage == down && now.Sub(l.asked) >= askEvery {
		l.asked = now
		l.wish.urgent = l.urgentWaits(ctx)
	}
	switch l.modem.next(now, l.wish) {
	case raise:
		l.log.Info("line is brought up", "scheduled", l.wish.scheduled, "urgent", l.wish.urgent)
		l.before = l.State().Interface
		l.run(ctx, l.o.Modem.Up)
	case lower:
		l.log.Info("line is brought down")
		l.run(ctx, l.o.Modem.Down)
	}
}

// run starts a program of the modem; how it ended comes over ended.
func (l *Line) run(ctx context.Context, argv []string) {
	go func() { l.ended <- execute(ctx, argv, l.o.Modem.Timeout, l.log) != nil }()
}

// urgentWaits tells whether something waits that is worth bringing the line up
// for: what somebody asked to send now, or what is urgent enough and may go
// over it.
func (l *Line) urgentWaits(ctx context.Context) bool {
	waiting, err := l.o.Waiting(ctx)
	if err = errors.Join(err, l.tidyFirst(ctx)); err != nil {
		if ctx.Err() == nil {
			l.log.Error("waiting documents not counted", "error", err)
		}
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.state.Account
	least := max(l.o.Modem.Urgency, l.o.Policy.Decide(l.o.Now(), true, a.Used, a.Resets).Rules.MinUrgency)
	urgent := len(l.first) > 0
	for urgency, n := range waiting {
		urgent = urgent || n > 0 && urgency >= int(least)
	}
	return urgent
}
