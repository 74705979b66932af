// Command tram is the office's program: it runs as a service, keeps every
// signed document in a queue on its own disk, moves it to the hub whenever
// there is a link, and serves the clerk's pages.
//
// This folder is wiring only: one file for each group of commands. What a
// command does is in package agent and below.
package main

import (
	"os"

	"tram/cmd/internal/cli"
)

func main() { os.Exit(program(cli.OS()).Main()) }

// program builds the command line.
func program(s cli.Streams) *cli.App {
	app := cli.New("tram", s)
	c := app.Console
	app.Add(
		enrollCommand(c), runCommand(c), statusCommand(c),
		sendCommand(c), enterCommand(c), numbersCommand(c), importCommand(c), documentsCommand(c), showCommand(c), getCommand(c), searchCommand(c), workCommand(c), dossierCommand(c),
		acceptCommand(c), returnCommand(c), withdrawCommand(c), recallCommand(c), grantCommand(c), refuseCommand(c), queueCommand(c), exportCommand(c), verifyCommand(c), checkCommand(c), caCommand(c),
		certCommand(c), usbCommand(c), bundleCommand(c), doctorCommand(c), linkCommand(c), waitCommand(c), logsCommand(c), commandsCommand(c), updateCommand(c),
		backupCommand(c), restoreCommand(c), auditCommand(c), userCommand(c), appCommand(c), sealCommand(c), lanCommand(c), qrCommand(c), connectorCommand(c), bookCommand(c), configCommand(c), cli.VersionCommand(c),
	)
	app.Add(extractCommand())
	app.Add(serviceCommands(c)...)
	return app
}
