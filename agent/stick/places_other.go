//go:build !windows

package stick

import "os"

// removable is empty where the mounts cannot be read.
func removable() []string {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return mounted(string(info))
}
