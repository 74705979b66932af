package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/enroll"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

// certCommand shows and renews the office's certificates.
func certCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "cert", Short: "tram.cert.short"}
	show := &cobra.Command{Use: "show", Short: "tram.cert.show.short", Args: cli.Args(0, 0)}
	show.RunE = func(*cobra.Command, []string) error {
		id, err := identity.Load(c.Data)
		if err != nil {
			return err
		}
		now, err := clock.Open(c.Data)
		if err != nil {
			return err
		}
		return printCertificates(c, api.CertificatesOf(id, now.Now()))
	}
	renew := &cobra.Command{Use: "renew", Short: "tram.cert.renew.short", Args: cli.Args(0, 0)}
	renew.RunE = func(cmd *cobra.Command, _ []string) error {
		certs, err := renewNow(cmd, c)
		if err != nil {
			return err
		}
		c.Say("tram.cert.renewed")
		return printCertificates(c, certs)
	}
	group.AddCommand(show, renew)
	return group
}

// renewNow asks the running service, or does its work here when none is
// running.
func renewNow(cmd *cobra.Command, c *cli.Console) (api.Certificates, error) {
	client := api.NewClient(c.Data)
	defer client.Close()
	certs, err := client.Renew(cmd.Context())
	if !errors.Is(err, problem.New(problem.NotRunning, "service.not-running", "", nil)) {
		return certs, err
	}
	now, err := clock.Open(c.Data)
	if err != nil {
		return certs, err
	}
	r, err := enroll.Renew(cmd.Context(), enroll.Options{Dir: c.Data, Now: now.Now, Logger: c.Logger("warn", "text")})
	if err := errors.Join(err, service.Adopt(c.Data)); err != nil {
		return certs, err
	}
	return api.CertificatesOf(r.Identity, now.Now()), nil
}

func printCertificates(c *cli.Console, certs api.Certificates) error {
	return c.Print(certs, func(w io.Writer) {
		fmt.Fprintln(w, c.T("tram.cert.office", i18n.Args{"code": certs.Code, "name": certs.Name, "hub": certs.Hub}))
		row := func(unit string, cert api.Certificate) []string {
			return []string{c.T(unit), cert.Until.Local().Format(dayForm), fmt.Sprint(cert.Days), cert.Renews.Local().Format(dayForm), cert.Serial}
		}
		c.Table(w, []string{"tram.cert.col.unit", "tram.cert.col.until", "tram.cert.col.days", "tram.cert.col.renews", "tram.cert.col.serial"},
			[][]string{row("tram.cert.device", certs.Device), row("tram.cert.seal", certs.Seal)})
	})
}

// dayForm is how days are shown.
const dayForm = "02/01/2006"
