package mqtt

import (
	"errors"
	"strings"
	"testing"
)

func TestGuardRefusesBadPacketsFromTheirFirstBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		stream string
		pass   int // bytes that may be passed on
		ok     bool
	}{
		{"answers", "\x20\x02\x00\x00\x90\x04\x00\x01\x00\x01\xd0\x00\x40\x02\x00\x01", 16, true},
		{"disconnect", "\xe0\x00", 2, true},
		{"publish", "\x32\x05\x00\x01a\x00\x01", 7, true},
		{"longest publish", "\x30\x80\x88\x14" + strings.Repeat("x", MaxPacket) + "\xd0\x00", MaxPacket + 6, true},
		{"publish one byte over", "\x30\x81\x88\x14", 3, false},
		{"publish of 256 MiB", "\xd0\x00\x30\xff\xff\xff\x7f", 6, false},
		{"length without end", "\x30\xff\xff\xff\xff\x7f", 4, false},
		{"QoS 2", "\x34\x05", 1, false},
		{"more codes than filters", "\x90\x05\x00\x01\x00\x00\x00", 1, false},
		{"connect", "\x10\x05", 1, false},
		{"pubrel", "\x62\x02", 1, false},
		{"pingresp with a body", "\xd0\x01\x00", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{1, 2, 3, len(c.stream)} {
				g := &guard{filters: 2}
				passed, err := 0, error(nil)
				for rest := c.stream; len(rest) > 0 && err == nil; {
					n := min(step, len(rest))
					var ok int
					ok, err = g.follow([]byte(rest[:n]))
					passed += ok
					rest = rest[n:]
				}
				if (err == nil) != c.ok || passed != c.pass {
					t.Errorf("in steps of %d: %d bytes passed, error %v, want %d and ok %v", step, passed, err, c.pass, c.ok)
				}
				if err != nil && !errors.Is(err, errPacket) {
					t.Errorf("error %v is not errPacket", err)
				}
			}
		})
	}
}

func FuzzGuard(f *testing.F) {
	f.Add([]byte("\x20\x02\x00\x00\x90\x04\x00\x01\x00\x01\xd0\x00"), 3)
	f.Add([]byte("\x30\xff\xff\xff\x7f"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		whole := &guard{filters: 2}
		n, err := whole.follow(stream)
		if n < 0 || n > len(stream) || (err == nil && n != len(stream)) || whole.left > MaxPacket {
			t.Fatalf("passed %d of %d bytes, %d to come, error %v", n, len(stream), whole.left, err)
		}
		if len(stream) == 0 {
			return
		}
		parts := &guard{filters: 2}
		at := max(0, cut) % len(stream)
		n1, err1 := parts.follow(stream[:at])
		if err1 == nil {
			var n2 int
			n2, err1 = parts.follow(stream[at:])
			n1 += n2
		}
		if n1 != n || (err1 == nil) != (err == nil) {
			t.Fatalf("in parts %d bytes and %v, at once %d and %v", n1, err1, n, err)
		}
	})
}
