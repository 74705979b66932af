package doctor_test

import (
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/doctor"
	"tram/agent/enroll"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/identity/identitytest"
	"tram/agent/probe"
	"tram/storage/keystore"
	"tram/sync/linktest"
)

// fault is one thing that is broken, and what must be said of it.
type fault struct {
	name   string
	code   string
	state  doctor.State
	inject func(t *testing.T, dir string, o *doctor.Options)
}

// flip turns a bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// content is the file of a content.
func content(t *testing.T, dir string) (path string) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(dir, "blobs"), func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && len(d.Name()) == 64 {
			path = at
		}
		return nil
	})
	if path == "" {
		t.Fatal("the office has no content")
	}
	return path
}

// remove removes files and folders of a data folder.
func remove(names ...string) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, dir string, _ *doctor.Options) {
		for _, name := range names {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// put writes a file of the data folder.
func put(name, text string) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, dir string, _ *doctor.Options) { write(t, filepath.Join(dir, name), text) }
}

// at sets the machine's clock.
func at(now func(id *identity.Identity) time.Time) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, dir string, o *doctor.Options) {
		id, err := identity.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		o.Now = func() time.Time { return now(id) }
	}
}

// machine writes a file of the machine.
func machine(name, text string) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, _ string, o *doctor.Options) { write(t, filepath.Join(o.Root, name), text) }
}

// statement changes the database.
func statement(sql string) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, dir string, _ *doctor.Options) { change(t, dir, sql) }
}

// mode opens a file or folder to others.
func mode(name string, m fs.FileMode) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, dir string, _ *doctor.Options) {
		if err := os.Chmod(filepath.Join(dir, name), m); err != nil {
			t.Fatal(err)
		}
	}
}

// manager has a service manager answer what systemd answers of such a service.
func manager(text string) func(*testing.T, string, *doctor.Options) {
	return func(t *testing.T, _ string, _ *doctor.Options) {
		dir := t.TempDir()
		script := "#!/bin/sh\ncat <<'END'\n" + text + "\nEND\n"
		if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
}

var faults = []fault{
	{"little memory", doctor.MemoryLow, doctor.Warning, machine("proc/meminfo", "MemTotal:          30000 kB\nMemAvailable:       9000 kB\n")},
	{"little memory for the service", doctor.MemoryLow, doctor.Warning, machine("sys/fs/cgroup/memory.max", "33554432\n")},
	{"temporary folder gone", doctor.TempUnwritable, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	}},
	{"clock in 1970", "clock-untrusted", doctor.Failure, at(func(*identity.Identity) time.Time { return time.Unix(1000, 0) })},
	{"clock behind the last run", "clock-untrusted", doctor.Failure, put("clock", time.Now().AddDate(0, 6, 0).UTC().Format(time.RFC3339))},
	{"clock jumped ahead by years", doctor.ClockJumped, doctor.Warning, at(func(*identity.Identity) time.Time { return time.Now().AddDate(3, 0, 0) })},
	{"clock chip without battery", doctor.ClockChip, doctor.Warning, machine("sys/class/rtc/rtc0/since_epoch", "12345\n")},
	{"a setting that is none", doctor.SettingsBad, doctor.Failure, put("tram.toml", "[limits]\nflie = \"50MB\"\n")},
	{"no data folder", doctor.DataMissing, doctor.Failure, remove("")},
	{"an open data folder", doctor.DataOpen, doctor.Failure, mode("", 0o755)},
	{"a readable key", doctor.KeyOpen, doctor.Failure, mode("keys/device.key", 0o644)},
	{"a readable database", doctor.KeyOpen, doctor.Failure, mode("office.db", 0o640)},
	{"temporary files", doctor.Leftovers, doctor.Warning, func(t *testing.T, dir string, _ *doctor.Options) {
		path := filepath.Join(dir, "blobs", ".tmp-abc")
		write(t, path, "x")
		if err := os.Chtimes(path, time.Now(), time.Now().Add(-48*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}},
	{"two services on one data folder", doctor.DataTwice, doctor.Failure, func(t *testing.T, dir string, o *doctor.Options) {
		for _, name := range []string{"tram", "tram-old"} {
			write(t, filepath.Join(o.Root, "etc/systemd/system", name+".service"), "[Service]\nExecStart=/opt/tram/tram run --data "+dir+"\n")
		}
	}},
	{"disk full", doctor.DiskFull, doctor.Failure, put("tram.toml", "[storage]\nreserve = \"900GB\"\n")},
	{"no database", doctor.DatabaseMissing, doctor.Failure, remove("office.db")},
	{"a torn database", doctor.DatabaseDamaged, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		path := filepath.Join(dir, "office.db")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(make([]byte, info.Size()/2), info.Size()/4)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}},
	{"no database at all in its file", doctor.DatabaseDamaged, doctor.Failure, put("office.db", strings.Repeat("this is no database\n", 300))},
	{"a newer database", doctor.DatabaseNewer, doctor.Failure, statement(`INSERT INTO migrations VALUES ('queue', 99, 'future', zeroblob(32), 0)`)},
	{"an older database", doctor.DatabaseOld, doctor.Warning, statement(`DELETE FROM migrations WHERE schema = 'office' AND version = (SELECT max(version) FROM migrations WHERE schema = 'office')`)},
	{"another program's database", doctor.DatabaseForeign, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		remove("office.db")(t, dir, nil)
		db, err := sql.Open("sqlite", filepath.Join(dir, "office.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(`CREATE TABLE x (y)`); err != nil {
			t.Fatal(err)
		}
	}},
	{"a large log", doctor.WALLarge, doctor.Warning, func(t *testing.T, dir string, _ *doctor.Options) {
		write(t, filepath.Join(dir, "office.db-wal"), "")
		if err := os.Truncate(filepath.Join(dir, "office.db-wal"), 80<<20); err != nil {
			t.Fatal(err)
		}
	}},
	{"a changed audit log", "log-changed", doctor.Failure, statement(`UPDATE audit SET actor = 'nobody' WHERE seq = 1`)},
	{"a content gone", doctor.ContentMissing, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		if err := os.Remove(content(t, dir)); err != nil {
			t.Fatal(err)
		}
	}},
	{"a content damaged", doctor.ContentDamaged, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) { flip(t, content(t, dir)) }},
	{"not enrolled", doctor.NotEnrolled, doctor.Warning, remove("keys")},
	{"an invite that waits for a line", doctor.InvitePending, doctor.Warning, func(t *testing.T, dir string, _ *doctor.Options) {
		remove("keys", "office.db", "blobs")(t, dir, nil)
		r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: dir, Invite: filepath.Join(found(t).invites, codeA+".moi")})
		if err != nil || r.State != enroll.Pending {
			t.Fatalf("%+v, %v", r, err)
		}
	}},
	{"a key gone", doctor.KeyMissing, doctor.Failure, remove("keys/seal.key")},
	{"another key", doctor.KeyMismatch, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		if err := keystore.SaveKey(filepath.Join(dir, "keys", "device.key"), identitytest.Key(t)); err != nil {
			t.Fatal(err)
		}
	}},
	{"a certificate of another CA", doctor.CAMismatch, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		id, err := identity.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		template := *id.DeviceCert
		template.SerialNumber = big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, id.Device.Public(), id.Device)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err == nil {
			err = keystore.SaveCert(filepath.Join(dir, "keys", "device.crt"), cert)
		}
		if err != nil {
			t.Fatal(err)
		}
	}},
	{"a damaged identity", doctor.IdentityDamaged, doctor.Failure, put("keys/trust.json", "{")},
	{"a certificate that ends", "certificate-expiring", doctor.Warning, at(func(id *identity.Identity) time.Time { return id.DeviceCert.NotAfter.AddDate(0, 0, -20) })},
	{"a certificate that has ended", "certificate-expired", doctor.Failure, at(func(id *identity.Identity) time.Time { return id.DeviceCert.NotAfter.Add(time.Hour) })},
	{"a certificate of the future", doctor.NotYetValid, doctor.Failure, func(t *testing.T, dir string, o *doctor.Options) {
		remove("clock")(t, dir, o)
		at(func(id *identity.Identity) time.Time { return id.DeviceCert.NotBefore.Add(-2 * time.Hour) })(t, dir, o)
	}},
	{"a seal that has ended", "seal-expired", doctor.Failure, at(func(id *identity.Identity) time.Time { return id.SealCert.NotAfter.Add(time.Hour) })},
	{"no list of time stamp authorities", doctor.StampAuthority, doctor.Failure, put("tram.toml", "[stamp]\nurl = \"http://127.0.0.1:1/tsa\"\nca = \"tsa.pem\"\n")},
	{"a time stamp authority that is away", doctor.StampSilent, doctor.Warning, func(t *testing.T, dir string, _ *doctor.Options) {
		settings(t, dir, "[stamp]\nurl = \"http://"+linktest.FreeAddr(t)+"/tsa\"\nca = \"keys/device.crt\"\n")
	}},
	{"pages without their key", doctor.PagesPair, doctor.Failure, put("tram.toml", "[ui]\ncertificate = \"/none/pages.crt\"\nkey = \"/none/pages.key\"\n")},
	{"a taken port", doctor.PortTaken, doctor.Failure, func(t *testing.T, _ string, _ *doctor.Options) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		t.Setenv("TRAM_UI_ADDRESS", l.Addr().String())
	}},
	{"a scanner's folder gone", doctor.FolderMissing, doctor.Warning, put("tram.toml", "[ui]\nscans = \"/none/scans\"\n")},
	{"a hot folder gone", doctor.FolderMissing, doctor.Warning,
		statement(`INSERT INTO connectors VALUES ('edocman', 'hotfolder', '{"dir":"/none/exchange"}', NULL, 0, '', 0)`)},
	{"no service", doctor.ServiceMissing, doctor.Failure, manager("LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nNRestarts=0")},
	{"a stopped service", doctor.ServiceStopped, doctor.Failure, manager("LoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=enabled\nNRestarts=0")},
	{"a failed service", doctor.ServiceFailed, doctor.Failure, manager("LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\nNRestarts=0")},
	{"a service that does not start with the machine", doctor.ServiceDisabled, doctor.Warning, manager("LoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=disabled\nNRestarts=0")},
	{"a service that dies again and again", doctor.ServiceLooping, doctor.Failure, manager("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nUnitFileState=enabled\nNRestarts=17")},
	{"a process that does not answer", doctor.ServiceDeaf, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		unlock, err := keystore.Lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unlock() })
	}},
	{"a socket of a killed service", doctor.SocketStale, doctor.Warning, func(t *testing.T, dir string, _ *doctor.Options) {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "tram.sock")})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}},
	{"a version on trial", doctor.UpdateTrial, doctor.Warning, put("software/state.json", `{"v":1,"current":"","serial":0,"warrant":0,"trial":{"version":"1.5.0","serial":3,"starts":1}}`)},
	{"a version that is being taken back", doctor.UpdateRestoring, doctor.Failure, put("software/state.json", `{"v":1,"current":"","serial":0,"warrant":0,"restoring":true}`)},
	{"a version that cannot be taken back", "update-stuck", doctor.Failure, put("software/state.json", `{"v":1,"current":"","serial":0,"warrant":0,"stuck":{"version":"1.5.0","serial":3,"reason":"no-line","at":"2026-11-20T00:00:00Z"}}`)},
	{"a closed port at the hub", probe.PortClosed, doctor.Warning, func(*testing.T, string, *doctor.Options) {}}, // it has ended
	{"somebody else at the hub's address", probe.NotTLS, doctor.Failure, func(t *testing.T, dir string, _ *doctor.Options) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("HTTP/1.1 511 Network Authentication Required\r\n\r\n"))
				conn.Close()
			}
		}()
		settings(t, dir, "[mqtt]\nservers = [\""+l.Addr().String()+"\"]\n")
	}},
}

// TestEachInjectedFaultIsNamed breaks a box in one way after the other.
func TestEachInjectedFaultIsNamed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("faults of Unix: modes, sockets, scripts")
	}
	well := copyOf(t)
	before := doctor.Run(t.Context(), options(t, well))
	named := map[string]bool{}
	for _, f := range faults {
		named[f.code] = true
		t.Run(f.name, func(t *testing.T) {
			dir := copyOf(t)
			o := options(t, dir)
			f.inject(t, dir, &o)
			r := doctor.Run(t.Context(), o)
			list := of(r, f.code)
			if len(list) == 0 || list[0].State != f.state {
				t.Fatalf("%s is not told as %s; told are %q", f.code, f.state, codes(r))
			}
			if f.code != probe.PortClosed && f.code != doctor.ServiceMissing && len(of(before, f.code)) > 0 {
				t.Errorf("it is told of a box that is well")
			}
			says(t, list[0])
			if limit := doctor.Limit.Milliseconds(); r.Took > limit {
				t.Errorf("it took %d ms, limit %d", r.Took, limit)
			}
		})
	}
	if len(named) < 20 {
		t.Errorf("%d conditions", len(named))
	}
	t.Logf("%d faults, %d conditions", len(faults), len(named))
	if want := []string{"service:" + doctor.ServiceMissing, "line:" + probe.PortClosed}; !slices.Equal(codes(before), want) {
		t.Errorf("of a box that is well but for its service and hub it says %q", codes(before))
	}
}

// TestEveryCodeHasItsWords in both languages, and is in the table.
func TestEveryCodeHasItsWords(t *testing.T) {
	table, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range doctor.Codes {
		if !strings.Contains(string(table), "`"+code+"`") {
			t.Errorf("agent/README.md does not name %s", code)
		}
		for _, key := range []string{"doctor." + code, "doctor.fix." + code} {
			if !i18n.Has(key) {
				t.Errorf("the catalogue lacks %s", key)
			}
		}
	}
}
