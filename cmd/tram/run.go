package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/config"
	"tram/agent/identity"
	"tram/agent/service"
	"tram/agent/update"
	"tram/cmd/internal/cli"
	"tram/storage/keystore"
)

// memoryLimit is what the garbage collector keeps the program's own memory to, in
// bytes, where GOMEMLIMIT does not say otherwise. It is soft: what is needed is
// taken, at the cost of more collections. Content never needs much of it, since
// it passes through in pieces.
const memoryLimit = 24 << 20

func runCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "run", Short: "tram.run.short", Args: cli.Args(0, 0)}
	cli.ConfigFlag(cmd, "ui", "ui.address")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.LoadOffice(c.Data, cli.ConfigFlags(cmd))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(memoryLimit)
		}
		log := c.Logger(cfg.Log.Level, cfg.Log.Format)
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		o := agent.Options{Dir: c.Data, Config: cfg, Logger: log, Version: cli.Build().Version, Program: program}
		o.Updates = agent.NewUpdates(o, update.SlotOfProcess())
		return runOffice(cmd.Context(), o)
	}
	return cmd
}

// runOffice runs the office, in the version that is to run.
func runOffice(ctx context.Context, o agent.Options) error {
	var running atomic.Pointer[agent.Agent]
	runner := update.Runner{
		Store: o.Updates,
		Lock: func() (func() error, error) {
			unlock, err := keystore.Lock(o.Dir)
			if err != nil {
				return nil, identity.Explain(err, o.Dir)
			}
			return unlock, nil
		},
		Serve: func(ctx context.Context, ready func()) error {
			a, err := agent.New(o)
			if err != nil {
				return err
			}
			running.Store(a)
			return a.Run(ctx, ready)
		},
	}
	healthy := func(ctx context.Context) error {
		a := running.Load()
		if a == nil {
			return nil // a version of a slot, which answers for itself
		}
		_, err := a.Status(ctx)
		return err
	}
	return service.Run(ctx, "tram", service.RunOptions{Healthy: healthy, Logger: o.Logger}, runner.Run)
}

func configCommand(c *cli.Console) *cobra.Command {
	return cli.ConfigCommand(c, func(dir string) ([]config.Value, error) {
		cfg, err := config.LoadOffice(dir, nil)
		if err != nil {
			return nil, err
		}
		return cfg.Values(), nil
	}, config.ExampleOffice)
}

func serviceCommands(c *cli.Console) []*cobra.Command {
	return cli.ServiceCommands(c, serviceOptions)
}

var serviceOptions = cli.ServiceOptions{
	Title: "Trạm", Description: "Trạm: trao đổi văn bản điện tử / document exchange", Size: service.Office,
	Ready: identity.Exists, Waits: true, // an office without an identity waits for its invite
	Vouch: vouch, Installed: afterInstall,
}
