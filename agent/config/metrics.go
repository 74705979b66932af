package config

import (
	"net/netip"
	"slices"
	"strings"

	"tram/agent/problem"
)

// maxAllowed bounds Metrics.Allow.
const maxAllowed = 32

// Metrics is where monitoring software finds the program's figures.
type Metrics struct {
	Listen string // host:port; "" for nowhere
	// Allow are the addresses that may ask beside this machine; beyond loopback
	// nobody else is answered.
	Allow []netip.Prefix
}

func (m *Metrics) fields() []field {
	return []field{
		optionalAddress("metrics.listen", &m.Listen),
		prefixes("metrics.allow", &m.Allow, maxAllowed),
	}
}

func (m *Metrics) faults(origins map[string]Origin) problem.List {
	if m.Listen == "" || isLoopback(m.Listen) || len(m.Allow) > 0 {
		return nil
	}
	return problem.List{badValue("metrics.allow", "", "IP | IP/BITS, … (metrics.listen = "+m.Listen+")", origins)}
}

// prefixes are networks or single addresses.
func prefixes(key string, p *[]netip.Prefix, most int) field {
	texts := func(list []netip.Prefix) []string {
		out := make([]string, 0, len(list))
		for _, one := range list {
			out = append(out, strings.TrimSuffix(strings.TrimSuffix(one.String(), "/32"), "/128"))
		}
		return out
	}
	return maker(key, "IP | IP/BITS, …", p, func(list []netip.Prefix) string { return strings.Join(texts(list), ",") },
		func(s string) (list []netip.Prefix, ok bool) {
			for _, part := range split(s) {
				one, err := parsePrefix(part)
				if err != nil {
					return nil, false
				}
				list = append(list, one)
			}
			return slices.Clip(list), len(list) <= most
		}, func(list []netip.Prefix) any { return texts(list) })
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen()), nil
}

func isLoopback(s string) bool {
	host, err := splitAddress(s)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
