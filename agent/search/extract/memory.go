package extract

import (
	"os"
	"runtime/metrics"
	"time"
)

// exitMemory ends a process that needs too much memory.
const exitMemory = 3

// memoryLook is how often the memory is looked at.
const memoryLook = 10 * time.Millisecond

// watchMemory ends the process when it holds more than limit bytes. It works
// everywhere; where the operating system can hold the limit itself, confine has
// it do so, which misses nothing between two looks.
func watchMemory(limit int64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64()+sample[1].Value.Uint64() > uint64(limit) {
			os.Exit(exitMemory)
		}
		time.Sleep(memoryLook)
	}
}
