package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tram/agent/hours"
)

// Bounds of the settings that follow from formats or from the law of the line
// and not from taste.
const (
	maxObject        = Size(2 << 30)             // bytes of one object of a bundle
	maxFiles         = 250                       // objects of a bundle less its head and slips, rounded down
	maxName          = 256                       // characters of a name
	maxNotation      = 30                        // characters of an abbreviation
	maxCode          = 64                        // characters of an office code
	maxLifetime      = 10 * 365 * 24 * time.Hour // longer than any retention of undelivered documents
	minBeat, maxBeat = 10 * time.Second, 24 * time.Hour
	minKeepalive     = 10 * time.Second // below it the pings cost more than the news
	maxKeepalive     = 18 * time.Hour   // MQTT's field ends at 65,535 s
	minLife          = time.Minute      // of a certificate; below it renewals would chase each other
	maxLife          = 3 * 365 * 24 * time.Hour
)

// field is one setting: its key and its place in a struct. Values cross its
// border as text, so that file, environment and flags mean the same.
type field struct {
	key     string
	allowed string              // what Set accepts, in signs that need no translation
	get     func() string       // canonical text; set reads it back
	ok      func(s string) bool // whether set would accept s; changes nothing
	set     func(s string) bool // false when s is not acceptable; the struct is then unchanged
	toml    func() any          // value with the type it has in the file
}

// maker builds a field around the parse and print functions of its type.
func maker[T any](key, allowed string, p *T, print func(T) string, parse func(string) (T, bool), toml func(T) any) field {
	return field{
		key:     key,
		allowed: allowed,
		get:     func() string { return print(*p) },
		ok: func(s string) bool {
			_, ok := parse(s)
			return ok
		},
		set: func(s string) bool {
			v, ok := parse(s)
			if ok {
				*p = v
			}
			return ok
		},
		toml: func() any { return toml(*p) },
	}
}

func same[T any](v T) T    { return v }
func asAny[T any](v T) any { return v }
func isPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func stringField(key, allowed string, p *string, ok func(string) bool) field {
	return maker(key, allowed, p, same, func(s string) (string, bool) { return s, ok(s) }, asAny)
}

func text(key string, p *string, most int) field {
	return stringField(key, fmt.Sprintf("≤ %d", most), p, func(s string) bool {
		return isPrintable(s) && utf8.RuneCountInString(s) <= most
	})
}

func choice(key string, p *string, options ...string) field {
	return stringField(key, strings.Join(options, " | "), p, func(s string) bool {
		return slices.Contains(options, s)
	})
}

// folder is the full path of a folder, or "" for the default place.
func folder(key string, p *string) field {
	return stringField(key, "full path", p, func(s string) bool {
		return s == "" || filepath.IsAbs(s) && isPrintable(s) && len(s) <= 4096
	})
}

// place is where backups go: the full path of a folder or the address of a bucket.
func place(key string, p *string) field {
	return stringField(key, "full path, s3://…", p, func(s string) bool {
		return s == "" || (filepath.IsAbs(s) || strings.HasPrefix(s, "s3://") || strings.HasPrefix(s, "s3+http://")) && isPrintable(s) && len(s) <= 4096
	})
}

var codePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:-]*$`)

func officeCode(key string, p *string) field {
	return stringField(key, "A-Z 0-9 . - :", p, func(s string) bool {
		return s == "" || len(s) <= maxCode && codePattern.MatchString(s)
	})
}

func toggle(key string, p *bool) field {
	return maker(key, "true | false", p, strconv.FormatBool, func(s string) (bool, bool) {
		b, err := strconv.ParseBool(s)
		return b, err == nil
	}, asAny)
}

func number(key string, p *int, least, most int) field {
	return maker(key, fmt.Sprintf("%d … %d", least, most), p, strconv.Itoa, func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= least && n <= most
	}, asAny)
}

func size(key string, p *Size, least, most Size) field {
	return maker(key, fmt.Sprintf("%v … %v", least, most), p, Size.String, func(s string) (Size, bool) {
		n, err := ParseSize(s)
		return n, err == nil && n >= least && n <= most
	}, func(v Size) any { return v.String() })
}

func duration(key string, p *time.Duration, least, most time.Duration) field {
	return maker(key, shortDuration(least)+" … "+shortDuration(most), p, shortDuration, func(s string) (time.Duration, bool) {
		d, err := time.ParseDuration(s)
		return d, err == nil && d >= least && d <= most
	}, func(v time.Duration) any { return shortDuration(v) })
}

// shortDuration writes d without the zero minutes and seconds that
// Duration.String adds.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

const hostPort = "HOST:PORT"

func address(key string, p *string) field { return stringField(key, hostPort, p, isAddress) }

func optionalAddress(key string, p *string) field {
	return stringField(key, hostPort, p, func(s string) bool { return s == "" || isAddress(s) })
}

// optionalPath is the full path of a file, or nothing.
func optionalPath(key string, p *string) field {
	return stringField(key, "/…", p, func(s string) bool { return s == "" || isPrintable(s) && filepath.IsAbs(s) })
}

// signingAgent is the WebSocket address of a program on the reader's own PC.
// It is put into the policy of a page, so it must be an origin and no more.
func signingAgent(key string, p *string) field {
	return stringField(key, "wss://127.0.0.1:PORT", p, agentPattern.MatchString)
}

var agentPattern = regexp.MustCompile(`^wss://(127\.0\.0\.1|localhost):[0-9]{1,5}$`)

// hostNames are names or IP addresses under which a machine is known.
func hostNames(key string, p *[]string) field {
	return list(key, "NAME | IP, …", p, func(all []string) bool {
		return !slices.ContainsFunc(all, func(n string) bool { return !hostPattern.MatchString(n) && net.ParseIP(n) == nil })
	})
}

var hostPattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// abbreviations are groups of a notation.
func abbreviations(key string, p *[]string) field {
	return list(key, "HĐTĐ, …", p, func(all []string) bool {
		return !slices.ContainsFunc(all, func(a string) bool {
			return !isPrintable(a) || utf8.RuneCountInString(a) > maxNotation || strings.ContainsAny(a, "-/ ")
		})
	})
}

func addresses(key string, p *[]string) field {
	return list(key, hostPort+", …", p, func(all []string) bool {
		return !slices.ContainsFunc(all, func(a string) bool { return !isAddress(a) })
	})
}

// list is a list of texts without commas, acceptable as a whole to ok.
func list(key, allowed string, p *[]string, ok func(all []string) bool) field {
	return maker(key, allowed, p, func(v []string) string { return strings.Join(v, ",") },
		func(s string) ([]string, bool) {
			parts := split(s)
			return parts, ok(parts)
		}, func(v []string) any { return slices.Clone(v) })
}

func split(s string) (parts []string) {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// week is a list of spans of the week.
func week(key string, p *hours.Week) field {
	texts := func(w hours.Week) []string {
		list := []string{}
		for _, s := range w {
			list = append(list, s.String())
		}
		return list
	}
	return maker(key, `"07:30-11:30", "Mon-Fri 13:30-17:00", …`, p, func(w hours.Week) string { return strings.Join(texts(w), ",") },
		func(s string) (w hours.Week, ok bool) {
			for _, part := range split(s) {
				span, err := hours.Parse(part)
				if err != nil {
					return nil, false
				}
				w = append(w, span)
			}
			return w, len(w) <= hours.MaxSpans
		}, func(w hours.Week) any { return texts(w) })
}

// isAddress accepts host:port; port 0 means any free one.
func isAddress(s string) bool {
	_, err := splitAddress(s)
	return err == nil
}

func anyPort(s string) bool { return strings.HasSuffix(s, ":0") }

func splitAddress(s string) (host string, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", err
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || r == '/' || r == ',' }) {
		return "", errors.New("no host")
	}
	return host, nil
}
