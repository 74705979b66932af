// Command tram-lab is the developers' tool and is never packaged: it shows,
// kills and measures a whole Trạm on one machine, with the real programs.
//
//	tram-lab demo      a hub and two offices with sample documents, until Ctrl-C
//	tram-lab kill      SIGKILL at random instants; nothing may be lost or doubled
//	tram-lab bench     figures as JSON lines
//	tram-lab link      the link over a bad line, beside its rivals, as JSON lines
//	tram-lab stampede  thousands of offices return to a hub that was away
//	tram-lab outage    170 boxes on one link fall silent: what the operator is told
//	tram-lab powercut  power cuts of the appliance in an emulator, with a disk that forgets
//	tram-lab hotfolder many files dropped at once into the folder of an office that is killed
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "tram-lab",
		Short:         "Shows, kills and measures a whole Trạm on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	var bin string
	root.PersistentFlags().StringVar(&bin, "bin", ownFolder(), "folder with the programs tram and tram-hub")
	root.AddCommand(demoCommand(&bin), killCommand(&bin), benchCommand(&bin), linkCommand(&bin), stampedeCommand(&bin), fleetCommand(&bin), hotfolderCommand(&bin), outageCommand(), powercutCommand(&bin))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tram-lab:", err)
		os.Exit(1)
	}
}

func ownFolder() string {
	path, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(path)
}
