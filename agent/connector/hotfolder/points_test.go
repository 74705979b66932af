package hotfolder

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/office"
	"tram/storage/fsx"
	"tram/storage/killtest"
)

// exchange takes what lies in the drop folder, and brings one arrival out.
func exchange(dir string) (err error) {
	ctx := context.Background()
	c, _, closeDB, err := atWork(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(), closeDB()) }()
	for left := 1; left > 0; time.Sleep(5 * time.Millisecond) {
		if err := c.Collect(ctx); err != nil {
			return err
		}
		left = 0
		for _, name := range []string{dropDir, claimDir} {
			entries, err := os.ReadDir(filepath.Join(dir, "chung", name))
			if err != nil {
				return err
			}
			left += len(entries)
		}
	}
	return bringOut(ctx, dir)
}

// bringOut delivers an arrival of an office in memory into a tree of its own.
func bringOut(ctx context.Context, dir string) (err error) {
	settings, err := json.Marshal(map[string]string{"dir": filepath.Join(dir, "ra")})
	if err != nil {
		return err
	}
	desk := connectortest.NewDesk()
	doc := desk.File("Về việc họp", []byte("%PDF-1.7 nội dung"))
	c, err := newConn(connector.Env{
		Name: "out", Office: office.Party{Code: connectortest.Office, Name: "UBND xã Mẫu"}, Settings: settings, Desk: desk,
		Dir: filepath.Join(dir, "out"), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Deliver(ctx, connector.Delivery{Entry: arrival(doc)})
}

// TestP1_P2_KilledAtEachPointOfAHotFolder: what was dropped is sent once and handed over,
// and what arrived stands there once and whole.
func TestP1_P2_KilledAtEachPointOfAHotFolder(t *testing.T) {
	killtest.Story{
		Name:   "hot folder",
		Points: []fsx.Point{pointMove, pointOutput, pointJournal, pointName, fsx.PointFileRename},
		Prepare: func(t *testing.T, dir string) {
			settle(t, dir, "chung/gui", "hot", "ra", "out")
			drop := filepath.Join(dir, "chung", dropDir)
			write(t, filepath.Join(drop, "a.pdf"), []byte("%PDF-1.7 a\n%%EOF"))
			write(t, filepath.Join(drop, "a.pdf.tram.json"), said("Giấy mời a"))
			write(t, filepath.Join(drop, "b.edxml"), message("b"))
		},
		Check: func(t *testing.T, dir string, _ []string) {
			s := backAtWork(t, dir)
			if sent := s.sent(); len(sent) != 2 || sent[0] == sent[1] {
				t.Errorf("sent are %q", sent)
			}
			if done, bad := s.names(doneDir), s.names(rejectDir); len(done) != 3 || len(bad) > 0 {
				t.Errorf("handed over %q, set aside %q", done, bad)
			}
			out := &station{t: t, tree: filepath.Join(dir, "ra")}
			if got := out.names(inDir); len(got) != 1 {
				t.Errorf("arrived are %q", got)
			}
		},
	}.Run(t)
}
