package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/hub"
	"tram/agent/hub/backup"
	"tram/agent/i18n"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

func wholeArgs(m backup.Made) i18n.Args {
	return i18n.Args{
		"code": m.Code, "snapshot": m.Snapshot, "at": moment(m.At), "database": cli.Bytes(m.Database), "files": m.Files, "bytes": cli.Bytes(m.Bytes), "copied": m.Copied,
	}
}

// wholeBackupCommand saves the whole hub; "ca backup" saves what makes it the hub.
func wholeBackupCommand(c *cli.Console) *cobra.Command {
	var secret string
	var keep int
	cmd := &cobra.Command{Use: "backup DIR", Short: "hub.backup.short", Long: "hub.backup.long", Args: cli.Args(1, 1)}
	cmd.Flags().IntVar(&keep, "keep", backup.DefaultKeep, "hub.backup.keep")
	passphraseFlag(cmd, &secret)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		passphrase, err := c.Passphrase(cli.Secret{File: secret, Flag: "passphrase-file", Prompt: c.T("hub.ca.ask"), Twice: true})
		if err != nil {
			return err
		}
		made, err := wholeBackup(cmd.Context(), c, args[0], string(passphrase), keep)
		if err != nil {
			return err
		}
		return c.Print(made, func(w io.Writer) { fmt.Fprintln(w, c.T("hub.backup.done", wholeArgs(made))) })
	}
	return cmd
}

// wholeBackup reads the hub's folder beside a running hub.
func wholeBackup(ctx context.Context, c *cli.Console, into, passphrase string, keep int) (made backup.Made, err error) {
	db, err := readStore(ctx, c)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return hub.BackupWhole(ctx, c.Data, db, into, passphrase, keep)
}

func verifyCommand(c *cli.Console) *cobra.Command {
	var secret, at string
	cmd := &cobra.Command{Use: "verify DIR", Short: "hub.verify.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&at, "at", "", "hub.backup.at")
	passphraseFlag(cmd, &secret)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		passphrase, err := c.Passphrase(cli.Secret{File: secret, Flag: "passphrase-file", Prompt: c.T("hub.ca.ask")})
		if err != nil {
			return err
		}
		found, err := hub.VerifyWhole(cmd.Context(), args[0], at, string(passphrase))
		if err != nil {
			return err
		}
		return c.Print(found, func(w io.Writer) { fmt.Fprintln(w, c.T("hub.verify.done", wholeArgs(found))) })
	}
	return cmd
}

func wholeRestoreCommand(c *cli.Console) *cobra.Command {
	var secret, at string
	cmd := &cobra.Command{Use: "restore DIR", Short: "hub.restore.short", Long: "hub.restore.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&at, "at", "", "hub.backup.at")
	passphraseFlag(cmd, &secret)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		passphrase, err := c.Passphrase(cli.Secret{File: secret, Flag: "passphrase-file", Prompt: c.T("hub.ca.ask")})
		if err != nil {
			return err
		}
		r, err := hub.RestoreWhole(cmd.Context(), c.Data, args[0], at, string(passphrase))
		if err != nil {
			return err
		}
		if err := errors.Join(makeStore(cmd.Context(), c), service.Adopt(c.Data)); err != nil {
			return err
		}
		return c.Print(r, func(w io.Writer) {
			say := wholeArgs(r.Made)
			say["dir"], say["invites"] = c.Data, r.Invites
			fmt.Fprintln(w, c.T("hub.restore.done", say))
			fmt.Fprintln(w, c.T("hub.restore.next", say))
		})
	}
	return cmd
}
