package cutdisk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Numbers of the protocol of network block devices, fixed newstyle
// (github.com/NetworkBlockDevice/nbd, doc/proto.md).
const (
	magicHello   = 0x4e42444d41474943 // NBDMAGIC
	magicOption  = 0x49484156454f5054 // IHAVEOPT
	magicAnswer  = 0x3e889045565a9
	magicRequest = 0x25609513
	magicReply   = 0x67446698

	flagsServer = 1 | 2     // fixed newstyle, no zeroes
	flagsExport = 1 | 4 | 8 // has flags, flush, force unit access

	optionAbort, optionGo    = 2, 7
	answerAck, answerInfo    = 1, 3
	answerUnsupported        = 0x80000001
	infoExport               = 0
	commandRead              = 0
	commandWrite             = 1
	commandDisconnect        = 2
	commandFlush             = 3
	flagForce                = 1
	errorIO                  = 5
	errorInvalid             = 22
	maxOption                = 4 << 10  // bytes of an option
	maxRequest               = 32 << 20 // bytes of a read or write; what emulators ask for at most
	optionHeader, requestLen = 16, 28
)

var errProtocol = errors.New("not the protocol of network block devices")

// Serve answers an emulator on one connection until it has gone. Without power there
// is no answer, and no error either: a guest must not learn of the cut.
func (d *Disk) Serve(c net.Conn) error {
	defer c.Close()
	s := &session{d: d, r: bufio.NewReader(c), w: c}
	if err := s.hello(); err != nil {
		return err
	}
	for {
		more, err := s.request()
		if errors.Is(err, errOff) {
			_, err = io.Copy(io.Discard, s.r)
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil // killed
		}
		if err != nil || !more {
			return err
		}
	}
}

type session struct {
	d *Disk
	r *bufio.Reader
	w io.Writer
}

func (s *session) send(fields ...any) error {
	var out []byte
	var err error
	for _, f := range fields {
		if out, err = binary.Append(out, binary.BigEndian, f); err != nil {
			return err
		}
	}
	_, err = s.w.Write(out)
	return err
}

// hello agrees on the one disk that there is, whatever name it is asked for under.
func (s *session) hello() error {
	if err := s.send(uint64(magicHello), uint64(magicOption), uint16(flagsServer)); err != nil {
		return err
	}
	if _, err := io.ReadFull(s.r, make([]byte, 4)); err != nil { // the client's flags
		return err
	}
	for {
		head := make([]byte, optionHeader)
		if _, err := io.ReadFull(s.r, head); err != nil {
			return err
		}
		option, length := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
		if binary.BigEndian.Uint64(head) != magicOption || length > maxOption {
			return errProtocol
		}
		if _, err := io.CopyN(io.Discard, s.r, int64(length)); err != nil {
			return err
		}
		if option == optionGo {
			return errors.Join(
				s.send(uint64(magicAnswer), option, uint32(answerInfo), uint32(12), uint16(infoExport), uint64(s.d.Size()), uint16(flagsExport)),
				s.send(uint64(magicAnswer), option, uint32(answerAck), uint32(0)))
		}
		if err := s.send(uint64(magicAnswer), option, uint32(answerUnsupported), uint32(0)); err != nil {
			return err
		}
		if option == optionAbort {
			return errProtocol
		}
	}
}

// request answers one request; false after the last.
func (s *session) request() (bool, error) {
	head := make([]byte, requestLen)
	if _, err := io.ReadFull(s.r, head); err != nil {
		return false, err
	}
	flags, command := binary.BigEndian.Uint16(head[4:]), binary.BigEndian.Uint16(head[6:])
	cookie, at := binary.BigEndian.Uint64(head[8:]), int64(binary.BigEndian.Uint64(head[16:]))
	length := binary.BigEndian.Uint32(head[24:])
	if binary.BigEndian.Uint32(head) != magicRequest || length > maxRequest {
		return false, fmt.Errorf("%w: request %x", errProtocol, head)
	}
	var data []byte
	var err error
	switch command {
	case commandRead:
		data = make([]byte, length)
		_, err = s.d.ReadAt(data, at)
	case commandWrite:
		written := make([]byte, length)
		if _, err := io.ReadFull(s.r, written); err != nil {
			return false, err // cut within a write: it was never done
		}
		err = s.d.Write(written, at, flags&flagForce != 0)
	case commandFlush:
		err = s.d.Flush()
	case commandDisconnect:
		return false, nil
	default:
		err = errRange
	}
	code := uint32(0)
	switch {
	case errors.Is(err, errOff):
		return false, err
	case errors.Is(err, errRange):
		code, data = errorInvalid, nil
	case err != nil:
		code, data = errorIO, nil
	}
	return true, s.send(uint32(magicReply), code, cookie, data)
}
