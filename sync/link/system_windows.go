package link

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// anyFamily is AF_UNSPEC of the IP helper.
const anyFamily = windows.AF_UNSPEC

// listeners are those who wait for news. Windows calls back on threads of its
// own, and memory for callbacks is never given back, so there is one for all.
var listeners struct {
	sync.Mutex
	told map[chan struct{}]bool
}

var callback = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(_, _, _ uintptr) uintptr {
		listeners.Lock()
		defer listeners.Unlock()
		for told := range listeners.told {
			select {
			case told <- struct{}{}:
			default:
			}
		}
		return 0
	})
})

// subscribe asks to be called back about interfaces, addresses and routes. What
// the call says is not looked at: that something happened is news enough.
func subscribe(*slog.Logger) (news <-chan struct{}, stop func(), err error) {
	told := make(chan struct{}, 1)
	listeners.Lock()
	if listeners.told == nil {
		listeners.told = map[chan struct{}]bool{}
	}
	listeners.told[told] = true
	listeners.Unlock()

	var handles []windows.Handle
	stop = func() {
		for _, h := range handles {
			_ = windows.CancelMibChangeNotify2(h) // waits for calls under way; nothing else can be done about it
		}
		listeners.Lock()
		delete(listeners.told, told)
		listeners.Unlock()
	}
	for _, ask := range []func(uint16, uintptr, unsafe.Pointer, bool, *windows.Handle) error{
		windows.NotifyIpInterfaceChange, windows.NotifyUnicastIpAddressChange, windows.NotifyRouteChange2,
	} {
		var h windows.Handle
		if err := ask(anyFamily, callback(), nil, false, &h); err != nil {
			stop()
			return nil, nil, fmt.Errorf("ask for network changes: %w", err)
		}
		handles = append(handles, h)
	}
	return told, stop, nil
}

// read returns the interfaces there are, by the names that people see.
func read() ([]Interface, error) {
	const flags = windows.GAA_FLAG_INCLUDE_GATEWAYS | windows.GAA_FLAG_SKIP_ANYCAST |
		windows.GAA_FLAG_SKIP_MULTICAST | windows.GAA_FLAG_SKIP_DNS_SERVER
	size := uint32(16 << 10) // as the documentation advises
	for range 4 {
		buffer := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buffer[0]))
		err := windows.GetAdaptersAddresses(anyFamily, flags, 0, first, &size)
		if errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) {
			continue // size tells what is needed
		}
		if errors.Is(err, windows.ERROR_NO_DATA) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list interfaces: %w", err)
		}
		var found []Interface
		for a := first; a != nil; a = a.Next {
			found = append(found, adapter(a))
		}
		return found, nil
	}
	return nil, errors.New("list interfaces: the list grows faster than it is read")
}

func adapter(a *windows.IpAdapterAddresses) Interface {
	var addrs []net.Addr
	for u := a.FirstUnicastAddress; u != nil; u = u.Next {
		addrs = append(addrs, &net.IPNet{IP: u.Address.IP()})
	}
	i := Interface{
		Name: windows.UTF16PtrToString(a.FriendlyName), Running: a.OperStatus == windows.IfOperStatusUp,
		Loopback: a.IfType == windows.IF_TYPE_SOFTWARE_LOOPBACK, Addrs: addresses(addrs),
	}
	for g := a.FirstGatewayAddress; g != nil; g = g.Next {
		ip, ok := netip.AddrFromSlice(g.Address.IP())
		if !ok {
			continue
		}
		metric := a.Ipv6Metric
		if ip.Unmap().Is4() {
			metric = a.Ipv4Metric
		}
		if !i.Default || metric < i.Metric {
			i.Default, i.Metric = true, metric
		}
	}
	i.Addrs = slices.Compact(i.Addrs)
	return i
}
