package metrics

import (
	"os"
	"runtime"
	gometrics "runtime/metrics"
	"time"
)

// Metrics of every program. Those of the process and of Go have the names that
// Prometheus' own libraries give them.
var (
	build    = &Desc{"tram_build_info", Info, "", []string{"program", "version"}, "The program and its version."}
	failures = &Desc{"tram_metrics_failures_total", Counter, "", []string{"collector"}, "How often a part of the program gave no figures."}
	took     = &Desc{"tram_metrics_gather_seconds", Gauge, "seconds", nil, "How long gathering these figures took."}
	dropped  = &Desc{"tram_metrics_dropped_series", Gauge, "series", nil, "What was left out because a metric has too many series."}

	goInfo     = &Desc{"go_info", Info, "", []string{"version"}, "The version of Go."}
	goroutines = &Desc{"go_goroutines", Gauge, "", nil, "Goroutines that exist."}
	goHeap     = &Desc{"go_memstats_heap_alloc_bytes", Gauge, "bytes", nil, "Bytes of objects on the heap."}
	goSys      = &Desc{"go_memstats_sys_bytes", Gauge, "bytes", nil, "Bytes that Go has from the operating system."}
	goCycles   = &Desc{"go_gc_cycles_total", Counter, "", nil, "Garbage collections."}

	started = &Desc{"process_start_time_seconds", Gauge, "seconds", nil, "When the process began, in seconds since 1970."}
	cpu     = &Desc{"process_cpu_seconds_total", Counter, "seconds", nil, "Processor time used. Linux only."}
	rss     = &Desc{"process_resident_memory_bytes", Gauge, "bytes", nil, "Memory in use, with files that are mapped. Linux only."}
	files   = &Desc{"process_open_fds", Gauge, "", nil, "Open files and connections. Linux only."}
	maxOpen = &Desc{"process_max_fds", Gauge, "", nil, "How many there may be. Linux only."}

	// Own are the metrics of every program.
	Own = []*Desc{build, failures, took, dropped, goInfo, goroutines, goHeap, goSys, goCycles, started, cpu, rss, files, maxOpen}
)

// begun is when this process began, nearly.
var begun = time.Now()

// runtime adds what Go and the operating system know of the process.
func (s *Server) runtime(set *Set) {
	set.Add(goInfo, 1, runtime.Version())
	set.Add(goroutines, float64(runtime.NumGoroutine()))
	samples := []gometrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	gometrics.Read(samples)
	for i, d := range []*Desc{goHeap, goSys, goCycles} {
		if samples[i].Value.Kind() == gometrics.KindUint64 {
			set.Add(d, float64(samples[i].Value.Uint64()))
		}
	}
	set.Add(started, float64(begun.UnixMilli())/1000)
	p, ok := readProcess(os.DirFS("/proc/self"))
	if !ok {
		return
	}
	set.Add(cpu, p.cpu)
	set.Add(rss, p.rss)
	set.Add(files, p.files)
	if p.maxFiles > 0 {
		set.Add(maxOpen, p.maxFiles)
	}
}
