package agent_test

import (
	"net"
	"os"
	"testing"
	"time"

	"tram/agent/enroll"
)

// TestAnInviteNeedNotWait gives a box an invite while its own attempt hangs on
// a line that takes connections and never answers.
func TestAnInviteNeedNotWait(t *testing.T) {
	p := found(t)
	l, err := net.Listen("tcp", p.config.Enroll.Address)
	if err != nil {
		t.Fatal(err)
	}
	hanging := make(chan net.Conn, 16)
	go func() {
		defer close(hanging)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hanging <- c
		}
	}()
	b := p.start(codeA)
	invite, err := os.ReadFile(p.inviteFile(codeA))
	if err != nil {
		t.Fatal(err)
	}
	given := make(chan error, 1)
	give := func() {
		_, err := b.api.Enroll(t.Context(), invite)
		given <- err
	}
	go give() // hangs until the line breaks, then the box tries by itself
	(<-hanging).Close()
	if err := <-given; err != nil {
		t.Fatal(err)
	}
	own := <-hanging // the box's own attempt
	go give()
	select {
	case c := <-hanging:
		c.Close()
	case <-time.After(patience):
		t.Error("the invite waits for the box's own attempt")
	}
	own.Close()
	if err := <-given; err != nil {
		t.Errorf("an invite beside the box's own attempt: %v", err)
	}
	if r, err := enroll.Status(p.boxDir(codeA)); err != nil || r.State != enroll.Pending {
		t.Errorf("the box is %+v (error %v)", r, err)
	}
	l.Close()
	for c := range hanging {
		c.Close()
	}
}
