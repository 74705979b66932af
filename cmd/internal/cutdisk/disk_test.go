package cutdisk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func newDisk(t *testing.T, size int64) (*Disk, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

// fill is a sector of one letter.
func fill(letter byte, sectors int) []byte { return bytes.Repeat([]byte{letter}, sectors*sector) }

func TestACutForgetsWhatWasNotFlushedAndNothingElse(t *testing.T) {
	forgotten, torn := 0, 0
	for seed := range uint64(200) {
		d, path := newDisk(t, 64*sector)
		for _, step := range []error{
			d.Write(fill('a', 8), 0, false), d.Flush(),
			d.Write(fill('b', 1), 63*sector, true),
			d.Write(fill('c', 4), 2*sector, false), d.Write(fill('d', 2), 20*sector, false),
		} {
			if step != nil {
				t.Fatal(step)
			}
		}
		seen := make([]byte, 8*sector)
		if _, err := d.ReadAt(seen, 0); err != nil || seen[2*sector] != 'c' || seen[0] != 'a' {
			t.Fatalf("a read does not see the last write: %q, %v", seen[2*sector], err)
		}
		lost, err := d.Cut(rand.New(rand.NewPCG(seed, 1)))
		if err != nil || lost.Volatile != 2 {
			t.Fatalf("%+v, %v", lost, err)
		}
		forgotten, torn = forgotten+lost.Forgotten, torn+lost.Torn
		if err := d.Flush(); err == nil {
			t.Fatal("a disk without power was flushed")
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 64 {
			s := raw[n*sector : (n+1)*sector]
			allowed := map[bool]string{n < 8: "a", n == 63: "b"}[true]
			switch {
			case n >= 2 && n < 6:
				allowed += "c"
			case n == 20, n == 21:
				allowed = "\x00d"
			case allowed == "":
				allowed = "\x00"
			}
			if !bytes.Contains([]byte(allowed), s[:1]) || !bytes.Equal(s, fill(s[0], 1)) {
				t.Fatalf("seed %d: sector %d holds %q…, one of %q was possible", seed, n, s[:4], allowed)
			}
		}
	}
	if forgotten < 100 || forgotten > 300 || torn == 0 {
		t.Errorf("of 400 writes %d were forgotten and %d torn", forgotten, torn)
	}
}

func TestThePowerFailsAtAWriteOrAFlush(t *testing.T) {
	for n, want := range map[int]Lost{1: {Volatile: 1}, 2: {Volatile: 2}, 3: {Volatile: 2}, 4: {Volatile: 1}} {
		d, _ := newDisk(t, 64*sector)
		failed := d.CutAfter(n)
		for step, err := range []error{
			d.Write(fill('a', 1), 0, false), d.Write(fill('b', 1), sector, false), d.Flush(), d.Write(fill('c', 1), 2*sector, true), d.Flush(),
		} {
			if off := step+1 >= n; errors.Is(err, errOff) != off {
				t.Errorf("power fails at request %d: request %d gave %v", n, step+1, err)
			}
		}
		select {
		case <-failed:
		default:
			t.Errorf("the power failed at request %d and nobody was told", n)
		}
		lost, err := d.Cut(rand.New(rand.NewPCG(1, 1)))
		if err != nil || lost.Volatile != want.Volatile {
			t.Errorf("power fails at request %d: %+v, %v; want %d volatile", n, lost, err, want.Volatile)
		}
	}
}

func TestP9_WhatIsVolatileIsBounded(t *testing.T) {
	d, path := newDisk(t, MaxVolatile+4<<20)
	piece := fill('x', 2048)
	for at := int64(0); at < d.Size(); at += int64(len(piece)) {
		if err := d.Write(piece, at, false); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d.bytes > MaxVolatile || bytes.Count(raw, []byte("x")) != 4<<20 {
		t.Errorf("%d bytes are volatile, %d in the file", d.bytes, bytes.Count(raw, []byte("x")))
	}
}

// client is the other side of the protocol, as the specification has it.
type client struct {
	t *testing.T
	net.Conn
}

func (c client) put(fields ...any) {
	c.t.Helper()
	for _, f := range fields {
		if err := binary.Write(c, binary.BigEndian, f); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c client) get(n int) []byte {
	c.t.Helper()
	raw := make([]byte, n)
	if _, err := io.ReadFull(c, raw); err != nil {
		c.t.Fatal(err)
	}
	return raw
}

func TestTheDiskSpeaksNBD(t *testing.T) {
	d, _ := newDisk(t, 64*sector)
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- d.Serve(there) }()
	c := client{t, here}
	if got := string(c.get(16)); got != "NBDMAGICIHAVEOPT" {
		t.Fatalf("greeting %q", got)
	}
	c.get(2)
	c.put(uint32(3), []byte("IHAVEOPT"), uint32(8), uint32(0)) // structured replies
	if got := c.get(20); binary.BigEndian.Uint32(got[12:]) != 0x80000001 {
		t.Fatalf("structured replies: %x", got)
	}
	c.put([]byte("IHAVEOPT"), uint32(7), uint32(6), uint32(0), uint16(0)) // go, no name, no questions
	info := c.get(32)
	if size := binary.BigEndian.Uint64(info[22:]); size != 64*sector {
		t.Errorf("size %d: %x", size, info)
	}
	c.get(20)
	request := func(command uint16, at uint64, length uint32, data []byte) uint32 {
		c.put(uint32(0x25609513), uint16(0), command, uint64(77), at, length)
		if data != nil {
			c.put(data)
		}
		head := c.get(16)
		if binary.BigEndian.Uint64(head[8:]) != 77 {
			t.Errorf("reply %x is not to this request", head)
		}
		return binary.BigEndian.Uint32(head[4:])
	}
	if code := request(1, 512, 1024, fill('w', 2)); code != 0 {
		t.Errorf("write: error %d", code)
	}
	if code := request(3, 0, 0, nil); code != 0 || d.Flushes() != 1 {
		t.Errorf("flush: error %d, %d flushes", code, d.Flushes())
	}
	if code := request(0, 1024, 512, nil); code != 0 || !bytes.Equal(c.get(512), fill('w', 1)) {
		t.Errorf("read: error %d", code)
	}
	if code := request(0, 64*sector, 512, nil); code != errorInvalid {
		t.Errorf("read beyond the end: error %d", code)
	}
	c.put(uint32(0x25609513), uint16(0), uint16(2), uint64(0), uint64(0), uint32(0))
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// FuzzServe: whatever a client says, the server answers or hangs up.
func FuzzServe(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x07\x00\x00\x00\x00\x25\x60\x95\x13\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, said []byte) {
		d, _ := newDisk(t, 8*sector)
		s := &session{d: d, r: bufio.NewReader(bytes.NewReader(said)), w: io.Discard}
		if s.hello() != nil {
			return
		}
		for {
			if more, err := s.request(); err != nil || !more {
				return
			}
		}
	})
}
