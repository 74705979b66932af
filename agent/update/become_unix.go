//go:build unix

package update

import "syscall"

// childOnly says that a program cannot become another one.
const childOnly = false

// become makes this process another program's. It returns only when it fails.
func become(program string, args, env []string) error {
	return patiently(func() error { return syscall.Exec(program, args, env) })
}
