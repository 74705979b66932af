//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// network is how a card gets its address: from the network (DHCP), or as the file
// network.conf of the boot partition says, in words of systemd.network(5).
type network struct {
	Name    string       // pattern of interfaces, "" for all
	Address netip.Prefix // invalid: by DHCP
	Gateway netip.Addr
	DNS     []netip.Addr
}

// Limits of the file.
const (
	maxFile = 64 << 10 // bytes of any file that an officer writes
	maxDNS  = 3        // servers that a resolver asks
)

// readFile reads a small file that came from outside.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return raw, err
}

// parseNetwork reads network.conf.
func parseNetwork(raw []byte) (network, error) {
	var n network
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // of Notepad
	for number, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return network{}, fmt.Errorf("line %d: no \"=\"", number+1)
		}
		if err := n.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return network{}, fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	if n.Gateway.IsValid() && !n.Address.IsValid() {
		return network{}, errors.New("a gateway needs an address")
	}
	return n, nil
}

func (n *network) set(key, value string) (err error) {
	switch key {
	case "Name":
		if _, err = filepath.Match(value, ""); err == nil {
			n.Name = value
		}
	case "Address":
		n.Address, err = netip.ParsePrefix(value)
	case "Gateway":
		n.Gateway, err = netip.ParseAddr(value)
	case "DNS":
		for one := range strings.FieldsSeq(value) {
			var a netip.Addr
			if a, err = netip.ParseAddr(one); err != nil || len(n.DNS) == maxDNS {
				return err
			}
			n.DNS = append(n.DNS, a)
		}
	case "DHCP":
		if value != "yes" && value != "no" && value != "ipv4" {
			err = fmt.Errorf("DHCP is yes or no, not %q", value)
		}
	default:
		err = fmt.Errorf("unknown key %q (known: Name, Address, Gateway, DNS, DHCP)", key)
	}
	return err
}

// is tells whether the file speaks of an interface.
func (n network) is(name string) bool {
	if n.Name == "" {
		return true
	}
	ok, err := filepath.Match(n.Name, name)
	return err == nil && ok
}

// cards brings interfaces up as they appear.
type cards struct {
	conf network
	mu   sync.Mutex
	up   map[string]bool
}

func busybox(args ...string) error {
	out, err := exec.Command("/bin/busybox", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// startNetwork brings up what is there; further ones follow as they are found.
func startNetwork(conf network) *cards {
	c := &cards{conf: conf, up: map[string]bool{}}
	if err := busybox("ip", "link", "set", "lo", "up"); err != nil {
		say("no loopback: %v", err)
	}
	entries, err := os.ReadDir("/sys/class/net")
	if err != nil {
		say("no network: %v", err)
	}
	for _, e := range entries {
		c.add(e.Name())
	}
	return c
}

// add brings up one interface. Those that are no Ethernet get their address from
// another program (PPP) or from nobody.
func (c *cards) add(name string) {
	const ethernet = "1"
	kind, err := os.ReadFile(filepath.Join("/sys/class/net", filepath.Base(name), "type"))
	if err != nil || strings.TrimSpace(string(kind)) != ethernet {
		return
	}
	c.mu.Lock()
	again := c.up[name]
	c.up[name] = true
	c.mu.Unlock()
	if again {
		return
	}
	if err := busybox("ip", "link", "set", name, "up"); err != nil {
		say("network %s: %v", name, err)
		return
	}
	if c.conf.Address.IsValid() && c.conf.is(name) {
		if err := c.static(name); err != nil {
			say("network %s: %v", name, err)
		}
		return
	}
	go c.dhcp(name)
}

func (c *cards) static(name string) error {
	if err := busybox("ip", "addr", "replace", c.conf.Address.String(), "dev", name); err != nil {
		return err
	}
	if c.conf.Gateway.IsValid() {
		if err := busybox("ip", "route", "replace", "default", "via", c.conf.Gateway.String(), "dev", name); err != nil {
			return err
		}
	}
	var b strings.Builder
	for _, a := range c.conf.DNS {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	return os.WriteFile("/run/resolv.conf", []byte(b.String()), 0o644)
}

// dhcp keeps a DHCP client running for as long as the interface is there.
func (c *cards) dhcp(name string) {
	for {
		cmd := exec.Command("/bin/busybox", "udhcpc", "-f", "-S", "-R", "-t", "4", "-T", "2", "-A", "10", "-i", name, "-s", "/sbin/dhcp-event")
		err := cmd.Run()
		if _, gone := os.Stat("/sys/class/net/" + name); gone != nil {
			break
		}
		say("DHCP on %s ended: %v", name, err)
		time.Sleep(restartPause)
	}
	c.mu.Lock()
	delete(c.up, name)
	c.mu.Unlock()
}

// addresses are those under which other machines may reach this one.
func addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			out = append(out, n.IP.String())
		}
	}
	slices.Sort(out)
	return out
}

// firstSignIn is what the first account is called and its password, until it is used.
func firstSignIn() string {
	f, err := os.Open(filepath.Join(officeDir, "first-sign-in.txt"))
	if err != nil {
		return ""
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSpace(line)
}
