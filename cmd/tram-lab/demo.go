package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/dossier"
	"tram/agent/hub"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// arrivesIn is how long the demonstration waits for a sample document.
const arrivesIn = 30 * time.Second

func demoCommand(bin *string) *cobra.Command {
	var dir string
	var keep, once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Runs a hub and two offices with sample documents until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := demo{out: cmd.OutOrStdout(), bin: *bin, dir: dir, once: once}
			err := d.run(cmd.Context())
			if !keep && d.made {
				err = errors.Join(err, os.RemoveAll(d.dir))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "scratch folder (default: a new one, removed at the end)")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the scratch folder")
	cmd.Flags().BoolVar(&once, "once", false, "end when the samples have arrived, for tests")
	return cmd
}

type demo struct {
	out  io.Writer
	bin  string
	dir  string
	made bool
	once bool
}

func (d *demo) run(ctx context.Context) error {
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "tram-demo-")
		if err != nil {
			return err
		}
		d.dir, d.made = dir, true
	}
	begin := time.Now()
	w, err := world.Start(ctx, world.Options{
		Dir: d.dir, Bin: d.bin, Log: d.out,
		Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn", UI: d.address("127.0.0.1:8800")},
		Offices: []world.Spec{
			{Code: "H40.12", Name: "UBND xã An Bình", UI: d.address("127.0.0.1:8701")},
			{Code: "H40.15", Name: "UBND phường Tân Lập", UI: d.address("127.0.0.1:8711")},
		},
	})
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.WaitOnline(ctx); err != nil {
		return err
	}
	if err := d.samples(ctx, w); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nTrạm đang chạy (%.0f s). Nhấn Ctrl-C để dừng. / Running. Press Ctrl-C to stop.\n\n", time.Since(begin).Seconds())
	for _, o := range w.Offices {
		account, err := os.ReadFile(filepath.Join(o.Dir, agent.FirstSignIn))
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %-22s http://%s   %s", o.Spec.Name, o.Spec.UI, strings.Replace(string(account), " ", " / ", 1))
	}
	if err := d.operator(ctx, w); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n  bin/tram status --data %s\n  bin/tram-hub agents --data %s\n\n", w.Offices[0].Dir, w.HubDir())
	if d.once {
		return nil
	}
	<-ctx.Done()
	fmt.Fprintln(d.out, "\nĐang dừng… / Stopping…")
	return nil
}

// operator makes an account of the console, with a password to be replaced, and says
// where that is.
func (d *demo) operator(ctx context.Context, w *world.World) error {
	n := hub.NewAccount{Name: "truc", Display: "Trực điều hành", Role: string(account.Operator), Password: strings.ToLower(rand.Text()[:12])}
	caller := api.NewCaller(w.HubDir(), hub.SocketName)
	defer caller.Close()
	if err := caller.Call(ctx, http.MethodPost, hub.AccountsPath, n, &account.User{}); err != nil {
		return fmt.Errorf("make the operator's account: %w", err)
	}
	fmt.Fprintf(d.out, "  %-22s http://%s   %s / %s\n", w.HubName(), w.Console(), n.Name, n.Password)
	return nil
}

// address is the usual port of a page, or "" for any when that one is taken or
// nobody is going to look.
func (d *demo) address(usual string) string {
	l, err := net.Listen("tcp", usual)
	if err != nil || d.once {
		return ""
	}
	l.Close()
	return usual
}

// samples sends documents both ways, and lets the receivers act on some.
func (d *demo) samples(ctx context.Context, w *world.World) error {
	a, b := w.Offices[0], w.Offices[1]
	letters, err := sample.Set(a.Spec.Code, a.Spec.Name, b.Spec.Code, b.Spec.Name)
	if err != nil {
		return err
	}
	for i, l := range letters {
		from, to := a, b
		if l.Back {
			from, to = b, a
		}
		id, err := send(ctx, from, to.Spec.Code, l)
		if err != nil {
			return err
		}
		if err := waitArrived(ctx, to, id); err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
		switch l.Answer {
		case "accept":
			_, err = to.API.Accept(ctx, id, "vanthu")
		case "return":
			_, err = to.API.Return(ctx, id, "Gửi nhầm nơi nhận: việc thuộc thẩm quyền của xã khác.", "vanthu")
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "✓ %s → %s: %s\n", from.Spec.Code, to.Spec.Code, l.Subject)
	}
	return d.dossiers(ctx, a)
}

// dossiers hands sample one-stop dossiers in at an office.
func (d *demo) dossiers(ctx context.Context, at *world.Office) error {
	desk := dossier.Client{Client: at.API}
	if _, err := desk.TakeCatalogue(ctx, sample.Procedures); err != nil {
		return err
	}
	list := sample.Dossiers(time.Now())
	for _, x := range list {
		taken, err := desk.Receive(ctx, x.Handing)
		if err != nil {
			return fmt.Errorf("sample dossier of %s: %w", x.Applicant.Name, err)
		}
		for _, act := range x.Acts {
			act.Code = taken.Code
			if _, err := desk.Act(ctx, act); err != nil {
				return fmt.Errorf("sample dossier of %s: %s: %w", x.Applicant.Name, act.Kind, err)
			}
		}
	}
	fmt.Fprintf(d.out, "✓ %s: %d hồ sơ một cửa / one-stop dossiers\n", at.Spec.Code, len(list))
	return nil
}

// send hands a sample over; a new office's key may take a moment to be known.
func send(ctx context.Context, from *world.Office, to string, l sample.Document) (id storage.ID, err error) {
	deadline := time.Now().Add(arrivesIn)
	for {
		var names []string
		var files []io.Reader
		for _, f := range l.Files {
			names = append(names, f.Name)
			files = append(files, bytes.NewReader(f.Data))
		}
		doc, err := from.API.Send(ctx, api.DraftRequest{
			To: []string{to}, Subject: l.Subject, Urgency: l.Urgency, Type: l.Type, Files: names, By: "vanthu",
		}, files)
		if err == nil {
			return doc.ID, nil
		}
		if p := problem.From(err); p.Class != problem.Usage || time.Now().After(deadline) {
			return id, err
		}
		select {
		case <-ctx.Done():
			return id, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func waitArrived(ctx context.Context, at *world.Office, id storage.ID) error {
	deadline := time.Now().Add(arrivesIn)
	for {
		_, err := at.API.Get(ctx, id)
		if err == nil {
			return nil
		}
		if problem.From(err).Class != problem.NotFound || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
