package edxml

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// reordered writes an element with its children in the reverse order of their
// names; those of the same name keep their order.
func reordered(data []byte, n *node) string {
	if len(n.children) == 0 {
		return string(data[n.start:n.end])
	}
	tag := string(data[n.start : bytes.IndexByte(data[n.start:], '>')+int(n.start)+1])
	full, _ := tagName([]byte(tag))
	children := slices.Clone(n.children)
	slices.SortStableFunc(children, func(a, b *node) int { return strings.Compare(b.name.Local, a.name.Local) })
	for _, c := range children {
		tag += reordered(data, c)
	}
	return tag + "</" + full + ">"
}

// TestOrderAndPrefixesDoNotMatter: every sample says the same when its elements
// come in another order and under other prefixes.
func TestOrderAndPrefixesDoNotMatter(t *testing.T) {
	for name, data := range samples(t, "messages", 20) {
		want, stage := read(t, data)
		root, err := parse(data)
		if err != nil {
			t.Fatal(err)
		}
		prefixed := strings.NewReplacer("<edXML:", "<_q.1:", "</edXML:", "</_q.1:", "xmlns:edXML=", "xmlns:_q.1=").Replace(string(data))
		for change, text := range map[string]string{"order": reordered(data, root), "prefix": prefixed} {
			got, again := read(t, []byte(text))
			if !same(got.Message, want.Message) || len(got.Warnings) > 0 || got.Signed != want.Signed || len(got.Attachments) != len(want.Attachments) {
				t.Errorf("%s: another %s reads as %+v, %v", name, change, got.Message, got.Warnings)
				continue
			}
			for i, a := range got.Attachments {
				if b := want.Attachments[i]; a.Name != b.Name || !bytes.Equal(again.contents[a.Content].Bytes(), stage.contents[b.Content].Bytes()) {
					t.Errorf("%s: another %s changes attachment %d", name, change, i)
				}
			}
		}
	}
}

// TestAgencyCodes: both forms of code are known, with the irregular ones that
// are in use; others only warn.
func TestAgencyCodes(t *testing.T) {
	for code, want := range map[string]bool{
		"000.00.00.H49": true, "000.20.31.H53": true, "000.00.00.G22": true, "H49.64.33": true, "H37.DN.001": true, "h40.05": true,
		"001.00.20.JB2": true, "999.010.01.H22": true, "28.22.H17": true, "01.02.G22": true, "777.77.04.D77": true,
		"vxp.saas.03": false, "CS:GOV:X": false, "H40.12.3 ": false, "H40." + strings.Repeat("123.", 10) + "1": false, "": false,
	} {
		if got := plausibleOrgan(code); got != want {
			t.Errorf("plausibleOrgan(%q) = %v", code, got)
		}
	}
}
