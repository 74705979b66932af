package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"tram/agent/office"
	"tram/agent/problem"
)

// Figures that a test looks at.
const (
	figureCutLost    = "documents lost over power cuts"
	figureCutDoubled = "documents doubled over power cuts"
	figureCuts       = "power cuts without a manual step"
)

// badDocuments is what must not be.
type badDocuments struct{ lost, doubled, altered int }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// cutAndLook cuts the power and checks, on a copy, what a start will find: the file
// system has to be whole after its own check, and the audit chain after the
// database's own recovery.
func (p *powercut) cutAndLook(ctx context.Context) error {
	if p.random.IntN(2) == 0 {
		select {
		case <-p.box.disk.CutAfter(1 + p.random.IntN(cutWithin)):
		case <-time.After(cutWithinTime): // the box writes nothing
		}
	}
	lost, err := p.box.cut(p.random)
	if err != nil {
		return err
	}
	p.lost.Volatile += lost.Volatile
	p.lost.Forgotten += lost.Forgotten
	p.lost.Torn += lost.Torn
	data := filepath.Join(p.dir, "copy.ext4") // e2fsck opens it twice, without an offset
	if err := tool(ctx, "dd", "if="+p.box.image, "of="+data, "bs=1M", fmt.Sprintf("skip=%d", dataOffset>>20), "conv=sparse"); err != nil {
		return err
	}
	if err := tool(ctx, "e2fsck", "-p", data); err != nil {
		p.repaired++
		fmt.Fprintf(p.log, "%v\n", err)
		if !corrected(err) {
			return fmt.Errorf("the file system needs a person: %w", err)
		}
	}
	if err := tool(ctx, "e2fsck", "-fn", data); err != nil {
		return fmt.Errorf("the file system is not whole: %w", err)
	}
	folder := filepath.Join(p.dir, "copy")
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"office.db", "office.db-wal"} {
		if err := tool(ctx, "debugfs", "-R", "dump /lib/tram/"+name+" "+filepath.Join(folder, name), data); err != nil {
			return err
		}
	}
	if err := tool(ctx, "debugfs", "-R", "rdump /lib/tram/keys "+folder, data); err != nil {
		return err
	}
	if _, err := p.world.Run(ctx, "tram", "audit", "verify", "--data", folder); err != nil {
		return fmt.Errorf("the audit chain does not hold: %w", err)
	}
	return nil
}

// settle waits until everything has arrived with its receipt, and counts what did
// not, what stands twice and what is not the same. A box that is busy may leave a call
// without an answer, which is asked again.
func (p *powercut) settle(ctx context.Context) (badDocuments, error) {
	for deadline := time.Now().Add(cutDrainIn); ; {
		bad, err := p.countBad(ctx)
		late := time.Now().After(deadline)
		switch {
		case err != nil && (late || ctx.Err() != nil):
			return bad, err
		case err != nil:
			p.refuse(err)
		case bad.lost == 0 || bad.doubled > 0 || bad.altered > 0 || late:
			return bad, p.order(ctx)
		default:
			fmt.Fprintf(p.log, "under way: %d of %d\n", bad.lost, len(p.toHost)+len(p.toBox))
		}
		if err := pause(ctx, time.Second); err != nil {
			return bad, err
		}
	}
}

// countBad looks once at both offices.
func (p *powercut) countBad(ctx context.Context) (bad badDocuments, err error) {
	in, err := p.box.documents(ctx, "in")
	if err != nil {
		return bad, err
	}
	out, err := p.box.documents(ctx, "out")
	if err != nil {
		return bad, err
	}
	arrived := map[string]int{}
	for _, d := range in {
		arrived[d.ID]++
		if sum, sent := p.toBox[d.ID]; !sent || len(d.Attachments) != 1 || d.Attachments[0].SHA256 != sum {
			bad.altered++
		}
	}
	for id := range p.toBox {
		bad.count(arrived[id])
		receipt, err := p.receipt(ctx, id)
		if err != nil {
			return bad, err
		}
		if arrived[id] > 0 && !receipt {
			bad.lost++
		}
	}
	sent := map[string]string{}
	for _, d := range out {
		if _, twice := sent[d.ID]; twice {
			bad.doubled++
		}
		sent[d.ID] = d.State
	}
	bad.doubled += max(0, len(sent)-len(p.toHost)) // the same key made two
	there, err := p.atHost(ctx)
	if err != nil {
		return bad, err
	}
	bad.doubled += max(0, len(there)-len(p.toHost))
	for id, sum := range p.toHost {
		got := there[id]
		bad.count(len(got))
		if len(got) > 0 && got[0] != sum {
			bad.altered++
		}
		if len(got) > 0 && sent[id] != string(office.Delivered) {
			bad.lost++ // its receipt is not here
		}
	}
	return bad, nil
}

func (b *badDocuments) count(times int) {
	switch {
	case times == 0:
		b.lost++
	case times > 1:
		b.doubled++
	}
}

// receipt tells whether the host's office has the box's receipt for a document.
func (p *powercut) receipt(ctx context.Context, id string) (bool, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return false, err
	}
	d, err := p.host.API.Get(ctx, parsed)
	if err != nil && problem.From(err).Class != problem.NotFound {
		return false, err
	}
	return err == nil && d.State == office.Delivered, nil
}

// atHost lists what the host's office has received: IDs with their digests.
func (p *powercut) atHost(ctx context.Context) (map[string][]string, error) {
	all := map[string][]string{}
	for offset := 0; ; {
		page, err := p.host.API.Documents(ctx, office.Query{Box: office.In, Limit: office.MaxPage, Offset: offset})
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			id := d.ID.String()
			got, err := p.host.API.Get(ctx, d.ID)
			if err != nil {
				return nil, err
			}
			all[id] = append(all[id], got.Attachments[0].SHA256)
		}
		if offset += len(page.Documents); len(page.Documents) == 0 || offset >= page.Total {
			return all, nil
		}
	}
}

// order checks that each urgent document was in the box before the large one that had
// waited longer.
func (p *powercut) order(ctx context.Context) error {
	in, err := p.box.documents(ctx, "in")
	if err != nil {
		return err
	}
	at := map[string]time.Time{}
	for _, d := range in {
		at[d.ID] = d.FiledAt
	}
	for _, pair := range p.pairs {
		if !at[pair[0]].After(at[pair[1]]) {
			p.overtook++
		}
	}
	return nil
}

// report prints the figures.
func (p *powercut) report(bad badDocuments, spent time.Duration) error {
	slices.Sort(p.boots)
	fmt.Fprintf(p.log, "calls to the box that were to be repeated: %v\n", p.refused)
	for _, f := range []struct {
		name  string
		value float64
		unit  string
		aim   string
	}{
		{figureCuts, float64(len(p.boots)), "cuts", fmt.Sprint(p.count)},
		{"documents saved at the box, and for it", float64(len(p.toHost) + len(p.toBox)), "documents", ""},
		{figureCutLost, float64(bad.lost), "documents", "0"},
		{figureCutDoubled, float64(bad.doubled), "documents", "0"},
		{"documents altered over power cuts", float64(bad.altered), "documents", "0"},
		{"arriving documents with less than was safe before a cut", float64(p.shrunk), "documents", "0"},
		{"arriving documents that went on in the middle after a cut", float64(p.resumed), "documents", ""},
		{"urgent documents that came before a larger older one", float64(p.overtook), "documents", fmt.Sprint(len(p.pairs))},
		{"writes not flushed at the cuts", float64(p.lost.Volatile), "writes", ""},
		{"of these forgotten", float64(p.lost.Forgotten), "writes", ""},
		{"of these torn", float64(p.lost.Torn), "writes", ""},
		{"flushes by the box", float64(p.box.disk.Flushes()), "flushes", "> 0"},
		{"cuts after which e2fsck -p had more to do than the journal", float64(p.repaired), "cuts", "0"},
		{"kernel start to ready after a cut, median", quantile(p.boots, 0.5), "s of guest time", "≤ 10"},
		{"kernel start to ready after a cut, 95 %", quantile(p.boots, 0.95), "s of guest time", "≤ 10"},
		{"time of the run", spent.Seconds(), "s", ""},
	} {
		if err := p.figure(f.name, f.value, f.unit, f.aim, ""); err != nil {
			return err
		}
	}
	return nil
}

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
