package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
	"tram/sync/broker"
)

// brokerCommand writes what a broker of another maker needs.
func brokerCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "broker", Short: "hub.broker.short"}
	var kind, out, user string
	write := &cobra.Command{Use: "config", Short: "hub.broker.config.short", Args: cli.Args(0, 0)}
	write.Flags().StringVar(&kind, "for", string(broker.Mosquitto), "hub.broker.for")
	write.Flags().StringVar(&out, "out", "", "hub.broker.out")
	write.Flags().StringVar(&user, "user", "", "hub.broker.user")
	if err := write.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
	write.RunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(broker.Kinds(), broker.Kind(kind)) {
			return problem.New(problem.Usage, "hub.bad-broker", "for", i18n.Args{"value": kind, "kinds": fmt.Sprint(broker.Kinds())})
		}
		written, err := writeBroker(cmd.Context(), c, broker.Kind(kind), out, user)
		if err != nil {
			return err
		}
		return c.Print(map[string]string{"for": kind, "folder": out, "start": written.Start, "reload": written.Reload}, func(w io.Writer) {
			fmt.Fprintln(w, out)
			c.Say("hub.broker.done", i18n.Args{"start": written.Start, "reload": written.Reload})
			c.Say("hub.broker.note." + kind)
		})
	}
	group.AddCommand(write)
	return group
}

// writeBroker reads the hub's folder beside a running hub.
func writeBroker(ctx context.Context, c *cli.Console, kind broker.Kind, out, user string) (written broker.Configured, err error) {
	cfg, err := config.LoadHub(c.Data, nil)
	if err != nil {
		return written, err
	}
	db, err := readStore(ctx, c)
	if err != nil {
		return written, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return hub.WriteBroker(ctx, c.Data, db, cfg, kind, out, user)
}

// caCommand keeps what makes the hub the hub.
func caCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "ca", Short: "hub.ca.short"}
	group.AddCommand(backupCommand(c), restoreCommand(c), rotateCommand(c))
	return group
}

func passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", "hub.ca.passphrase-file")
}

func backupCommand(c *cli.Console) *cobra.Command {
	var out, secret string
	cmd := &cobra.Command{Use: "backup", Short: "hub.ca.backup.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&out, "out", "", "hub.ca.out")
	passphraseFlag(cmd, &secret)
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		passphrase, err := c.Passphrase(cli.Secret{File: secret, Flag: "passphrase-file", Prompt: c.T("hub.ca.ask"), Twice: true})
		if err != nil {
			return err
		}
		f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			return problem.New(problem.Conflict, "tram.file-exists", "out", i18n.Args{"file": out})
		}
		if err != nil {
			return fmt.Errorf("make backup file: %w", err)
		}
		err = backUp(cmd, c, f, string(passphrase))
		if err := errors.Join(err, fsx.PointFileSync.Sync(f, out), f.Close()); err != nil {
			return errors.Join(err, os.Remove(out))
		}
		return c.Print(map[string]string{"file": out}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.ca.backup.done", i18n.Args{"file": out}))
		})
	}
	return cmd
}

// backUp reads the hub's folder beside a running hub.
func backUp(cmd *cobra.Command, c *cli.Console, w io.Writer, passphrase string) (err error) {
	db, err := readStore(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return hub.Backup(cmd.Context(), c.Data, db, w, passphrase)
}

func restoreCommand(c *cli.Console) *cobra.Command {
	var secret string
	cmd := &cobra.Command{Use: "restore FILE", Short: "hub.ca.restore.short", Long: "hub.ca.restore.long", Args: cli.Args(1, 1)}
	passphraseFlag(cmd, &secret)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return problem.New(problem.Usage, "tram.unreadable-file", "FILE", i18n.Args{"file": args[0]}).Because(err)
		}
		defer f.Close()
		passphrase, err := c.Passphrase(cli.Secret{File: secret, Flag: "passphrase-file", Prompt: c.T("hub.ca.ask")})
		if err != nil {
			return err
		}
		if err := ca.Restore(c.Data, f, string(passphrase)); err != nil {
			return err
		}
		if err := errors.Join(makeStore(cmd.Context(), c), service.Adopt(c.Data)); err != nil {
			return err
		}
		return c.Print(map[string]string{"data": c.Data}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.ca.restore.done", i18n.Args{"dir": c.Data}))
		})
	}
	return cmd
}
