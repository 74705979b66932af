package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/sync/linktest"
)

// TestP7_RevocationReachesMosquitto revokes an office whose hub has Mosquitto as
// its broker, with the units of packaging/README.md, whose commands are run as
// they stand there. Mosquitto reads its files again as its own account.
func TestP7_RevocationReachesMosquitto(t *testing.T) {
	dir, account := mosquittoHome(t)
	w := start(t, func(o *world.Options) {
		o.Dir, o.Mosquitto, o.MosquittoAs = dir, linktest.HaveMosquitto(t), account
		o.Offices = append(o.Offices, world.Spec{Code: "H40.16", Name: "UBND xã Ba Lòng"})
		o.Env = append(o.Env, "TRAM_HUB_MQTT_CRL=crl.pem")
	})
	a, b, c := w.Offices[0], w.Offices[1], w.Offices[2]
	first := send(t, a, codeB, file{"truoc.pdf", sample.SmallPDF(50_000, 1)})
	reaches(t, a, first.ID, office.Delivered)
	since := linkUp(t, b)

	if out, err := w.Run(t.Context(), "tram-hub", "cert", "revoke", codeA, "--reason", "lost", "--yes", "--data", w.HubDir(), "--json"); err != nil ||
		!strings.Contains(string(out), `"crl": "`+filepath.Join(w.HubDir(), "crl.pem")) {
		t.Fatalf("revoke: %s, %v", out, err)
	}
	// The connection is still up, and nobody hears it.
	kept, err := trySend(t.Context(), a, codeB, file{"sau.pdf", sample.SmallPDF(50_000, 2)})
	if err != nil {
		t.Fatal(err)
	}
	carryOver(t, w, account)
	other := send(t, b, "H40.16", file{"khac.pdf", sample.SmallPDF(50_000, 3)})
	reaches(t, b, other.ID, office.Delivered)
	if d, err := a.API.Get(t.Context(), kept.ID); err != nil || d.State != office.Saved {
		t.Errorf("a document of the revoked office is %v (error %v)", d.State, err)
	}

	for i, o := range []*world.Office{a, c} { // one that was revoked, and one that was not, come anew
		if err := o.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := o.Start(); err != nil {
			t.Fatal(err)
		}
		if err := o.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			linkUp(t, o)
		}
	}
	eventually(t, "the revoked office to say why", func() bool {
		s, err := a.API.Status(t.Context())
		return err == nil && !s.Link.Up && len(s.Conditions) == 1 && s.Conditions[0].Code == "certificate-revoked"
	})
	for lang, want := range map[string]string{"vi": "Tỉnh đã thu hồi chứng thư của máy này", "en": "The province revoked this box's certificate"} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "tram"), "status", "--data", a.Dir, "--lang", lang)
		if out, _ := cmd.Output(); cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), want) {
			t.Errorf("tram status ends with %d and says %s", cmd.ProcessState.ExitCode(), out)
		}
	}
	last := send(t, c, codeB, file{"cuoi.pdf", sample.SmallPDF(50_000, 4)})
	reaches(t, c, last.ID, office.Delivered)
	if s, err := b.API.Status(t.Context()); err != nil || !s.Link.Since.Equal(since) {
		t.Errorf("the other office's connection did not last: %+v since %s (error %v)", s.Link, since, err)
	}
}

// mosquittoHome is a folder that Mosquitto can reach, and the account that it
// runs as: its own one where it has one and we may start it as that.
func mosquittoHome(t *testing.T) (dir, account string) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	account = me.Username
	if _, err := user.Lookup("mosquitto"); err == nil && me.Uid == "0" {
		account = "mosquitto"
	}
	scratch, err := os.MkdirTemp("", "tram-mosquitto-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(scratch) })
	if err := os.Chmod(scratch, 0o711); err != nil {
		t.Fatal(err)
	}
	return scratch, account
}

// linkUp waits for the line of an office and says since when it is up.
func linkUp(t *testing.T, o *world.Office) (since time.Time) {
	t.Helper()
	eventually(t, "a link of "+o.Spec.Code, func() bool {
		s, err := o.API.Status(t.Context())
		since = s.Link.Since
		return err == nil && s.Link.Up
	})
	return since
}

// carryOver runs what the units of packaging/README.md run when the revocation
// list has changed.
func carryOver(t *testing.T, w *world.World, account string) {
	t.Helper()
	commands, watched := unitOfREADME(t)
	if watched != "/var/lib/tram-hub/crl.pem" || len(commands) != 2 || commands[1] != "systemctl reload mosquitto" {
		t.Fatalf("the units watch %s and run %q", watched, commands)
	}
	line := strings.NewReplacer("/opt/tram/tram-hub", filepath.Join(bin, "tram-hub"), "/var/lib/tram-hub", w.HubDir(),
		"/etc/mosquitto/tram", w.Broker.Dir, "--user mosquitto", "--user "+account).Replace(commands[0])
	args := strings.Fields(line)
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	// What the unit of Mosquitto does at a reload.
	if err := syscall.Kill(w.Broker.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Mosquitto to read its files again", func() bool {
		return strings.Count(readLog(t, w.Broker), "Reloading config.") == 1
	})
}

// unitOfREADME reads the units: what is run, and on the change of which file.
func unitOfREADME(t *testing.T) (commands []string, watched string) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "packaging", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if command, ok := strings.CutPrefix(lines.Text(), "ExecStart="); ok {
			commands = append(commands, command)
		}
		if path, ok := strings.CutPrefix(lines.Text(), "PathChanged="); ok {
			watched = path
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(commands) == 0 {
		t.Fatal("no unit in packaging/README.md")
	}
	return commands, watched
}

// TestP3_ARestoredHubHearsAnOfficeThatHasEnrolledAgain raises a hub from a backup
// that knows of the office's revocation and not of its new keys.
func TestP3_ARestoredHubHearsAnOfficeThatHasEnrolledAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	if _, err := w.Run(t.Context(), "tram-hub", "cert", "revoke", codeA, "--yes", "--data", w.HubDir()); err != nil {
		t.Fatal(err)
	}
	burn := backUp(t, w)
	invites := t.TempDir()
	if _, err := w.Run(t.Context(), "tram-hub", "invite", "create", "--yes", "--replace", codeA, "--out", invites, "--data", w.HubDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(t.Context(), "tram", "enroll", "--again", "--yes", "--data", a.Dir, filepath.Join(invites, codeA+".moi")); err != nil {
		t.Fatal(err)
	}
	var first office.Document
	eventually(t, "the office to work again", func() (ok bool) {
		var err error
		first, err = trySend(t.Context(), a, codeB, file{"truoc.pdf", sample.SmallPDF(5000, 1)})
		return err == nil
	})
	reaches(t, b, first.ID, office.Arrived)
	burn()
	next := send(t, a, codeB, file{"sau.pdf", sample.SmallPDF(5000, 2)})
	reaches(t, b, next.ID, office.Arrived)
	reaches(t, a, next.ID, office.Delivered)
}
