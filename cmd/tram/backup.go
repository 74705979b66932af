package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/backup"
	"tram/agent/clock"
	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/service"
	"tram/cmd/internal/cli"
	"tram/storage/keystore"
)

func saving(c *cli.Console) agent.Saving {
	return agent.Saving{Dir: c.Data, Version: cli.Build().Version, Logger: c.Logger("warn", "text")}
}

// dayAndTime is a time as people here write it.
func dayAndTime(t time.Time) string { return t.In(clock.Vietnam).Format("15:04 02/01/2006") }

func reportArgs(r backup.Report) i18n.Args {
	return i18n.Args{
		"backup": r.Backup, "code": r.Code, "name": r.Name, "at": dayAndTime(r.At), "place": r.Place, "database": cli.Bytes(r.Database),
		"files": r.Files, "bytes": cli.Bytes(r.Bytes),
	}
}

// backupCommand saves the office; without a place where the settings say.
func backupCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "backup [PLACE]", Short: "tram.backup.short", Long: "tram.backup.long", Args: cli.Args(0, 1)}
	sticks := cmd.Flags().Bool("sticks", false, "tram.backup.sticks")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		places, err := placesOf(cmd.Context(), c, args, *sticks)
		if err != nil {
			return err
		}
		all := []backup.Made{}
		var failed error
		for _, place := range places {
			made, err := saving(c).BackUp(cmd.Context(), place)
			if failed = errors.Join(failed, err, service.Adopt(c.Data)); err == nil {
				all = append(all, made)
			}
		}
		if failed != nil && len(all) == 0 {
			return failed
		}
		return errors.Join(failed, sayMade(c, all))
	}
	cmd.AddCommand(backupListCommand(c), backupVerifyCommand(c), backupCodeCommand(c))
	return cmd
}

func sayMade(c *cli.Console, all []backup.Made) error {
	key, err := backup.LoadKey(c.Data)
	if err != nil && len(all) > 0 {
		return err
	}
	return c.Print(all, func(w io.Writer) {
		for _, made := range all {
			say := reportArgs(made.Report)
			say["copied"], say["sent"], say["removed"] = made.Copied, cli.Bytes(made.Sent), made.Removed
			fmt.Fprintln(w, c.T("tram.backup.done", say))
			if made.NewKey {
				fmt.Fprintln(w, c.T("tram.backup.code", i18n.Args{"code": key.Code(), "office": made.Code, "name": made.Name}))
			}
		}
	})
}

// placesOf are where to save to: what is named, all sticks that hold backups of this
// office, or the place of the settings.
func placesOf(ctx context.Context, c *cli.Console, args []string, sticks bool) ([]string, error) {
	if !sticks {
		place, err := placeOf(c, args)
		return []string{place}, err
	}
	id, err := identity.Load(c.Data)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadOffice(c.Data, nil)
	if err != nil {
		return nil, err
	}
	return append(args, agent.MarkedSticks(ctx, c.Data, id.Code, cfg.USB.Folder, func(string) bool { return true })...), nil
}

// placeOf is the place that is named, or that of the settings.
func placeOf(c *cli.Console, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	cfg, err := config.LoadOffice(c.Data, nil)
	if err != nil {
		return "", err
	}
	if cfg.Backup.Place == "" {
		return "", problem.New(problem.Usage, "backup.no-place", "", nil)
	}
	return cfg.Backup.Place, nil
}

// access comes to backups by the key of this box, or by a recovery code from a file or
// from who is asked.
func access(c *cli.Console, place, file string) (backup.Access, error) {
	code := ""
	if _, err := backup.LoadKey(c.Data); file != "" || errors.Is(err, keystore.ErrNotFound) {
		typed, err := c.Passphrase(cli.Secret{File: file, Flag: "code-file", Prompt: c.T("tram.backup.ask")})
		if err != nil {
			return backup.Access{}, err
		}
		code = string(typed)
	}
	return saving(c).Access(place, code)
}

// looksInto makes a command that reads backups.
func looksInto(c *cli.Console, cmd *cobra.Command, do func(ctx context.Context, a backup.Access) error) *cobra.Command {
	file := cmd.Flags().String("code-file", "", "tram.backup.code-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		place, err := placeOf(c, args)
		if err != nil {
			return err
		}
		a, err := access(c, place, *file)
		if err != nil {
			return err
		}
		return do(cmd.Context(), a)
	}
	return cmd
}

func backupListCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "list [PLACE]", Short: "tram.backup.list.short", Args: cli.Args(0, 1)}
	return looksInto(c, cmd, func(ctx context.Context, a backup.Access) error { return listBackups(ctx, c, a) })
}

func listBackups(ctx context.Context, c *cli.Console, a backup.Access) error {
	list, err := backup.List(ctx, a)
	if err != nil {
		return err
	}
	return c.Print(list, func(io.Writer) {
		var rows [][]string
		for _, r := range list {
			rows = append(rows, []string{r.Backup, dayAndTime(r.At), r.Code, cli.Bytes(r.Database), fmt.Sprint(r.Files), cli.Bytes(r.Bytes)})
		}
		c.Table(c.Out, []string{"tram.backup.name", "tram.backup.at", "tram.backup.office", "tram.backup.database", "tram.backup.files", "tram.backup.size"}, rows)
	})
}

func backupVerifyCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "verify [PLACE]", Short: "tram.backup.verify.short", Args: cli.Args(0, 1)}
	at := cmd.Flags().String("at", "", "tram.backup.which")
	return looksInto(c, cmd, func(ctx context.Context, a backup.Access) error { return verifyBackup(ctx, c, a, *at) })
}

func verifyBackup(ctx context.Context, c *cli.Console, a backup.Access, at string) (err error) {
	work, err := os.MkdirTemp("", "tram-verify-")
	if err != nil {
		return fmt.Errorf("verify backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	found, err := backup.Verify(ctx, a, at, work, agent.BackupForm())
	if err != nil {
		return err
	}
	return c.Print(found, func(w io.Writer) { fmt.Fprintln(w, c.T("tram.backup.verified", reportArgs(found))) })
}

// recovery is the stable JSON of "backup code".
type recovery struct {
	Code string `json:"code"`
}

func backupCodeCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "code", Short: "tram.backup.code.short", Long: "tram.backup.code.long", Args: cli.Args(0, 0)}
	cmd.RunE = func(*cobra.Command, []string) error {
		key, err := backup.LoadKey(c.Data)
		if errors.Is(err, keystore.ErrNotFound) {
			return problem.New(problem.NotFound, "backup.no-key", "data", i18n.Args{"dir": c.Data}).Because(err)
		}
		if err != nil {
			return err
		}
		return c.Print(recovery{key.Code()}, func(w io.Writer) { fmt.Fprintln(w, key.Code()) })
	}
	return cmd
}

func restoreCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "restore PLACE", Short: "tram.restore.short", Long: "tram.restore.long", Args: cli.Args(1, 1)}
	at := cmd.Flags().String("at", "", "tram.backup.which")
	skip := cmd.Flags().Int("skip-numbers", -1, "tram.restore.skip")
	return looksInto(c, cmd, func(ctx context.Context, a backup.Access) error { return restore(ctx, c, a, *at, *skip) })
}

func restore(ctx context.Context, c *cli.Console, a backup.Access, at string, skip int) error {
	r, err := saving(c).Restore(ctx, a, at, skip)
	if err := errors.Join(err, service.Adopt(c.Data)); err != nil {
		return err
	}
	return c.Print(r, func(w io.Writer) {
		say := reportArgs(r.Report)
		say["dir"] = c.Data
		fmt.Fprintln(w, c.T("tram.restore.done", say))
		for _, s := range r.Skipped {
			fmt.Fprintln(w, "  "+c.T("tram.restore.skipped", i18n.Args{
				"book": c.T("tram.restore.book." + s.Direction()), "group": s.Group(), "year": s.Year, "numbers": register.Range{First: s.First, Last: s.Last}.String(),
			}))
		}
		fmt.Fprintln(w, c.T("tram.restore.next", say))
	})
}
