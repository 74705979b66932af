package main

import (
	"context"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/stick"
	"tram/cmd/internal/cli"
	"tram/sync/usb"
)

// usbCommand works with the running hub, or on the data folder when none runs.
func usbCommand(c *cli.Console) *cobra.Command {
	return cli.USBCommand(c, func(ctx context.Context, do func(usb.Station) error) error {
		caller := api.NewCaller(c.Data, hub.SocketName)
		defer caller.Close()
		err := do(stick.Client{Caller: caller})
		if err == nil || !stopped(err) {
			return err
		}
		return withHub(ctx, c, func(h *hub.Hub) error { return do(h.USB()) })
	}, true)
}
