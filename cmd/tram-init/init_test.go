//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheStateOfTheSlotsIsAnEnvironmentBlockOfGRUB(t *testing.T) {
	state := map[string]string{keySlot: "a", keyTry: "b", keyLeft: Tries}
	block, err := formatState(state)
	if err != nil {
		t.Fatal(err)
	}
	want := "# GRUB Environment Block\nslot=a\ntry=b\nleft=3\n#####"
	if len(block) != 1024 || !bytes.HasPrefix(block, []byte(want)) {
		t.Errorf("block of %d bytes: %.80q", len(block), block)
	}
	if got, err := parseState(block); err != nil || !maps.Equal(got, state) {
		t.Errorf("read back %v, %v", got, err)
	}
	if _, err := formatState(map[string]string{keySlot: "a\nleft=9"}); err == nil {
		t.Error("a value with a line break was written")
	}
	for name, damaged := range map[string][]byte{
		"short": block[:1023], "zeros": make([]byte, 1024), "no sign": append([]byte(stateHead+"slot\n"), make([]byte, 994)...),
	} {
		if got, err := parseState(damaged); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
}

func FuzzParseState(f *testing.F) {
	block, err := formatState(map[string]string{keySlot: "b"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	f.Fuzz(func(t *testing.T, raw []byte) {
		state, err := parseState(raw)
		if err != nil {
			return
		}
		if again, err := formatState(state); err == nil {
			if back, err := parseState(again); err != nil || back[keySlot] != state[keySlot] {
				t.Errorf("%v came back as %v, %v", state, back, err)
			}
		}
	})
}

func TestSlotOf(t *testing.T) {
	for cmdline, want := range map[string]struct {
		slot  string
		trial bool
		ok    bool
	}{
		"tram.slot=a console=tty0":         {"a", false, true},
		"quiet tram.slot=b tram.trial=1":   {"b", true, true},
		"tram.slot=a tram.trial= panic=10": {"a", false, true},
		"tram.slot=c":                      {},
		"quiet":                            {},
	} {
		slot, trial, err := slotOf(cmdline)
		if (err == nil) != want.ok || slot != want.slot || trial != want.trial {
			t.Errorf("%q: %q, %v, %v", cmdline, slot, trial, err)
		}
	}
}

// bootSector is one with a data partition of length at start, in sectors.
func bootSector(start, length uint32) []byte {
	s := make([]byte, sectorSize)
	s[510], s[511] = 0x55, 0xaa
	binary.LittleEndian.PutUint32(s[signatureAt:], diskSignature)
	binary.LittleEndian.PutUint32(s[tableAt+3*16+8:], start)
	binary.LittleEndian.PutUint32(s[tableAt+3*16+12:], length)
	return s
}

func TestTheDataPartitionGrowsToTheEndOfTheDiskOnce(t *testing.T) {
	const start, length = 526336, 131072
	for name, c := range map[string]struct{ sectors, want uint64 }{
		"image as built":    {start + length, 0},
		"a little more":     {start + length + growBy - 1, 0},
		"8 GB":              {15_269_888, 15_269_888 - start - (15_269_888-start)%2048},
		"beyond the table":  {1 << 33, 1<<32 - 2048},
		"smaller than that": {start, 0},
	} {
		before := bootSector(start, length)
		sector, got := enlarge(before, c.sectors)
		if got != c.want {
			t.Errorf("%s: %d sectors, want %d", name, got, c.want)
		}
		if got == 0 {
			continue
		}
		if !bytes.Equal(sector[:tableAt+3*16+12], before[:tableAt+3*16+12]) || !bytes.Equal(sector[510:], before[510:]) {
			t.Errorf("%s: more than the length was changed", name)
		}
		if again, _ := enlarge(sector, c.sectors); again != nil {
			t.Errorf("%s: grows again", name)
		}
	}
}

func TestTheFixedDiskGoesBeforeAStick(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	disk := func(name, removable string, raw []byte) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(sys, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sys, name, "removable"), []byte(removable+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dev, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk("sda", "1", bootSector(1, 1))
	disk("sdb", "0", make([]byte, sectorSize))
	if d, ok := lookForDisk(sys, dev); !ok || filepath.Base(d.path) != "sda" {
		t.Errorf("alone, the stick is the disk: got %v, %v", d, ok)
	}
	disk("mmcblk0", "0", bootSector(1, 1))
	d, ok := lookForDisk(sys, dev)
	if !ok || filepath.Base(d.path) != "mmcblk0" {
		t.Errorf("got %v, %v", d, ok)
	}
	if got := filepath.Base(d.part(dataPart)); got != "mmcblk0p4" {
		t.Errorf("data partition is %s", got)
	}
}

func TestTheHardwareIsFedOnlyWhileTheOfficeIsHealthy(t *testing.T) {
	p := &patient{}
	now := 10 * time.Second
	p.start(now)
	if v := p.judge(now); !v.feed || v.restart || v.proven {
		t.Errorf("while it starts: %+v", v)
	}
	if v := p.judge(now + startTime + time.Second); !v.restart || !v.feed {
		t.Errorf("a start that takes too long: %+v", v)
	}
	p.hear("READY=1\nSTATUS=x", now)
	for range 4 {
		now += 20 * time.Second
		p.hear("WATCHDOG=1", now)
	}
	if v := p.judge(now); !v.feed || v.restart || !v.proven {
		t.Errorf("well for 80 s: %+v", v)
	}
	now += aliveTime + time.Second
	if v := p.judge(now); !v.restart || !v.feed || v.proven {
		t.Errorf("silent for more than its period: %+v", v)
	}
	for range 10 { // it starts again and again, and never gets ready
		now += time.Minute
		p.start(now)
		p.hear("WATCHDOG=1", now)
	}
	if v := p.judge(now); v.feed {
		t.Errorf("unwell for ten minutes and the machine is kept alive: %+v", v)
	}
}

func TestNetworkConf(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want network
		err  string
	}{
		"empty":          {"", network{}, ""},
		"DHCP":           {"[Network]\nDHCP=yes\n", network{}, ""},
		"static, CRLF":   {"\ufeff[Network]\r\nAddress=192.168.1.20/24\r\nGateway = 192.168.1.1\r\nDNS=8.8.8.8 1.1.1.1\r\n", network{Address: netip.MustParsePrefix("192.168.1.20/24"), Gateway: netip.MustParseAddr("192.168.1.1"), DNS: []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("1.1.1.1")}}, ""},
		"one card":       {"Name=eth*\n# comment\nAddress=10.0.0.2/8", network{Name: "eth*", Address: netip.MustParsePrefix("10.0.0.2/8")}, ""},
		"no length":      {"\nAddress=10.0.0.2", network{}, "line 2"},
		"gateway alone":  {"Gateway=10.0.0.1", network{}, "needs an address"},
		"misspelt":       {"Adress=10.0.0.2/8", network{}, "unknown key"},
		"no equals sign": {"Address", network{}, "line 1"},
	} {
		got, err := parseNetwork([]byte(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil || got.Name != c.want.Name || got.Address != c.want.Address || got.Gateway != c.want.Gateway || len(got.DNS) != len(c.want.DNS) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if n := (network{Name: "eth*"}); !n.is("eth0") || n.is("wwan0") {
		t.Error("the pattern of interfaces does not hold")
	}
}

func FuzzParseNetwork(f *testing.F) {
	f.Add([]byte("Address=192.168.1.20/24\nGateway=192.168.1.1\nDNS=::1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := parseNetwork(raw)
		if err == nil && (len(n.DNS) > maxDNS || n.Gateway.IsValid() && !n.Address.IsValid()) {
			t.Errorf("%q gave %+v", raw, n)
		}
	})
}

func TestParseEvent(t *testing.T) {
	e := parseEvent([]byte("add@/devices/usb1\x00ACTION=add\x00SUBSYSTEM=net\x00INTERFACE=wwan0\x00"))
	if e["ACTION"] != "add" || e["INTERFACE"] != "wwan0" || len(e) != 3 {
		t.Errorf("read as %v", e)
	}
	if e := parseEvent(nil); len(e) != 0 {
		t.Errorf("nothing is read as %v", e)
	}
}

func TestOrphansAreToldFromOthers(t *testing.T) {
	for stat, want := range map[string]int{
		"42 (tram) Z 1 42 42 0":       42,
		"43 (a) Z 1 (b) Z 1 43":       43,
		"44 (tram) S 1 44 44 0":       0,
		"45 (tram) Z 42 45 45 0":      0,
		"46 (has ) paren) Z 1 46 0 0": 46,
		"":                            0,
		"47 (":                        0,
	} {
		if got, _ := deadChild([]byte(stat)); got != want {
			t.Errorf("%q: %d, want %d", stat, got, want)
		}
	}
}

func TestP9_ALogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 4095) + "\n")
	for range 4 * maxLog / len(line) {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil || info.Size() > maxLog || info.Size() < maxLog/2 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}

func TestTheSystemKeepsAPartOfTheDisk(t *testing.T) {
	for total, want := range map[uint64]uint64{8 << 30: (8<<30 - 8<<30/20) >> 10, 64 << 20: 48 << 10, 1 << 20: 0} {
		if got := quota(total); got != want {
			t.Errorf("of %d bytes the office may have %d KiB, want %d", total, got, want)
		}
	}
}

func TestAnOlderProgramIsTold(t *testing.T) {
	for _, c := range []struct {
		own, inUse string
		want       bool
	}{
		{"1.4.2", "1.4.2", false}, {"1.4.1", "1.4.2", true}, {"1.10.0", "1.9.9", false}, {"0.9.9", "1.0.0", true}, {"2.0.0", "1.4.2", false},
		{"1.4.2-rc.1", "1.4.2", false}, {"v1.4.1", "v1.4.2", true}, {"8bd2ea3", "1.4.2", false}, {"1.4.2", "dev", false},
	} {
		if got := older(c.own, c.inUse); got != c.want {
			t.Errorf("%s is older than %s: %v", c.own, c.inUse, got)
		}
	}
}
