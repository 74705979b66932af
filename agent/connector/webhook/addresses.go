package webhook

import (
	"errors"
	"net/netip"
	"syscall"
)

// errAddress is an address that no event goes to.
var errAddress = errors.New("link-local, multicast or metadata address")

// metadata are addresses beyond the link-local ones at which clouds answer with
// a machine's own secrets.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("fd00:ec2::254"),
}

// nat64 leads to addresses of the older internet (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// allowed is asked for the address that a connection is about to be made to,
// after its name was resolved: so no name can lead elsewhere later.
func allowed(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return errAddress
	}
	for _, m := range metadata {
		if ip == m {
			return errAddress
		}
	}
	return nil
}
