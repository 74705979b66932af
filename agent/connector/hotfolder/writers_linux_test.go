package hotfolder

import (
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unixWriters do what only some systems have.
var unixWriters = []writer{
	{name: "a held lock (flock)", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		f := w.create(w.drop("a.edxml"))
		w.ok(unix.Flock(int(f.Fd()), unix.LOCK_EX))
		w.looks()
		w.ok(w.look(2 * time.Hour))
		if n := len(w.names(dropDir)); n != 1 {
			w.t.Errorf("a locked file was taken")
		}
		w.ok(f.Close())
	}},
	{name: "a held lock (fcntl, as of Samba)", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		f := w.create(w.drop("a.edxml"))
		w.ok(unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}))
		w.looks()
		if n := len(w.names(dropDir)); n != 1 {
			w.t.Errorf("a locked file was taken")
		}
		w.ok(f.Close())
	}},
	{name: "a pipe", loi: []string{"a.edxml"}, why: "hotfolder.irregular", late: true, write: func(w *scene) {
		w.ok(syscall.Mkfifo(w.drop("a.edxml"), 0o644))
	}},
	{name: "read-only, and written under another's mask", sent: []string{"Báo cáo A"}, done: []string{"a.edxml"}, write: func(w *scene) {
		w.put(w.drop("a.edxml"), message("A"))
		w.ok(os.Chmod(w.drop("a.edxml"), 0o444))
	}},
}
