package main

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tram/agent/enroll"
	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/update"
	"tram/cmd/internal/cli"
)

// invitesFolder is where a stick has its invites.
const invitesFolder = "invites"

// authorities are the keys that may vouch for a folder: of this office's hub, or
// before the box has joined one, of the hubs whose invites lie in the folder. The
// officer compares such a hub's fingerprint when the box joins.
func authorities(data, dir string) ([]crypto.PublicKey, error) {
	if identity.Exists(data) {
		id, err := identity.Load(data)
		if err != nil {
			return nil, err
		}
		return []crypto.PublicKey{id.Trust.Authority.PublicKey}, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, invitesFolder, "*"+invite.Extension))
	var keys []crypto.PublicKey
	for _, file := range files {
		if inv, err := enroll.ReadInvite(file); err == nil {
			keys = append(keys, inv.Authority.PublicKey)
		}
	}
	return keys, err
}

// vouch tells whether the province has signed this program, in the folder that it
// came in; "" is the folder where it lies. Signed by somebody else, or changed, it is
// not to be installed.
func vouch(c *cli.Console, dir string) (bool, error) {
	program, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find this program: %w", err)
	}
	if dir == "" {
		dir = filepath.Dir(program)
	}
	keys, err := authorities(c.Data, dir)
	if err != nil {
		return false, err
	}
	if len(keys) == 0 {
		c.Step(cli.Warning, "tram.install.nobody-vouches")
		return false, nil
	}
	folder, err := update.OpenFolder(dir, keys)
	if errors.Is(err, update.ErrUnsigned) {
		c.Step(cli.Warning, "tram.install.unsigned")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	has, err := folder.Holds(program)
	if err == nil && !has {
		err = problem.New(problem.BadSeal, "update.folder-changed", "DIR", i18n.Args{"dir": dir, "file": filepath.Base(program)})
	}
	return has, err
}

// verified is the stable JSON of `tram update verify`.
type verified struct {
	Version string `json:"version"`
	Serial  uint64 `json:"serial"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
}

// updateVerifyCommand checks a folder of packages, such as a stick, to the last file.
func updateVerifyCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "verify DIR", Short: "tram.program.verify.short", Long: "tram.program.verify.long", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keys, err := authorities(c.Data, args[0])
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return problem.New(problem.NotEnrolled, "update.not-enrolled", "", nil)
		}
		folder, err := update.OpenFolder(args[0], keys)
		if errors.Is(err, update.ErrUnsigned) {
			return problem.New(problem.BadSeal, "update.folder-unsigned", "DIR", i18n.Args{"dir": args[0]})
		}
		if err != nil {
			return err
		}
		read, err := folder.Check(cmd.Context())
		if err != nil {
			return err
		}
		return c.Print(verified{folder.Version, folder.Serial, len(folder.Sums), read}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.program.verified", i18n.Args{"version": folder.Version, "count": len(folder.Sums), "size": cli.Bytes(read)}))
		})
	}
	return cmd
}
