// Package service makes a program a service of the operating system: it
// installs, removes, starts and stops it, and runs it under the service
// manager.
//
// It promises that
//   - installing again upgrades in place: nothing that is right is touched, and
//     the data folder is never emptied;
//   - on systemd the unit is ours: ready only when the program says so, watched
//     by a real health check, restarted for ever after 5 seconds, and shut in;
//   - Stop and Shutdown of Windows, SIGTERM and Ctrl-C all end the program the
//     same way: its context is cancelled and its end is waited for.
//
// systemd is set up by our own code, because the stock unit of
// kardianos/service waits two minutes to restart and knows no readiness,
// watchdog or hardening. Windows and the other systems use that library's own
// forms. This is its only importer.
package service
