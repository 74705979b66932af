package tokenwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func frame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func TestFramesComeBackAsTheyWere(t *testing.T) {
	digest := bytes.Repeat([]byte{7}, DigestSize)
	for _, q := range []Request{
		{ID: 1, Do: Hello, Version: Version}, {ID: 2, Do: List}, {ID: 3, Do: Open, Token: "Con dấu", Key: "id:01"},
		{ID: 4, Do: Login, PIN: []byte("1234"), Spend: TriesLast}, {ID: 5, Do: Sign, Digest: digest}, {ID: 6, Do: Logout},
		{ID: 7, Do: Sign, Digest: digest, PIN: []byte("\"\\\x00<>ế"), Spend: TriesFew}, {ID: 8, Do: Login, PIN: bytes.Repeat([]byte("9"), MaxPIN)},
	} {
		var b bytes.Buffer
		pin := bytes.Clone(q.PIN)
		if err := WriteRequest(&b, q); err != nil || !bytes.Equal(q.PIN, pin) {
			t.Fatalf("%v, PIN %q", err, q.PIN)
		}
		got, err := ReadRequest(&b)
		if err != nil || !reflect.DeepEqual(got, q) {
			t.Errorf("%+v came back as %+v, %v", q, got, err)
		}
	}
	if _, err := ReadRequest(strings.NewReader("")); err != io.EOF {
		t.Errorf("the end is %v, not io.EOF", err)
	}
}

// The bytes that agent/README.md shows.
func TestVectors(t *testing.T) {
	var b bytes.Buffer
	if err := WriteRequest(&b, Request{ID: 4, Do: Login, PIN: []byte("1234")}); err != nil {
		t.Fatal(err)
	}
	if want := "\x00\x00\x00\x26" + `{"id":4,"do":"login","pin":"MTIzNA=="}`; b.String() != want {
		t.Errorf("the frame is %q", b.String())
	}
	p, err := ReadReply(bytes.NewReader(frame(`{"id":4,"code":"pin-wrong","tries":"few","later":1}`)))
	if err != nil || p.Code != PINWrong || p.Tries != TriesFew {
		t.Errorf("the reply is %+v, %v", p, err)
	}
}

// kept remembers what is written into it, not a copy.
type kept struct{ frames [][]byte }

func (k *kept) Write(p []byte) (int, error) {
	k.frames = append(k.frames, p)
	return len(p), nil
}

func TestAWrittenPINIsWiped(t *testing.T) {
	k := &kept{}
	if err := WriteRequest(k, Request{ID: 1, Do: Login, PIN: []byte("1234")}); err != nil {
		t.Fatal(err)
	}
	if len(k.frames) != 1 || !bytes.Equal(k.frames[0], make([]byte, len(k.frames[0]))) {
		t.Errorf("afterwards its bytes are %q", k.frames)
	}
}

func TestBadFramesAreRefused(t *testing.T) {
	for name, in := range map[string][]byte{
		"no length":        {0, 0, 1},
		"empty":            {0, 0, 0, 0},
		"too long":         {0xff, 0xff, 0xff, 0xff, '{'},
		"cut":              {0, 0, 0, 9, '{'},
		"no JSON":          frame("hello"),
		"unknown request":  frame(`{"do":"format"}`),
		"short digest":     frame(`{"do":"sign","digest":"AAAA"}`),
		"digest elsewhere": frame(`{"do":"list","digest":"AAAA"}`),
		"no PIN":           frame(`{"do":"login"}`),
		"long PIN":         frame(`{"do":"login","pin":"` + strings.Repeat("AAAA", 100) + `"}`),
		"spend":            frame(`{"do":"login","pin":"AAAA","spend":"none"}`),
		"long name":        frame(`{"do":"open","token":"` + strings.Repeat("x", MaxText+1) + `"}`),
	} {
		q, err := ReadRequest(bytes.NewReader(in))
		if err == nil {
			t.Errorf("%s was read as %+v", name, q)
		}
		if name == "no JSON" && !errors.Is(err, ErrFrame) {
			t.Errorf("%s is %v", name, err)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add(frame(`{"id":1,"do":"hello","version":1}`))
	f.Add(frame(`{"id":4,"do":"login","pin":"MTIzNA==","spend":"few"}`))
	f.Add(frame(`{"id":3,"do":"open","token":"a","key":"id:01"}`))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		q, err := ReadRequest(bytes.NewReader(in))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteRequest(&b, q); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := ReadRequest(&b)
		if err != nil || again.Do != q.Do || again.ID != q.ID || !bytes.Equal(again.PIN, q.PIN) || !bytes.Equal(again.Digest, q.Digest) {
			t.Fatalf("%+v came back as %+v, %v", q, again, err)
		}
	})
}

func FuzzReadReply(f *testing.F) {
	f.Add(frame(`{"id":4,"code":"pin-wrong","tries":"few"}`))
	f.Add(frame(`{"id":3,"tokens":[{"label":"a","serial":"1","keys":[{"id":"01","type":"rsa","public":"MA==","certs":["MA=="]}]}]}`))
	f.Add(frame(`{"id":5,"signature":"AAAA"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if p, err := ReadReply(bytes.NewReader(in)); err == nil {
			_ = WriteReply(io.Discard, p)
		}
	})
}
