// Command tram-hub is the province's or district's program: broker, relay with
// custody, registry of offices and enrolment.
//
// This folder is wiring only: one file for each group of commands. What a
// command does is in package hub and below.
package main

import (
	"os"

	"tram/cmd/internal/cli"
)

func main() { os.Exit(program(cli.OS()).Main()) }

// program builds the command line.
func program(s cli.Streams) *cli.App {
	app := cli.New("tram-hub", s)
	c := app.Console
	app.Add(
		initCommand(c), runCommand(c), inviteCommand(c), waitingCommand(c), certCommand(c), agentsCommand(c), commandCommand(c), incidentsCommand(c), urgentCommand(c), alertsCommand(c), officesCommand(c), proceduresCommand(c), calendarCommand(c), dossiersCommand(c), softwareCommand(c), reportCommand(c), releaseCommand(c), statusCommand(c), brokerCommand(c), usbCommand(c),
		upstreamCommand(c), userCommand(c), ssoCommand(c), sealCommand(c), caCommand(c), wholeBackupCommand(c), verifyCommand(c), wholeRestoreCommand(c), auditCommand(c), configCommand(c), cli.VersionCommand(c),
	)
	app.Add(serviceCommands(c)...)
	return app
}
