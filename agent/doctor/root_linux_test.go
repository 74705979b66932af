package doctor_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tram/agent/doctor"
)

// apart is set in the process that has mounts of its own.
const apart = "TRAM_TEST_APART"

// TestFileSystemsThatDoNotKeepDocuments runs itself with mounts of its own: file
// systems in memory that are full of files, full, or read-only.
func TestFileSystemsThatDoNotKeepDocuments(t *testing.T) {
	if os.Getenv(apart) == "" {
		asRoot(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS})
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, options string
		fill          func(t *testing.T, dir string)
		then          uintptr // flags of a remount
		want          []string
	}{
		{"memory", "size=4m", func(*testing.T, string) {}, 0, []string{doctor.DiskKind, doctor.DiskFull}},
		{"read-only", "size=4m", func(*testing.T, string) {}, unix.MS_RDONLY, []string{doctor.DiskKind, doctor.DiskFull, doctor.DiskReadOnly}},
		{"no inodes", "size=900m,nr_inodes=40", func(t *testing.T, dir string) {
			for i := range 20 {
				write(t, filepath.Join(dir, strconv.Itoa(i)), "")
			}
		}, 0, []string{doctor.DiskKind, doctor.DiskInodes}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, tt.options+",mode=0700"); err != nil {
				t.Fatal(err)
			}
			defer unix.Unmount(dir, unix.MNT_DETACH)
			tt.fill(t, dir)
			if tt.then != 0 {
				if err := unix.Mount("", dir, "", unix.MS_REMOUNT|tt.then, ""); err != nil {
					t.Fatal(err)
				}
			}
			r := doctor.Run(t.Context(), options(t, dir))
			for _, code := range tt.want {
				if list := of(r, code); len(list) != 1 {
					t.Errorf("%s is not told: %q", code, codes(r))
				} else {
					says(t, list[0])
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".tmp") }) {
				t.Errorf("it leaves %v behind (error %v)", entries, err)
			}
		})
	}
	// The kernel makes no files here.
	r := doctor.Run(t.Context(), options(t, "/proc/self/fdinfo"))
	if list := of(r, doctor.DiskWrite); len(list) != 1 {
		t.Errorf("%s is not told: %q", doctor.DiskWrite, codes(r))
	} else {
		says(t, list[0])
	}
}

// asRoot runs the test that calls it in a process of its own.
func asRoot(t *testing.T, attr *syscall.SysProcAttr) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: this was not tried")
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.run", "^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), apart+"=1")
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestFilesOfAnotherUserAreFoundAndGivenBack as after a command that root ran.
func TestFilesOfAnotherUserAreFoundAndGivenBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const daemon = 1 // a user that every Linux has
	dir := copyOf(t)
	if err := os.Chown(dir, daemon, daemon); err != nil {
		t.Fatal(err)
	}
	o := options(t, dir)
	list := of(doctor.Run(t.Context(), o), doctor.FileForeign)
	if len(list) != 1 || list[0].State != doctor.Failure {
		t.Fatalf("%+v", list)
	}
	says(t, list[0])
	if recorded, err := doctor.Fix(t.Context(), o, list[0]); err != nil || !recorded {
		t.Fatal(recorded, err)
	}
	info, err := os.Stat(filepath.Join(dir, "keys", "device.key"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != daemon {
		t.Errorf("%+v, %v", info, err)
	}
	if left := of(doctor.Run(t.Context(), o), doctor.FileForeign); len(left) != 0 {
		t.Errorf("after it: %+v", left)
	}

	o.Service.Name = "root" // a service that runs as another user than the folder's
	write(t, filepath.Join(o.Root, "etc/systemd/system/root.service"), "[Service]\nExecStart=\"/opt/tram/tram\" run --data=\""+dir+"/\"\n")
	list = of(doctor.Run(t.Context(), o), doctor.DataForeign)
	if len(list) != 1 || !list[0].Fixable {
		t.Fatalf("%+v", list)
	}
	says(t, list[0])
	if _, err := doctor.Fix(t.Context(), o, list[0]); err != nil {
		t.Fatal(err)
	}
	if left := doctor.Run(t.Context(), o); len(of(left, doctor.DataForeign))+len(of(left, doctor.FileForeign)) != 0 {
		t.Errorf("after it: %q", codes(left))
	}
}

// TestWhoMayNotLookIsToldSo examines a box as a user who has no right to.
func TestWhoMayNotLookIsToldSo(t *testing.T) {
	const data = "TRAM_TEST_DATA"
	if dir := os.Getenv(data); dir != "" {
		r := doctor.Run(t.Context(), options(t, dir))
		for _, check := range []string{"data", "files", "database", "identity", "service"} {
			if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Check == check && f.State == doctor.Unseen }) {
				t.Errorf("%s is not told as unseen: %q", check, codes(r))
			}
		}
		for _, f := range r.Findings {
			if f.State == doctor.Failure {
				t.Errorf("told as a failure: %+v", f)
			}
			if f.State != doctor.Good {
				says(t, f)
			}
		}
		if r.State != doctor.Warning {
			t.Errorf("the state is %s", r.State)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("not root: this was not tried")
	}
	dir := copyOf(t)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "tram.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv(data, dir)
	t.Setenv("TMPDIR", "/tmp")
	program := filepath.Join(filepath.Dir(dir), "doctor.test") // of a folder that everybody may enter
	self, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(program, self, 0o755)
	}
	if err = errors.Join(err, os.Chmod(program, 0o755)); err != nil {
		t.Fatal(err)
	}
	old := os.Args[0]
	os.Args[0] = program
	defer func() { os.Args[0] = old }()
	asRoot(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
}
