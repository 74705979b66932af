package stick

import "golang.org/x/sys/windows"

// removable are the drives that can be taken out.
func removable() (paths []string) {
	drives, err := windows.GetLogicalDrives()
	if err != nil {
		return nil
	}
	for letter := range 26 {
		path := string(rune('A'+letter)) + `:\`
		name, err := windows.UTF16PtrFromString(path)
		if drives&(1<<letter) != 0 && err == nil && windows.GetDriveType(name) == windows.DRIVE_REMOVABLE {
			paths = append(paths, path)
		}
	}
	return paths
}
