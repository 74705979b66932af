package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

func initCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "init", Short: "hub.init.short", Args: cli.Args(0, 0)}
	cli.ConfigFlag(cmd, "code", "code")
	cli.ConfigFlag(cmd, "name", "name")
	cli.ConfigFlag(cmd, "mqtt", "mqtt.address")
	cli.ConfigFlag(cmd, "enroll", "enroll.address")
	cli.ConfigFlag(cmd, "console", "console.address")
	for _, name := range []string{"code", "name"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		cfg, err := config.LoadHub(c.Data, cli.ConfigFlags(cmd))
		if err != nil {
			return err
		}
		authority, err := ca.Init(c.Data, ca.Options{
			Code: cfg.Code, Name: cfg.Name, Hosts: hosts(cfg.MQTTEndpoints(), cfg.EnrollEndpoints()),
			Enroll: cfg.EnrollEndpoints(), MQTT: cfg.MQTTEndpoints(),
		})
		if err != nil {
			return err
		}
		cfg.Code, cfg.Name = authority.Code, authority.Name // those of a hub that was there stay
		if err := errors.Join(cfg.Save(c.Data), makeStore(cmd.Context(), c), service.Adopt(c.Data)); err != nil {
			return err
		}
		fingerprint := enroll.Fingerprint(authority.Root.Cert)
		return c.Print(map[string]string{"code": cfg.Code, "name": cfg.Name, "ca_fingerprint": fingerprint}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.init.done", i18n.Args{"code": cfg.Code, "name": cfg.Name, "fingerprint": fingerprint}))
		})
	}
	return cmd
}

// makeStore makes the store of a new hub, so that backup and audit find one
// before the first run. A hub that runs has it.
func makeStore(ctx context.Context, c *cli.Console) error {
	err := withHub(ctx, c, func(*hub.Hub) error { return nil })
	if errors.Is(err, problem.New(problem.Busy, "data.locked", "", nil)) {
		return nil
	}
	return err
}

// readStore opens the store of the hub, running or not, to read.
func readStore(ctx context.Context, c *cli.Console) (*sqlite.DB, error) {
	if !ca.Exists(c.Data) {
		return nil, problem.New(problem.NotEnrolled, "hub.none", "data", i18n.Args{"dir": c.Data})
	}
	return hub.OpenDB(ctx, c.Data, true, nil)
}

// hosts are the host parts of endpoints, for the server certificate.
func hosts(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		for _, endpoint := range list {
			if host, _, err := net.SplitHostPort(endpoint); err == nil {
				all = append(all, host)
			}
		}
	}
	return all
}

func runCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "run", Short: "hub.run.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.LoadHub(c.Data, nil)
		if err != nil {
			return err
		}
		log := c.Logger(cfg.Log.Level, cfg.Log.Format)
		h, err := hub.Open(cmd.Context(), hub.Options{Dir: c.Data, Config: cfg, Logger: log, Version: cli.Build().Version})
		if err != nil {
			return err
		}
		err = service.Run(cmd.Context(), "tram-hub", service.RunOptions{Healthy: h.Healthy, Logger: log}, h.Run)
		return errors.Join(err, h.Close())
	}
	return cmd
}

func configCommand(c *cli.Console) *cobra.Command {
	return cli.ConfigCommand(c, func(dir string) ([]config.Value, error) {
		cfg, err := config.LoadHub(dir, nil)
		if err != nil {
			return nil, err
		}
		return cfg.Values(), nil
	}, config.ExampleHub)
}

func serviceCommands(c *cli.Console) []*cobra.Command {
	return cli.ServiceCommands(c, cli.ServiceOptions{
		Title: "Trạm Hub", Description: "Trạm: trung tâm chuyển tiếp văn bản / document relay", Size: service.Hub, Ready: ca.Exists, Needs: ca.Settings,
		Installed: func(c *cli.Console, _ string) {
			if !ca.Exists(c.Data) {
				c.Say("cli.install.next.tram-hub")
			}
		},
	})
}

func auditCommand(c *cli.Console) *cobra.Command {
	return cli.AuditCommand(c, func(cmd *cobra.Command) (*sqlite.DB, error) {
		return readStore(cmd.Context(), c)
	}, func(_ context.Context, db *sqlite.DB) (func(audit.Countersignature) error, error) {
		return hub.Countersigned(c.Data, db)
	})
}

// stopped reports that a call failed because no hub is running.
func stopped(err error) bool {
	return errors.Is(err, problem.New(problem.NotRunning, "service.not-running", "", nil))
}
