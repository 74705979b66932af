package ca

import (
	"path/filepath"

	"tram/agent/identity"
)

// upstreamName is the folder, in the key folder and in a backup, of what a hub
// above has given to this one.
const upstreamName = "upstream"

// UpstreamFolder is where the hub of data folder dir keeps its identity at the
// hub above, as a data folder of package enroll.
func UpstreamFolder(dir string) string {
	return filepath.Join(dir, identity.Folder, upstreamName)
}
