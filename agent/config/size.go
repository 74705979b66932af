package config

import (
	"errors"
	"strconv"
	"strings"
)

// Size is a number of bytes. As text it has a decimal unit, such as "200MB";
// KiB, MiB and GiB are read as well.
type Size int64

// Decimal units of Size.
const (
	kB Size = 1000
	MB Size = 1000 * kB
	GB Size = 1000 * MB
)

var errSize = errors.New("not a size with a unit")

// units are tried in order, so the longer names come first.
var units = []struct {
	name string
	size Size
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"GB", GB}, {"MB", MB}, {"kB", kB}, {"B", 1},
}

// ParseSize reads a whole number with a unit, such as "200MB" or "2 GiB". The
// unit is needed; its case does not matter.
func ParseSize(s string) (Size, error) {
	s = strings.TrimSpace(s)
	for _, u := range units {
		n := len(s) - len(u.name)
		if n <= 0 || !strings.EqualFold(s[n:], u.name) {
			continue
		}
		count, err := strconv.ParseInt(strings.TrimSpace(s[:n]), 10, 64)
		if err != nil || count < 0 || count > int64(1<<62)/int64(u.size) {
			return 0, errSize
		}
		return Size(count) * u.size, nil
	}
	return 0, errSize
}

// String writes s with the largest unit that divides it; ParseSize reads the
// same value back.
func (s Size) String() string {
	best := units[len(units)-1]
	for _, u := range units {
		if s != 0 && s%u.size == 0 && u.size > best.size {
			best = u
		}
	}
	return strconv.FormatInt(int64(s/best.size), 10) + best.name
}
