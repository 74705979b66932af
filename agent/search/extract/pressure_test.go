package extract

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestAMachineIsShortOfMemoryWhenProgramsWaitForIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory")
	for content, want := range map[string]bool{
		"some avg10=18.05 avg60=3.82 avg300=0.82 total=3057163\nfull avg10=14.11 avg60=2.97 avg300=0.63 total=2475361\n": true,
		"some avg10=0.00 avg60=33.82 avg300=0.82 total=3057163\nfull avg10=0.00 avg60=2.97 avg300=0.63 total=2475361\n":  false,
		"some avg10=\n": false, "": false,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := short(file); got != want {
			t.Errorf("%q: short %v", content, got)
		}
	}
	if short(file + "-none") {
		t.Error("a kernel that says nothing is short of memory")
	}
}

func TestP9_ReadingWaitsForMemoryButNotForEver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory")
	if err := os.WriteFile(file, []byte("some avg10=50.00 avg60=0.00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const most = time.Minute
		begin := time.Now()
		awaitMemory(t.Context(), file, most)
		if waited := time.Since(begin); waited < most || waited > most+shortLook {
			t.Errorf("waited %v on a machine that stays short", waited)
		}
		time.AfterFunc(10*time.Second, func() {
			if err := os.WriteFile(file, []byte("some avg10=1.00 avg60=50.00\n"), 0o600); err != nil {
				t.Error(err)
			}
		})
		begin = time.Now()
		awaitMemory(t.Context(), file, most)
		if waited := time.Since(begin); waited < 10*time.Second || waited > 10*time.Second+shortLook {
			t.Errorf("waited %v for a machine that has memory after 10 s", waited)
		}
	})
}
