package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"tram/sync/wire"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "write the vectors into the specification")

// specification is the page with the vectors between two comments.
const specification = "../README.md"

var (
	bundleID = uuid.MustParse("0198c0de-0000-7000-8000-000000000001")
	session  = uuid.MustParse("11111111-2222-4333-8444-555555555555")
	epoch    = uuid.MustParse("66666666-7777-4888-9999-aaaaaaaaaaaa")
	boot     = uuid.MustParse("0198c0de-0000-7000-8000-00000000b007")
	moment   = time.UnixMilli(1767578400123).UTC()
)

// vectors are the test vectors of the specification, in its order.
var vectors = []struct {
	name  string
	frame wire.Frame
}{
	{"hello", wire.Hello{
		Version: 1, Office: "H40.1.2", Session: session, Epoch: epoch, Now: moment,
		Card: []byte{0xca, 0x7d}, Registry: 1767578400000, Software: "tram 0.1.0",
		Held: 1767578400001, Boot: boot, Heard: bundleID, Known: boot, Log: []byte{0xa0},
	}},
	{"hello-answer", wire.Hello{
		Version: 1, Office: "H40", Session: epoch, Answers: session, Epoch: bundleID,
		Now: time.UnixMilli(-1).UTC(), Software: "",
	}},
	{"offer", wire.Offer{
		ID: bundleID, Header: []byte{0xd2, 0x84}, Slip: []byte("slip"),
		Inline: map[int][]byte{0: []byte("head"), 2: {}, 255: {0xff}},
	}},
	{"offer-bare", wire.Offer{ID: bundleID, Header: []byte{0xd2}}},
	{"want", wire.Want{ID: bundleID, Object: 1, Offset: 65536, Credit: 65536, Round: 1}},
	{"want-again", wire.Want{ID: bundleID, Object: 255, Offset: 1 << 31, Credit: 0, Round: 70000}},
	{"chunk", wire.Chunk{ID: bundleID, Object: 1, Offset: 16384, Data: []byte("chunk")}},
	{"custody", wire.Custody{ID: bundleID, Receipt: []byte{0xd2, 0x84}}},
	{"refuse", wire.Refuse{ID: bundleID, Code: wire.CodeUnknownRecipient, Text: "không có cơ quan này"}},
	{"defer", wire.Defer{ID: bundleID, Code: wire.CodeBusy, After: 30 * time.Second}},
	{"cancel", wire.Cancel{ID: bundleID, Code: wire.CodeWithdrawn}},
	{"ask", wire.Ask{ID: bundleID}},
	{"ask-first", wire.Ask{ID: bundleID, First: true}},
}

func encode(t testing.TB, f wire.Frame) []byte {
	t.Helper()
	b, err := wire.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			b := encode(t, v.frame)
			got, err := wire.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, v.frame) {
				t.Errorf("decoded %+v, encoded %+v", got, v.frame)
			}
			if again := encode(t, got); !bytes.Equal(again, b) {
				t.Errorf("encoded again:\n%x\nfirst:\n%x", again, b)
			}
		})
	}
}

// TestP12_VectorsAreDocumented holds the specification to what the codec does.
func TestP12_VectorsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	const begin, end = "<!-- vectors -->\n", "<!-- end of vectors -->"
	head, rest, ok1 := strings.Cut(page, begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal(specification + " has no place for vectors")
	}
	var table strings.Builder
	table.WriteString("```\n")
	for _, v := range vectors {
		fmt.Fprintf(&table, "%s\n", v.name)
		for h := hex.EncodeToString(encode(t, v.frame)); h != ""; {
			n := min(len(h), 96)
			fmt.Fprintf(&table, "  %s\n", h[:n])
			h = h[n:]
		}
	}
	table.WriteString("```\n")
	if table.String() == old {
		return
	}
	if !*update {
		t.Fatal("the vectors in " + specification + " differ from what the codec writes; if that is wanted: go test ./sync/wire -update")
	}
	if err := os.WriteFile(specification, []byte(head+begin+table.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestAgainstCBORLibrary reads and writes each vector with a full CBOR library
// in core deterministic mode.
func TestAgainstCBORLibrary(t *testing.T) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		b := encode(t, v.frame)
		var fields []any
		if err := cbor.Unmarshal(b, &fields); err != nil {
			t.Errorf("%s: library does not read it: %v", v.name, err)
			continue
		}
		again, err := enc.Marshal(fields)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: library writes %x (%v), codec %x", v.name, again, err, b)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	big := func(n int) []byte { return make([]byte, n) }
	hello := vectors[0].frame.(wire.Hello)
	with := func(change func(*wire.Hello)) wire.Hello { h := hello; change(&h); return h }
	for name, c := range map[string]struct {
		frame wire.Frame
		want  error
	}{
		"nothing":          {nil, wire.ErrMalformed},
		"pointer":          {&wire.Want{}, wire.ErrType},
		"no id":            {wire.Want{}, wire.ErrMalformed},
		"no round":         {wire.Want{ID: bundleID}, wire.ErrMalformed},
		"negative object":  {wire.Want{ID: bundleID, Object: -1, Round: 1}, wire.ErrMalformed},
		"high object":      {wire.Want{ID: bundleID, Object: 256, Round: 1}, wire.ErrTooLarge},
		"negative offset":  {wire.Want{ID: bundleID, Offset: -1, Round: 1}, wire.ErrMalformed},
		"negative credit":  {wire.Want{ID: bundleID, Credit: -1, Round: 1}, wire.ErrMalformed},
		"empty chunk":      {wire.Chunk{ID: bundleID}, wire.ErrMalformed},
		"large chunk":      {wire.Chunk{ID: bundleID, Data: big(wire.MaxChunk + 1)}, wire.ErrTooLarge},
		"endless chunk":    {wire.Chunk{ID: bundleID, Offset: math.MaxInt64, Data: big(1)}, wire.ErrMalformed},
		"empty header":     {wire.Offer{ID: bundleID}, wire.ErrMalformed},
		"large header":     {wire.Offer{ID: bundleID, Header: big(wire.MaxHeader + 1)}, wire.ErrTooLarge},
		"large slip":       {wire.Offer{ID: bundleID, Header: big(1), Slip: big(wire.MaxSlip + 1)}, wire.ErrTooLarge},
		"large inline sum": {wire.Offer{ID: bundleID, Header: big(1), Inline: map[int][]byte{0: big(wire.MaxInline), 1: big(1)}}, wire.ErrTooLarge},
		"inline index":     {wire.Offer{ID: bundleID, Header: big(1), Inline: map[int][]byte{-1: nil}}, wire.ErrMalformed},
		"empty receipt":    {wire.Custody{ID: bundleID}, wire.ErrMalformed},
		"large receipt":    {wire.Custody{ID: bundleID, Receipt: big(wire.MaxReceipt + 1)}, wire.ErrTooLarge},
		"long text":        {wire.Refuse{ID: bundleID, Text: strings.Repeat("x", wire.MaxText+1)}, wire.ErrTooLarge},
		"bad text":         {wire.Refuse{ID: bundleID, Text: "\xff"}, wire.ErrMalformed},
		"negative after":   {wire.Defer{ID: bundleID, After: -1}, wire.ErrMalformed},
		"long after":       {wire.Defer{ID: bundleID, After: wire.MaxAfter + 1}, wire.ErrTooLarge},
		"other version":    {with(func(h *wire.Hello) { h.Version = 2 }), wire.ErrVersion},
		"no session":       {with(func(h *wire.Hello) { h.Session = uuid.Nil }), wire.ErrMalformed},
		"no office":        {with(func(h *wire.Hello) { h.Office = "" }), wire.ErrMalformed},
		"long office":      {with(func(h *wire.Hello) { h.Office = strings.Repeat("H", wire.MaxOffice+1) }), wire.ErrTooLarge},
		"large card":       {with(func(h *wire.Hello) { h.Card = big(wire.MaxCard + 1) }), wire.ErrTooLarge},
		"long log":         {with(func(h *wire.Hello) { h.Log = big(wire.MaxLog + 1) }), wire.ErrTooLarge},
		"long software":    {with(func(h *wire.Hello) { h.Software = strings.Repeat("x", wire.MaxSoftware+1) }), wire.ErrTooLarge},
	} {
		if b, err := wire.Encode(c.frame); !errors.Is(err, c.want) || b != nil {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(b), err, c.want)
		}
	}
}

// TestLargestFramesFit says that the limits of the fields together stay below
// MaxFrame, so that no allowed frame is ever too large.
func TestLargestFramesFit(t *testing.T) {
	inline := map[int][]byte{}
	for i := range wire.MaxObject + 1 {
		inline[i] = make([]byte, wire.MaxInline/(wire.MaxObject+1))
	}
	for _, f := range []wire.Frame{
		wire.Offer{ID: bundleID, Header: make([]byte, wire.MaxHeader), Slip: make([]byte, wire.MaxSlip), Inline: inline},
		wire.Chunk{ID: bundleID, Object: wire.MaxObject, Offset: 1 << 60, Data: make([]byte, wire.MaxChunk)},
		wire.Refuse{ID: bundleID, Text: strings.Repeat("ệ", wire.MaxText/3)},
	} {
		b := encode(t, f)
		if len(b) > wire.MaxFrame {
			t.Errorf("%s of %d bytes", wire.Name(f), len(b))
		}
		if _, err := wire.Decode(b); err != nil {
			t.Error(err)
		}
	}
}

func TestTruncatedAndTrailing(t *testing.T) {
	for _, v := range vectors {
		b := encode(t, v.frame)
		for n := range b {
			if f, err := wire.Decode(b[:n]); !errors.Is(err, wire.ErrMalformed) || f != nil {
				t.Errorf("%s cut to %d of %d bytes: %v, %v", v.name, n, len(b), f, err)
			}
		}
		if _, err := wire.Decode(append(bytes.Clone(b), 0)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s with a byte behind: %v", v.name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const id = "500198c0de00007000800000000000000" + "1"
	for name, c := range map[string]struct {
		hex  string
		want error
	}{
		"no array":           {"01", wire.ErrMalformed},
		"unknown type":       {"830a" + id + "00", wire.ErrType},
		"type 0":             {"8300" + id + "00", wire.ErrType},
		"too few elements":   {"8208" + id, wire.ErrMalformed},
		"too many elements":  {"8408" + id + "0000", wire.ErrMalformed},
		"indefinite array":   {"9f08" + id + "00ff", wire.ErrMalformed},
		"indefinite bytes":   {"83055f" + id + "ff4101", wire.ErrMalformed},
		"long array head":    {"980308" + id + "00", wire.ErrMalformed},
		"long code":          {"8308" + id + "1805", wire.ErrMalformed},
		"long code 2":        {"8308" + id + "190005", wire.ErrMalformed},
		"long code 4":        {"8308" + id + "1a0000ffff", wire.ErrMalformed},
		"long code 8":        {"8308" + id + "1b00000000ffffffff", wire.ErrMalformed},
		"reserved length":    {"8308" + id + "1c", wire.ErrMalformed},
		"code too high":      {"8308" + id + "1a00010000", wire.ErrTooLarge},
		"negative code":      {"8308" + id + "20", wire.ErrMalformed},
		"null code":          {"8308" + id + "f6", wire.ErrMalformed},
		"float code":         {"8308" + id + "f90000", wire.ErrMalformed},
		"tagged code":        {"8308" + id + "c100", wire.ErrMalformed},
		"text id":            {"830870" + strings.Repeat("61", 16) + "00", wire.ErrMalformed},
		"short id":           {"83084100" + "00", wire.ErrMalformed},
		"long id":            {"830851" + strings.Repeat("01", 17) + "00", wire.ErrTooLarge},
		"zero id":            {"830850" + strings.Repeat("00", 16) + "00", wire.ErrMalformed},
		"huge bytes claimed": {"8305" + id + "5b7fffffffffffffff", wire.ErrTooLarge},
		"huge map claimed":   {"8502" + id + "4101" + "40" + "bb7fffffffffffffff", wire.ErrTooLarge},
		"unsorted inline":    {"8502" + id + "4101" + "40" + "a201400040", wire.ErrMalformed},
		"repeated inline":    {"8502" + id + "4101" + "40" + "a200400040", wire.ErrMalformed},
		"object 256":         {"8603" + id + "190100" + "000001", wire.ErrTooLarge},
		"offset beyond int":  {"8603" + id + "00" + "1b8000000000000000" + "0001", wire.ErrTooLarge},
		"round 0":            {"8603" + id + "00000000", wire.ErrMalformed},
		"empty data":         {"8504" + id + "000040", wire.ErrMalformed},
		"bad UTF-8":          {"8406" + id + "0061ff", wire.ErrMalformed},
		"wrong magic":        {"8f016454524143" + "01", wire.ErrMalformed},
		"no magic":           {"8f0101", wire.ErrMalformed},
	} {
		raw, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(name, err)
		}
		if f, err := wire.Decode(raw); !errors.Is(err, c.want) || f != nil {
			t.Errorf("%s: %v, %v; want %v", name, f, err, c.want)
		}
	}
	if _, err := wire.Decode(make([]byte, wire.MaxFrame+1)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("oversized: %v", err)
	}
}

// TestLaterVersionIsNamed reads a HELLO of a version with other fields.
func TestLaterVersionIsNamed(t *testing.T) {
	raw, _ := hex.DecodeString("8401645452414d" + "07" + "f6")
	_, err := wire.Decode(raw)
	if !errors.Is(err, wire.ErrVersion) || !strings.Contains(err.Error(), "7") {
		t.Errorf("error %v does not name version 7", err)
	}
}

func TestCutText(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"ngắn":                    "ngắn",
		strings.Repeat("ệ", 200):  strings.Repeat("ệ", wire.MaxText/3),
		"a\xffb":                  "a\uFFFDb",
		strings.Repeat("a", 1000): strings.Repeat("a", wire.MaxText),
	} {
		if got := wire.CutText(in); got != want {
			t.Errorf("CutText(%q) = %q", in, got)
		}
	}
}

// TestChunkIsCopiedOnce counts allocations: one buffer out, none of a chunk's
// size in.
func TestChunkIsCopiedOnce(t *testing.T) {
	c := wire.Chunk{ID: bundleID, Object: 3, Offset: 1 << 20, Data: make([]byte, wire.MaxChunk)}
	b := encode(t, c)
	got, err := wire.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := got.(wire.Chunk).Data; &d[0] != &b[len(b)-len(d)] {
		t.Error("decoding copied the data")
	}
	var frame wire.Frame = c
	if n := testing.AllocsPerRun(100, func() { _, _ = wire.Encode(frame) }); n > 1 {
		t.Errorf("encoding a chunk allocates %v times", n)
	}
}

func FuzzDecode(f *testing.F) {
	if len(vectors) == 0 {
		f.Fatal("no seeds")
	}
	for _, v := range vectors {
		f.Add(encode(f, v.frame))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := wire.Decode(b)
		if err != nil {
			if frame != nil {
				t.Fatal("frame and error")
			}
			for _, known := range []error{wire.ErrTooLarge, wire.ErrVersion, wire.ErrType, wire.ErrMalformed} {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("error of no known kind: %v", err)
		}
		if again := encode(t, frame); !bytes.Equal(again, b) {
			t.Fatalf("encoded again:\n%x\ninput:\n%x", again, b)
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	c := wire.Chunk{ID: bundleID, Object: 3, Offset: 1 << 20, Data: make([]byte, 16<<10)}
	raw := encode(b, c)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			_, _ = wire.Encode(c)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			_, _ = wire.Decode(raw)
		}
	})
}
