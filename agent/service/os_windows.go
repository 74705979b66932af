package service

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

// outliveTerminal has nothing to do: services have no terminal here.
func outliveTerminal() {}

// letOutlive has nothing to do, either.
func letOutlive() {}

// setAside renames a program file that may be running: Windows lets a running
// file be renamed but not replaced.
func setAside(target string) error {
	old := target + ".old"
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(target, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Restart policy: soon twice, then each minute, and a day without failure
// starts the count anew.
const (
	soon       = 5 * time.Second
	later      = time.Minute
	resetAfter = 24 * 60 * 60 // seconds
)

// setRecovery has the service manager restart the service after a crash and
// after an end with an error; the library sets neither as we need it.
func setRecovery(name string) error {
	m, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return err
	}
	defer s.Close()
	restart := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{restart(soon), restart(soon), restart(later)}, resetAfter); err != nil {
		return err
	}
	return s.SetRecoveryActionsOnNonCrashFailures(true)
}

// onlyService is the access list of the data folder: the machine itself, as
// which the service runs, and its administrators. Without it the keys would be
// readable by every user, as all of ProgramData is.
const onlyService = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// giveTo closes dir and all in it to other users; there is no user of its own
// to give it to.
func giveTo(dir, _ string) error {
	descriptor, err := windows.SecurityDescriptorFromString(onlyService)
	if err != nil {
		return err
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}

// Adopt does nothing here: files inherit the access list of the folder.
func Adopt(string) error { return nil }
