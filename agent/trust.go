package agent

import (
	"path/filepath"

	"tram/agent/config"
	"tram/agent/trust"
)

// trust is whom signatures in attachments are trusted under.
func (d *desk) trust() *trust.Store {
	o := TrustOptions(d.o.Dir, d.o.Config)
	o.Logger, o.Now = d.log.With("part", "trust"), d.clock.Now
	if d.o.Config.Trust.OCSP {
		o.OCSP = trust.NewAsker(func() bool { return d.line != nil && !d.line.State().Metered })
	}
	return trust.New(o)
}

// TrustOptions are the folders of anchors and lists that the settings name.
func TrustOptions(dir string, c *config.Office) trust.Options {
	o := trust.Options{Anchors: c.Trust.Anchors, Lists: c.Trust.Lists}
	if o.Anchors == "" {
		o.Anchors = filepath.Join(dir, filepath.FromSlash(trust.AnchorsDir))
	}
	if o.Lists == "" {
		o.Lists = filepath.Join(dir, filepath.FromSlash(trust.ListsDir))
	}
	return o
}
