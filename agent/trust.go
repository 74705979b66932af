package agent

import (
	"path/filepath"

	"tram/agent/config"
	"tram/agent/trust"
)

// openTrust is whom signatures in attachments are trusted under.
func (d *desk) openTrust() *trust.Store {
	o := TrustOptions(d.o.Dir, d.o.Config)
	o.Logger, o.Now = d.log.With("part", "trust"), d.clock.Now
	o.ClockBehind = func() bool { trusted, _ := d.clock.Trusted(); return !trusted }
	if d.o.Config.Trust.OCSP {
		o.Online = func() bool { return d.line != nil && d.line.Free() }
	}
	return trust.New(o)
}

// TrustOptions are the folders that the settings name, with the disk's reserve.
func TrustOptions(dir string, c *config.Office) trust.Options {
	at := func(set, otherwise string) string {
		if set != "" {
			return set
		}
		return filepath.Join(dir, filepath.FromSlash(otherwise))
	}
	return trust.Options{
		Anchors: at(c.Trust.Anchors, trust.AnchorsDir), Lists: at(c.Trust.Lists, trust.ListsDir), Fetched: at("", trust.FetchedDir),
		Reserve: int64(c.Storage.Reserve),
	}
}
