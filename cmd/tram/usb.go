package main

import (
	"context"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/stick"
	"tram/cmd/internal/cli"
	"tram/sync/usb"
)

func usbCommand(c *cli.Console) *cobra.Command {
	return cli.USBCommand(c, func(_ context.Context, do func(usb.Station) error) error {
		caller := api.NewCaller(c.Data, api.SocketName)
		defer caller.Close()
		return do(stick.Client{Caller: caller})
	}, false)
}
