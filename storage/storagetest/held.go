package storagetest

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Held is the memory that the runtime holds, in bytes.
func Held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// PeakHeld is the most memory that the runtime held while f ran, in bytes.
func PeakHeld(f func()) uint64 {
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			most.Store(max(most.Load(), Held()))
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most.Load()
}
