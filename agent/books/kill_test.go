package books

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"tram/agent/office"
	"tram/agent/register"
)

// printsUntilKilled names the folder in which a child of this test prints.
const printsUntilKilled = "TRAM_TEST_PRINTS"

// TestP1_APrintSurvivesSIGKILL kills a program that prints, again and again, and
// looks at the books that it leaves.
func TestP1_APrintSurvivesSIGKILL(t *testing.T) {
	if dir := os.Getenv(printsUntilKilled); dir != "" {
		printUntilKilled(t, dir)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	d.fileYear(office.In, 60)
	r := rand.New(rand.NewPCG(1, 2))
	var sure []register.Sheet
	files := map[int64]string{}
	for kills := 0; kills < 12 || len(files) < 5 && kills < 100; kills++ {
		d.fatal(d.db.Close())
		child := exec.Command(self, "-test.run=^TestP1_APrintSurvivesSIGKILL$")
		child.Env = append(os.Environ(), printsUntilKilled+"="+d.dir)
		d.fatal(child.Start())
		time.Sleep(time.Duration(150+r.IntN(400)) * time.Millisecond)
		d.fatal(child.Process.Kill())
		_ = child.Wait()
		d.open()
		sure = d.checkAfterKill(sure, files)
	}
	if len(files) < 5 {
		t.Errorf("only %d prints were made before the program was killed", len(files))
	}
}

// checkAfterKill holds that pages and lines are whole and what was confirmed is
// as it was.
func (d *desk) checkAfterKill(sure []register.Sheet, files map[int64]string) []register.Sheet {
	t := d.t
	t.Helper()
	s := d.state(register.Incoming)
	seen := map[string]bool{}
	sheets := d.sheets(register.Incoming)
	for i, sheet := range sheets {
		if sheet.Page != i+1 {
			t.Fatalf("page %d is at place %d", sheet.Page, i+1)
		}
		if i < len(sure) && page(sheet) != page(sure[i]) {
			t.Fatalf("page %d changed", i+1)
		}
		for _, row := range sheet.Rows {
			if seen[row.Key] {
				t.Fatalf("line %s is on two pages", row.Key)
			}
			seen[row.Key] = true
		}
	}
	docs, err := d.office.Yearbook(t.Context(), office.In, 2026)
	d.fatal(err)
	for _, doc := range docs {
		if !seen[doc.ID.String()] {
			t.Fatalf("number %d is on no page", doc.Arrival)
		}
	}
	jobs, err := d.Jobs(t.Context(), register.Incoming, 2026)
	d.fatal(err)
	for _, j := range jobs {
		data := d.bytes(j.ID)
		if before, ok := files[j.ID]; ok && before != data || len(data) < 1000 {
			t.Fatalf("the file of print %d has %d bytes, before %d", j.ID, len(data), len(before))
		}
		files[j.ID] = data
	}
	if s.Open != nil {
		return sheets[:s.Open.First-1]
	}
	return sheets[:s.Pages]
}

// printUntilKilled enters, prints and confirms or discards for as long as it is
// let.
func printUntilKilled(t *testing.T, dir string) {
	d := &desk{t: t, dir: dir, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	d.open()
	docs, err := d.office.Yearbook(t.Context(), office.In, 2026)
	d.fatal(err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := len(docs) + 1; ctx.Err() == nil; n++ {
		if open := d.state(register.Incoming).Open; open == nil {
			d.file(office.In, n)
			d.print(register.Incoming)
		} else if n%3 == 0 {
			_, err := d.Discard(ctx, open.ID, "lan")
			d.fatal(err)
		} else {
			_, err := d.Confirm(ctx, open.ID, "lan")
			d.fatal(err)
		}
	}
}
