package lan

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// MaxNames bounds the names of a box, so that odd networks make no odd
// certificates.
const MaxNames = 20

// Names lists under what browsers may reach pages that are served at address,
// "host:port": the extra names first, then the host of the address, or when it
// is that of every interface the machine's addresses on private networks, and
// the machine's own name with and without ".local".
func Names(address string, extra []string) []string {
	all := slices.Clone(extra)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		all = append(all, host)
	} else {
		all = append(all, privateAddresses()...)
	}
	if machine, err := os.Hostname(); err == nil {
		name, _, _ := strings.Cut(strings.ToLower(machine), ".")
		if isName(name) {
			all = append(all, name, name+".local")
		}
	}
	var once []string
	for _, n := range all {
		n = strings.ToLower(strings.TrimSuffix(n, "."))
		if n != "" && n != "localhost" && !slices.Contains(once, n) && len(once) < MaxNames {
			once = append(once, n)
		}
	}
	return once
}

// privateAddresses are those of the office's network. A machine without a
// network has none; its certificate is made again when it has.
func privateAddresses() []string {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []string
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is4() && prefix.Addr().IsPrivate() {
			all = append(all, prefix.Addr().String())
		}
	}
	return all
}

// isName reports whether s is one label of a host name.
func isName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
