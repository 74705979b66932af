package lan

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// maxHost bounds a host name, bytes (RFC 1035, section 2.3.4).
const maxHost = 253

// localDomains are those that lead to no host on the internet: RFC 6762 (.local,
// and .lan, which its appendix G names), RFC 8375 (.home.arpa), and .internal,
// which ICANN has set aside.
var localDomains = []string{"lan", "local", "internal", "home.arpa"}

// localRanges are the addresses that are not routed on the internet.
var localRanges = ranges(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
	"169.254.0.0/16", "fe80::/10", // link-local
	"100.64.0.0/10", // RFC 6598
	"fc00::/7",      // RFC 4193
	"127.0.0.0/8", "::1/128",
)

func ranges(list ...string) (all []*net.IPNet) {
	for _, s := range list {
		p := netip.MustParsePrefix(s)
		all = append(all, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return all
}

// Confine puts name constraints (RFC 5280, section 4.2.1.10) into the template
// of an authority: what it issues is good for names and addresses of local
// networks alone, whatever the authority signs. Mail addresses and URIs are
// excluded by its use for servers.
func Confine(template *x509.Certificate) {
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains = slices.Clone(localDomains)
	template.PermittedIPRanges = slices.Clone(localRanges)
}

// Confined reports whether an authority is confined at least as far as Confine
// does it, and to servers.
func Confined(ca *x509.Certificate) bool {
	ofOurs := func(r *net.IPNet) bool {
		return slices.ContainsFunc(localRanges, func(l *net.IPNet) bool { return r.String() == l.String() })
	}
	return ca.PermittedDNSDomainsCritical && len(ca.PermittedDNSDomains) > 0 && len(ca.PermittedIPRanges) > 0 &&
		!slices.ContainsFunc(ca.PermittedDNSDomains, func(d string) bool { return !slices.Contains(localDomains, d) }) &&
		!slices.ContainsFunc(ca.PermittedIPRanges, func(r *net.IPNet) bool { return !ofOurs(r) }) &&
		slices.Equal(ca.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) && len(ca.UnknownExtKeyUsage) == 0
}

// Covered reports whether a confined authority may issue for a name: an address
// of localRanges, or a host name in lower case below one of localDomains. A name
// of one label cannot be told from a top-level domain, so none is.
func Covered(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Zone() == "" && !ip.Is4In6() &&
			slices.ContainsFunc(localRanges, func(r *net.IPNet) bool { return r.Contains(ip.AsSlice()) })
	}
	if len(name) > maxHost || slices.ContainsFunc(strings.Split(name, "."), func(label string) bool { return !isName(label) }) {
		return false
	}
	return slices.ContainsFunc(localDomains, func(d string) bool { return strings.HasSuffix(name, "."+d) })
}

// covered lists the names that the hub may issue for.
func covered(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !Covered(n) })
}
