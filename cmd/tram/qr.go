package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/httpd"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/cmd/internal/cli"
)

// pages is the stable JSON of `tram qr`.
type pages struct {
	Address string `json:"address"`
	Local   bool   `json:"local"` // only this machine can open it
}

// qrCommand shows the address of the pages, to be read with a telephone.
func qrCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "qr", Short: "tram.qr.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := settled(c.Data)
			if err != nil {
				return err
			}
			client := api.NewClient(c.Data)
			defer client.Close()
			if s, err := client.Status(cmd.Context()); err == nil && s.UI != "" {
				p.Address = s.UI // as it really is
			}
			if p.Local {
				c.Say("tram.qr.local")
			}
			var failed error
			err = c.Print(p, func(io.Writer) { failed = c.QR(p.Address) })
			return errors.Join(err, failed)
		},
	}
}

// settled is where the pages are by the settings.
func settled(data string) (pages, error) {
	cfg, err := config.LoadOffice(data, nil)
	if err != nil {
		return pages{}, err
	}
	host, port, err := net.SplitHostPort(cfg.UI.Address)
	if err != nil {
		return pages{}, fmt.Errorf("read address %q: %w", cfg.UI.Address, err)
	}
	if !httpd.NeedsTLS(cfg.UI.Address) {
		return pages{Address: "http://" + cfg.UI.Address, Local: true}, nil
	}
	if names := lan.Names(cfg.UI.Address, nil); len(names) > 0 {
		host = names[0]
	}
	return pages{Address: "https://" + net.JoinHostPort(host, port)}, nil
}

// afterInstall says where the pages are, and what is to be typed next.
func afterInstall(c *cli.Console, folder string) {
	if p, err := settled(c.Data); err == nil {
		c.Say("tram.install.pages", i18n.Args{"address": p.Address})
	}
	if identity.Exists(c.Data) {
		return
	}
	invites := filepath.Join(folder, invitesFolder)
	if _, err := os.Stat(invites); folder == "" || err != nil {
		c.Say("cli.install.next.tram", i18n.Args{"command": enrolCommand()})
		return
	}
	c.Say("tram.install.next", i18n.Args{"command": enrolCommand(), "path": invites})
}

// enrolCommand is how enrolling is called on this kind of machine: Windows has no sudo,
// and finds no program in a folder of its own by its name.
func enrolCommand() string {
	if folder := os.Getenv("ProgramFiles"); runtime.GOOS == "windows" && folder != "" {
		return `"` + filepath.Join(folder, "tram", "tram.exe") + `" enroll`
	}
	return "sudo tram enroll"
}
