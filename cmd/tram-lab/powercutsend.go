package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"tram/agent/api"
	"tram/cmd/internal/sample"
)

// pair leaves a large document and then an urgent one for the box while it is dark:
// the urgent one has to be there first (P5).
func (p *powercut) pair(ctx context.Context, n int) error {
	if n%10 != 0 {
		return nil
	}
	large, err := p.fromHost(ctx, fmt.Sprintf("V/v tệp lớn %d", n), 0, sample.SmallPDF(bulkSize, p.random.Uint64()))
	if err != nil {
		return err
	}
	urgent, err := p.fromHost(ctx, fmt.Sprintf("V/v hỏa tốc %d", n), 3, sample.SmallPDF(20_000, p.random.Uint64()))
	if err != nil {
		return err
	}
	p.pairs = append(p.pairs, [2]string{urgent, large})
	return nil
}

func (p *powercut) fromHost(ctx context.Context, subject string, urgency uint8, file []byte) (string, error) {
	doc, err := p.host.API.Send(ctx, api.DraftRequest{
		To: []string{"H40.12"}, Subject: subject, Urgency: urgency, Files: []string{"van-ban.pdf"}, By: "lab",
	}, []io.Reader{bytes.NewReader(file)})
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toBox[doc.ID.String()] = doc.Attachments[0].SHA256
	return doc.ID.String(), nil
}

// size of a document: mostly letters, some scans.
func (p *powercut) size(random *rand.Rand) int {
	if random.IntN(5) == 0 {
		return 1<<20 + random.IntN(2<<20)
	}
	return 3000 + random.IntN(60_000)
}

func (p *powercut) sendFromHost(ctx context.Context, n int, random *rand.Rand) error {
	var ahead []string
	for _, id := range p.ahead {
		there, err := p.receipt(ctx, id)
		if err != nil {
			return err
		}
		if !there {
			ahead = append(ahead, id)
		}
	}
	p.ahead = ahead
	if len(p.ahead) >= cutAhead {
		return pauseOrEnd(ctx, time.Second)
	}
	id, err := p.fromHost(ctx, fmt.Sprintf("V/v đến %d", n), uint8(random.IntN(4)), sample.SmallPDF(p.size(random), random.Uint64()))
	if err != nil {
		return err
	}
	p.ahead = append(p.ahead, id)
	return pauseOrEnd(ctx, time.Duration(1000+random.IntN(3000))*time.Millisecond)
}

// sendFromBox hands a document over until the box has said that it is saved: what is
// not said to be saved is the sender's to repeat, under the same key.
func (p *powercut) sendFromBox(ctx context.Context, n int, random *rand.Rand) error {
	file := sample.SmallPDF(p.size(random), random.Uint64())
	once := fmt.Sprintf("lab-%d-%d", p.seed, n)
	urgency := []string{"thuong", "khan", "thuong-khan", "hoa-toc"}[random.IntN(4)]
	for {
		id, err := p.box.send(ctx, "H40.15", fmt.Sprintf("V/v đi %d", n), urgency, once, file)
		var status *statusError
		switch {
		case err == nil:
			p.mu.Lock()
			p.toHost[id] = digest(file)
			p.mu.Unlock()
			return pauseOrEnd(ctx, time.Duration(500+random.IntN(2000))*time.Millisecond)
		case errors.As(err, &status) && status.status < 500 && status.status != http.StatusConflict && status.status != http.StatusTooManyRequests:
			return fmt.Errorf("document %d from the box: %w", n, err)
		}
		p.refuse(err)
		if err := pauseOrEnd(ctx, 200*time.Millisecond); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// refuse counts a call to the box that is to be repeated.
func (p *powercut) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[errorKind(err)]++
}

// errorKind is what calls that were not answered have in common.
func errorKind(err error) string {
	var status *statusError
	if errors.As(err, &status) {
		return fmt.Sprintf("answer %d", status.status)
	}
	for ; errors.Unwrap(err) != nil; err = errors.Unwrap(err) {
	}
	return err.Error()
}

// pauseOrEnd is pause for a sender, to whom the end is no error.
func pauseOrEnd(ctx context.Context, d time.Duration) error {
	if err := pause(ctx, d); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
