package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// groups are the kinds of news that can matter: interfaces, addresses, routes.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
	unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// subscribe opens a netlink socket. What the messages say is not looked at: that
// something happened is news enough, also when the kernel had to drop messages.
func subscribe(log *slog.Logger) (news <-chan struct{}, stop func(), err error) {
	socket, err := openNetlink()
	if err != nil {
		return nil, nil, err
	}
	told := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		listen(socket, told, log)
	}()
	return told, func() { socket.Close(); <-done }, nil
}

func openNetlink() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind netlink socket: %w", err), socket.Close())
	}
	return socket, nil
}

// listen tells of each message until the socket is closed.
func listen(socket *os.File, told chan<- struct{}, log *slog.Logger) {
	buffer := make([]byte, 1) // the rest of a datagram is dropped
	for {
		_, err := socket.Read(buffer)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.ENOBUFS):
			log.Debug("network changes came faster than they were taken")
		case err != nil:
			log.Error("network changes are not told any more", "error", err)
			return
		}
		select {
		case told <- struct{}{}:
		default:
		}
	}
}

// read returns the interfaces there are.
func read() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	metrics, err := defaultRoutes()
	if err != nil {
		return nil, err
	}
	var found []Interface
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went meanwhile
		}
		metric, routed := metrics[i.Index]
		found = append(found, Interface{
			Name: i.Name, Running: i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0,
			Loopback: i.Flags&net.FlagLoopback != 0, Addrs: addresses(addrs), Default: routed, Metric: metric,
		})
	}
	return found, nil
}

// defaultRoutes returns the best metric of the default routes over each
// interface, by its index.
func defaultRoutes() (map[int]uint32, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETROUTE, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, fmt.Errorf("parse routes: %w", err)
	}
	metrics := map[int]uint32{}
	for i := range messages {
		metric, over := defaultRoute(&messages[i])
		for _, index := range over {
			if best, known := metrics[index]; !known || metric < best {
				metrics[index] = metric
			}
		}
	}
	return metrics, nil
}

// defaultRoute returns the metric of a message that tells of a default route,
// and the interfaces that it leads over: none when it is another message.
func defaultRoute(m *syscall.NetlinkMessage) (metric uint32, over []int) {
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
		return 0, nil
	}
	// struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags.
	if m.Data[1] != 0 || m.Data[7] != unix.RTN_UNICAST {
		return 0, nil
	}
	for kind, value := range records(m.Data[unix.SizeofRtMsg:], unix.SizeofRtAttr) {
		switch kind {
		case unix.RTA_OIF:
			over = append(over, int(number(value)))
		case unix.RTA_PRIORITY:
			metric = number(value)
		case unix.RTA_MULTIPATH:
			// struct rtnexthop: length, flags, hops, interface, then attributes.
			for _, hop := range records(value, unix.SizeofRtNexthop) {
				over = append(over, int(number(hop)))
			}
		}
	}
	return metric, over
}

// records walks over records of netlink: two bytes of length, two of kind, then
// the value, each begun at a multiple of four. It stops at one shorter than
// least or longer than what is left. (The one of package syscall panics when
// the last one is not padded.)
func records(b []byte, least int) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= least {
			length := int(binary.NativeEndian.Uint16(b))
			if length < least || length > len(b) || !yield(binary.NativeEndian.Uint16(b[2:]), b[4:length]) {
				return
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}

func number(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}
