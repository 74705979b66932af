package doctor_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/connector"
	"tram/agent/doctor"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// fixes are the fixes that the audit log of an office tells, and whether it holds.
func fixes(t *testing.T, dir string) (list []string) {
	t.Helper()
	db, err := agent.OpenDB(t.Context(), dir, sqlite.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := audit.List(t.Context(), db, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Action == "doctor.fix" {
			list = append(list, r.Subject)
		}
	}
	if _, err := audit.Verify(t.Context(), db); err != nil {
		t.Error(err)
	}
	return list
}

// TestWhatIsSafeIsMendedAndRecorded breaks what the doctor may mend, all at once.
func TestWhatIsSafeIsMendedAndRecorded(t *testing.T) {
	dir := copyOf(t)
	old := filepath.Join(dir, "received.moi")
	write(t, old, "x")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "tram.sock")})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	write(t, filepath.Join(dir, "office.db-wal"), "")
	for _, err := range []error{
		os.Chtimes(old, time.Now(), time.Now().Add(-30*time.Hour)), os.Truncate(filepath.Join(dir, "office.db-wal"), 80<<20),
		os.Chmod(filepath.Join(dir, "keys", "seal.key"), 0o644), os.Chmod(dir, 0o750),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o := options(t, dir)
	want := []string{doctor.DataOpen, doctor.KeyOpen, doctor.Leftovers, doctor.WALLarge, doctor.SocketStale}
	var fixed []string
	for _, f := range doctor.Run(t.Context(), o).Findings {
		if f.Fixable {
			recorded, err := doctor.Fix(t.Context(), o, f)
			if err != nil || !recorded {
				t.Errorf("%s: recorded %v, %v", f.Code, recorded, err)
			}
			fixed = append(fixed, f.Code)
		}
	}
	if !slices.Equal(fixed, want) || !slices.Equal(fixes(t, dir), want) {
		t.Errorf("mended %q, recorded %q, want %q", fixed, fixes(t, dir), want)
	}
	if r := doctor.Run(t.Context(), o); slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Fixable }) {
		t.Errorf("after it: %q", codes(r))
	}
}

// TestAMissingDataFolderIsMade without an audit log that could say so.
func TestAMissingDataFolderIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	o := options(t, dir)
	list := of(doctor.Run(t.Context(), o), doctor.DataMissing)
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	if recorded, err := doctor.Fix(t.Context(), o, list[0]); err != nil || recorded {
		t.Errorf("recorded %v, %v", recorded, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 1 { // the lock
		t.Errorf("%v, %v", entries, err)
	}
	if recorded, err := doctor.Fix(t.Context(), o, doctor.Finding{Code: doctor.KeyOpen}); err == nil || recorded {
		t.Error("what came over a wire is mended")
	}
}

// TestARunningServiceIsAskedAndWritesDownWhatWasMended with a service that runs,
// of another version, whose hot folder has gone.
func TestARunningServiceIsAskedAndWritesDownWhatWasMended(t *testing.T) {
	dir := copyOf(t)
	end := run(t, newAgent(t, dir).Run)
	defer end()
	client := api.NewClient(dir)
	defer client.Close()
	folder := filepath.Join(t.TempDir(), "exchange")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (connector.Client{Client: client}).Add(t.Context(), connector.Spec{Name: "edocman", Kind: "hotfolder", Settings: []byte(`{"dir":"` + folder + `"}`)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the folder is gone", func() bool { return os.RemoveAll(folder) == nil })
	o := options(t, dir)
	o.Version = "9.9.9"
	var r doctor.Report
	eventually(t, "the service tells of its hot folder", func() bool {
		r = doctor.Run(t.Context(), o)
		return len(of(r, "connector-failing")) == 1
	})
	for _, code := range []string{"connector-failing", doctor.FolderMissing, doctor.ServiceOther} {
		if list := of(r, code); len(list) != 1 {
			t.Errorf("%s is not told: %q", code, codes(r))
		} else {
			says(t, list[0])
		}
	}
	if err := os.Chmod(filepath.Join(dir, "keys", "device.key"), 0o604); err != nil {
		t.Fatal(err)
	}
	list := of(doctor.Run(t.Context(), o), doctor.KeyOpen)
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	if recorded, err := doctor.Fix(t.Context(), o, list[0]); err != nil || !recorded {
		t.Errorf("recorded %v, %v", recorded, err)
	}
	if got := fixes(t, dir); !slices.Equal(got, []string{doctor.KeyOpen}) {
		t.Errorf("recorded %q", got)
	}
}
