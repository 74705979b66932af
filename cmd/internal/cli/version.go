package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the release, set by the linker:
// -X tram/cmd/internal/cli.version=1.4.2
var version string

// BuildInfo says which build this is.
type BuildInfo struct {
	Version  string `json:"version"`            // release, or "dev"
	Commit   string `json:"commit,omitempty"`   // of the source tree, when the build saw one
	Modified bool   `json:"modified,omitempty"` // the tree had changes beyond the commit
	Go       string `json:"go"`
	Platform string `json:"platform"` // such as linux/amd64
}

// Build returns the build information of this program.
func Build() BuildInfo {
	b := BuildInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if b.Version == "" {
		b.Version = "dev"
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// VersionCommand is "version".
func VersionCommand(c *Console) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "cli.version.short", Args: Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := Build()
			return c.Print(b, func(w io.Writer) {
				fmt.Fprintf(w, "%s %s %s %s %s\n", c.Program, b.Version, b.Platform, b.Go, b.Commit)
			})
		},
	}
}
