package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tram/cmd/internal/line"
)

// syncthing is Syncthing with one folder from the sender to the receiver:
// discovery, relays, address translation, usage reports and upgrades off, fixed
// addresses, everything compressed, a short reconnect interval.
type syncthing struct {
	box
	children
	host line.Host
	gui  string // the sender's, host:port
}

// apiKey opens the API of a run's own instance on its host's loopback.
const apiKey = "lab"

// syncthingSide is one instance.
type syncthingSide struct {
	host                            line.Host
	home, path, kind, id, gui, addr string
}

// Start implements [Peer].
func (s *syncthing) Start(ctx context.Context, at Site) error {
	if _, err := program("syncthing", "Debian package syncthing"); err != nil {
		return err
	}
	if err := s.open(at.Dir); err != nil {
		return err
	}
	from := &syncthingSide{host: at.From, home: filepath.Join(at.Dir, "home-from"), path: s.out, kind: "sendonly"}
	to := &syncthingSide{host: at.To, home: filepath.Join(at.Dir, "home-to"), path: s.in, kind: "receiveonly"}
	for _, side := range []*syncthingSide{from, to} {
		if err := side.prepare(ctx); err != nil {
			return err
		}
	}
	through, err := at.From.Through(to.addr)
	if err != nil {
		return err
	}
	if err := from.write(to.id, "tcp://"+through); err != nil {
		return err
	}
	if err := to.write(from.id, "dynamic"); err != nil {
		return err
	}
	for _, side := range []*syncthingSide{to, from} {
		if err := s.spawn(side.host, at.Log, "env", "HOME="+side.home, "STNORESTART=1",
			"syncthing", "serve", "--home", side.home, "--no-browser", "--no-restart", "--no-upgrade", "--logfile=-"); err != nil {
			return err
		}
	}
	s.host, s.gui = at.From, from.gui
	return s.connected(ctx, to.id)
}

// prepare makes keys and picks addresses.
func (d *syncthingSide) prepare(ctx context.Context) (err error) {
	out, err := exec.CommandContext(ctx, "syncthing", "generate", "--home", d.home, "--no-default-folder", "--skip-port-probing").CombinedOutput()
	if err != nil {
		return fmt.Errorf("make Syncthing keys: %w: %s", err, out)
	}
	id, err := exec.CommandContext(ctx, "syncthing", "--home", d.home, "--device-id").Output()
	if err != nil {
		return fmt.Errorf("ask Syncthing's device id: %w", err)
	}
	d.id = string(bytes.TrimSpace(id))
	if d.addr, err = freeAt(d.host); err != nil {
		return err
	}
	d.gui, err = freeAt(d.host)
	return err
}

func (d *syncthingSide) write(peer, address string) error {
	text := fmt.Sprintf(`<configuration version="35">
  <folder id="lab" path="%s" type="%s" rescanIntervalS="3600" fsWatcherEnabled="true" fsWatcherDelayS="1" ignorePerms="true" autoNormalize="false">
    <filesystemType>basic</filesystemType>
    <device id="%[3]s"></device>
    <device id="%[4]s"></device>
    <minDiskFree unit="%%">0</minDiskFree>
    <maxConflicts>0</maxConflicts>
  </folder>
  <device id="%[3]s" name="self" compression="always"><address>dynamic</address></device>
  <device id="%[4]s" name="peer" compression="always"><address>%[5]s</address></device>
  <gui enabled="true" tls="false"><address>%[6]s</address><apikey>%[7]s</apikey></gui>
  <options>
    <listenAddress>tcp://%[8]s</listenAddress>
    <globalAnnounceEnabled>false</globalAnnounceEnabled>
    <localAnnounceEnabled>false</localAnnounceEnabled>
    <relaysEnabled>false</relaysEnabled>
    <natEnabled>false</natEnabled>
    <urAccepted>-1</urAccepted>
    <autoUpgradeIntervalH>0</autoUpgradeIntervalH>
    <crashReportingEnabled>false</crashReportingEnabled>
    <reconnectionIntervalS>5</reconnectionIntervalS>
    <startBrowser>false</startBrowser>
    <stunKeepaliveStartS>0</stunKeepaliveStartS>
    <setLowPriority>false</setLowPriority>
  </options>
</configuration>
`, d.path, d.kind, d.id, peer, address, d.gui, apiKey, d.addr)
	return os.WriteFile(filepath.Join(d.home, "config.xml"), []byte(text), 0o600)
}

// call asks the sender's API.
func (s *syncthing) call(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.gui+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", apiKey)
	client := http.Client{Transport: &http.Transport{DialContext: s.host.Dial, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask Syncthing: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask Syncthing for %s: %s", path, resp.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// connected waits until both instances talk.
func (s *syncthing) connected(ctx context.Context, peer string) error {
	for {
		var answer struct {
			Connections map[string]struct {
				Connected bool `json:"connected"`
			} `json:"connections"`
		}
		err := s.call(ctx, http.MethodGet, "/rest/system/connections", &answer)
		if err == nil && answer.Connections[peer].Connected {
			return nil
		}
		if trouble := s.trouble(); trouble != nil {
			return trouble
		}
		if waited := pause(ctx, 100*time.Millisecond); waited != nil {
			return fmt.Errorf("wait for Syncthing to connect: %w: %w", waited, err)
		}
	}
}

// Send implements [Peer].
func (s *syncthing) Send(ctx context.Context, documents ...Document) error {
	if err := s.put(documents); err != nil {
		return err
	}
	if err := s.call(ctx, http.MethodPost, "/rest/db/scan?folder=lab", nil); err != nil {
		return err
	}
	return s.trouble()
}

// Close implements [Peer].
func (s *syncthing) Close() error {
	s.close()
	return nil
}
