package bundle

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

func noise(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func prose(n int) []byte {
	return bytes.Repeat([]byte("Kính gửi: Ủy ban nhân dân các xã, phường. "), n/40+1)[:n]
}

func TestObjectRoundTrip(t *testing.T) {
	key := newKey(t)
	cases := map[string]struct {
		plain []byte
		want  Encoding
	}{
		"empty":              {nil, Plain},
		"one byte":           {[]byte("x"), Plain},
		"small text":         {prose(4000), Zstd},
		"sample sized":       {prose(sampleSize), Zstd},
		"one over":           {prose(sampleSize + 1), Zstd},
		"large text":         {prose(3 << 20), Zstd},
		"noise":              {noise(t, 1<<20), Plain},
		"noise, sample size": {noise(t, sampleSize), Plain},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sent, o, err := key.EncryptBytes(c.plain, RoleAttachment)
			if err != nil {
				t.Fatal(err)
			}
			if o.Encoding != c.want || o.Size != int64(len(sent)) || o.Role != RoleAttachment {
				t.Errorf("described as %+v, want encoding %v", o, c.want)
			}
			r, err := key.Decrypt(iotest.HalfReader(bytes.NewReader(sent)), o, int64(len(c.plain)))
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, c.plain); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestP6_AlteredObjectIsNeverRead cuts and alters objects at many places.
func TestP6_AlteredObjectIsNeverRead(t *testing.T) {
	key := newKey(t)
	for _, plain := range [][]byte{prose(300 << 10), noise(t, 200<<10), []byte("short")} {
		sent, o, err := key.EncryptBytes(plain, RoleAttachment)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(sent)/97)
		for i := 0; i < len(sent); i += step {
			altered := bytes.Clone(sent)
			altered[i] ^= 0x20
			for what, b := range map[string][]byte{"altered": altered, "cut": sent[:i]} {
				if _, err := key.DecryptBytes(b, o, 1<<30); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrKey) {
					t.Fatalf("%s at %d of %d: %v", what, i, len(sent), err)
				}
			}
		}
		if _, err := key.DecryptBytes(append(bytes.Clone(sent), 0), o, 1<<30); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte appended: %v", err)
		}
	}
}

func TestDecryptTooLarge(t *testing.T) {
	key := newKey(t)
	for _, plain := range [][]byte{prose(1 << 20), noise(t, 100<<10)} {
		sent, o, err := key.EncryptBytes(plain, RoleAttachment)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int64{0, 1, 1000, int64(len(plain)) - 1} {
			got, err := key.DecryptBytes(sent, o, limit)
			if !errors.Is(err, ErrTooLarge) || int64(len(got)) > limit {
				t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
			}
		}
	}
}

// TestP9_CompressionBombIsCheap opens 1 GiB of zeros under a small limit.
func TestP9_CompressionBombIsCheap(t *testing.T) {
	key := newKey(t)
	var sent bytes.Buffer
	if _, err := key.Encrypt(&sent, io.LimitReader(zeros{}, 1<<30), RoleAttachment); err != nil {
		t.Fatal(err)
	}
	t.Logf("1 GiB of zeros travels as %d bytes", sent.Len())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := key.DecryptBytes(sent.Bytes(), Object{Encoding: Zstd}, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("allocated %d bytes", used)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestDecryptRefusesWideWindow(t *testing.T) {
	key := newKey(t)
	var packed, sent bytes.Buffer
	enc, err := zstd.NewWriter(&packed, zstd.WithWindowSize(4<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Write(prose(2 << 20)); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := age.Encrypt(&sent, key.id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(packed.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := key.DecryptBytes(sent.Bytes(), Object{Encoding: Zstd}, 4<<20); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestSourceErrorsArePassedOn(t *testing.T) {
	key, broken := newKey(t), errors.New("disk on fire")
	if _, err := key.Encrypt(io.Discard, iotest.ErrReader(broken), RoleHead); !errors.Is(err, broken) {
		t.Errorf("encrypt: %v", err)
	}
	late := io.MultiReader(bytes.NewReader(noise(t, 2*sampleSize)), iotest.ErrReader(broken))
	if _, err := key.Encrypt(io.Discard, late, RoleHead); !errors.Is(err, broken) {
		t.Errorf("encrypt, later: %v", err)
	}
	for _, plain := range [][]byte{noise(t, 300<<10), append(prose(300<<10), noise(t, 300<<10)...)} {
		sent, o, err := key.EncryptBytes(plain, RoleHead)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 50, len(sent) / 2} {
			r, err := key.Decrypt(io.MultiReader(bytes.NewReader(sent[:n]), iotest.ErrReader(broken)), o, 1<<30)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
				t.Errorf("decrypt %v, broken after %d: %v", o.Encoding, n, err)
			}
		}
	}
}

func TestWrongUse(t *testing.T) {
	key, other := newKey(t), newKey(t)
	sent, o, err := key.EncryptBytes([]byte("x"), RoleHead)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.DecryptBytes(sent, o, 10); !errors.Is(err, ErrKey) {
		t.Errorf("other key: %v", err)
	}
	if _, err := (Key{}).DecryptBytes(sent, o, 10); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
	if _, _, err := (Key{}).EncryptBytes(nil, RoleHead); !errors.Is(err, ErrKey) {
		t.Errorf("encrypt with no key: %v", err)
	}
	if _, err := (Key{}).Slip(key.Recipient()); !errors.Is(err, ErrKey) {
		t.Errorf("slip with no key: %v", err)
	}
	if _, _, err := key.EncryptBytes(nil, RoleSlips); !errors.Is(err, ErrMalformed) {
		t.Errorf("encrypt slips: %v", err)
	}
	if _, err := key.DecryptBytes(sent, Object{Role: RoleSlips}, 10); !errors.Is(err, ErrMalformed) {
		t.Errorf("decrypt slips: %v", err)
	}
	if _, err := key.DecryptBytes(sent, Object{Encoding: 7}, 10); !errors.Is(err, ErrMalformed) {
		t.Errorf("unknown encoding: %v", err)
	}
}

func TestHundredTransfersAtOnce(t *testing.T) {
	key, plain := newKey(t), prose(200<<10)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			sent, o, err := key.EncryptBytes(plain, RoleAttachment)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := key.DecryptBytes(sent, o, int64(len(plain))); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

func TestSlips(t *testing.T) {
	key := newKey(t)
	office, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	slip, err := key.Slip(office.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("slip: %d bytes", len(slip))
	got, err := OpenSlip(slip, office)
	if err != nil || got.Secret() != key.Secret() {
		t.Errorf("open: %v", err)
	}
	if err := got.Opens(Header{Key: key.Recipient()}); err != nil {
		t.Error(err)
	}
	if err := got.Opens(Header{Key: newKey(t).Recipient()}); !errors.Is(err, ErrKey) {
		t.Errorf("key of another bundle: %v", err)
	}
	if _, err := OpenSlip(slip, stranger); !errors.Is(err, ErrKey) {
		t.Errorf("stranger: %v", err)
	}
	if _, err := OpenSlip(slip[:len(slip)-1], office); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut: %v", err)
	}
	if _, err := OpenSlip(make([]byte, MaxSlip+1), office); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := key.Slip("age1nonsense"); !errors.Is(err, ErrKey) {
		t.Errorf("bad recipient: %v", err)
	}
	if CheckRecipient(key.Recipient()) != nil || CheckRecipient(key.Secret()) == nil {
		t.Error("CheckRecipient mistakes keys")
	}
}

func TestSlipsObject(t *testing.T) {
	slips := map[string][]byte{"H01": []byte("a"), "G09.1": []byte("b")}
	raw, err := EncodeSlips(slips)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSlips(raw)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(slips) {
		t.Errorf("%v, %v", got, err)
	}
	for name, bad := range map[string]map[string][]byte{
		"empty": {}, "no code": {"": []byte("a")}, "no slip": {"H01": nil}, "control": {"H\x01": []byte("a")},
	} {
		if _, err := EncodeSlips(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("encode %s: %v", name, err)
		}
	}
	if _, err := EncodeSlips(map[string][]byte{"H01": make([]byte, MaxSlip+1)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large slip: %v", err)
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "empty map": {0xa0}, "not sorted": {0xa2, 0x61, 'b', 0x41, 1, 0x61, 'a', 0x41, 1},
		"twice": {0xa2, 0x61, 'a', 0x41, 1, 0x61, 'a', 0x41, 1}, "trailing": append(bytes.Clone(raw), 0), "cut": raw[:len(raw)-1],
		"null slip": {0xa1, 0x61, 'a', 0xf6}, "text slip": {0xa1, 0x61, 'a', 0x61, 'b'},
	} {
		if _, err := DecodeSlips(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("decode %s: %v", name, err)
		}
	}
	if _, err := DecodeSlips(make([]byte, MaxSlips+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("decode large: %v", err)
	}
}

func TestP9_SlipsOfTheLargestCircularFit(t *testing.T) {
	key := newKey(t)
	slip, err := key.Slip(newKey(t).Recipient())
	if err != nil {
		t.Fatal(err)
	}
	slips := make(map[string][]byte, MaxRecipients)
	for i := range MaxRecipients {
		slips[fmt.Sprintf("H%02d.%02d.%02d", i/1000, i/100%10, i%100)] = slip
	}
	raw, err := EncodeSlips(slips)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("slips for %d offices: %d bytes", MaxRecipients, len(raw))
	if got, err := DecodeSlips(raw); err != nil || len(got) != MaxRecipients {
		t.Errorf("%d slips, %v", len(got), err)
	}
}

// TestP6_KeyNeverShows formats a key in every way a program might by accident.
func TestP6_KeyNeverShows(t *testing.T) {
	key := newKey(t)
	type wrapper struct {
		Name string
		Key  Key
		Ptr  *Key
	}
	w := wrapper{"x", key, &key}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", key, w, &w)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "key", key, "w", w)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "key", key, "w", w)
	js, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	_, err = ParseKey(key.Secret() + "x")
	fmt.Fprint(&out, err)
	secret := strings.TrimPrefix(key.Secret(), "AGE-SECRET-KEY-1")
	if len(secret) < 50 || strings.Contains(strings.ToUpper(out.String()), secret) {
		t.Error("the secret shows")
	}
	if raw := fmt.Sprintf("%x", secret); strings.Contains(out.String(), raw) {
		t.Error("the secret shows in hex")
	}
	if again, err := ParseKey(" " + key.Secret() + "\n"); err != nil || again.Recipient() != key.Recipient() {
		t.Errorf("parse back: %v", err)
	}
}

// TestP12_AgeCommandOpensWhatWeSeal checks the format with a program that
// shares no code with us: the slip with the office's key, then the object with
// what the slip held.
func TestP12_AgeCommandOpensWhatWeSeal(t *testing.T) {
	command, err := exec.LookPath("age")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the age command is missing")
		}
		t.Skip("the age command is not installed: the check of our encryption by a foreign program did not run")
	}
	office, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, plain := newKey(t), noise(t, 100<<10)
	slip, err := key.Slip(office.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	sent, o, err := key.EncryptBytes(plain, RoleAttachment)
	if err != nil || o.Encoding != Plain {
		t.Fatal(o, err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := func(identity, path string) []byte {
		var stderr strings.Builder
		cmd := exec.CommandContext(t.Context(), command, "-d", "-i", identity, path)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("age -d: %v: %s", err, stderr.String())
		}
		return out
	}
	identity := write("office.age", []byte(office.String()+"\n"))
	secret := write("key.age", open(identity, write("slip", slip)))
	if got := open(secret, write("object", sent)); !bytes.Equal(got, plain) {
		t.Error("age command read something else")
	}
}

func BenchmarkEncrypt(b *testing.B) {
	key := newKey(b)
	for name, plain := range map[string][]byte{"text": prose(8 << 20), "noise": noise(b, 8<<20)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.Encrypt(io.Discard, bytes.NewReader(plain), RoleAttachment); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
