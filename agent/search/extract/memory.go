package extract

import (
	"errors"
	"runtime/metrics"
	"time"
)

// memoryLook is how often the memory is looked at.
const memoryLook = 10 * time.Millisecond

var errMemory = errors.New("file needs too much memory")

// watch waits for the work, or until the process holds more than limit bytes. It
// works everywhere; where the operating system can hold the limit itself, confine
// has it do so, which misses nothing between two looks.
func watch(done <-chan error, limit int64) error {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	look := time.NewTicker(memoryLook)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-look.C:
			metrics.Read(sample)
			if sample[0].Value.Uint64()+sample[1].Value.Uint64() > uint64(limit) {
				return errMemory
			}
		}
	}
}
