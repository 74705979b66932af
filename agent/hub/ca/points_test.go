package ca

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/identity"
	"tram/storage/fsx"
	"tram/storage/killtest"
)

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"change": changeCA}); child {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// changeCA changes the CA of a hub, step by step.
func changeCA(dir string) error {
	for {
		c, err := Load(dir)
		if err != nil {
			return err
		}
		step := map[Phase]Step{Settled: StepAnnounce, Announced: StepSwitch, Switched: StepFinish}[c.Phase()]
		if step == StepAnnounce && len(c.Roots()) > 1 {
			_, err := c.Refresh(time.Now())
			return err
		}
		if _, err := Rotate(dir, step, time.Now()); err != nil {
			return err
		}
	}
}

// TestP1_KilledAtEachPointOfAChangeOfTheCA: begun again, the change comes to its end, and
// nothing is left of the folders beside.
func TestP1_KilledAtEachPointOfAChangeOfTheCA(t *testing.T) {
	h := newHub(t)
	killtest.Story{
		Name:    "change",
		Points:  []fsx.Point{PointRotated, PointReplaced, identity.PointPublish},
		Prepare: func(t *testing.T, dir string) { killtest.Copy(t, h.dir, dir) },
		Check: func(t *testing.T, dir string, _ []string) {
			c, err := Load(dir)
			if err != nil || c.Phase() != Settled || len(c.Roots()) != 2 || !c.Roots()[1].Equal(h.Root.Cert) {
				t.Fatalf("after the change: %+v, %v", c, err)
			}
			for _, left := range []string{rotatingFolder, rotatedFolder, replacedFolder} {
				if _, err := os.Stat(filepath.Join(dir, left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left (%v)", left, err)
				}
			}
		},
	}.Run(t)
}
