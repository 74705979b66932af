package clock

import "time"

// Vietnam is the zone of every time that people read and of all office hours.
// Small machines often lack the zone table; the country has had no change of
// clock since 1975.
var Vietnam = func() *time.Location {
	if zone, err := time.LoadLocation("Asia/Ho_Chi_Minh"); err == nil {
		return zone
	}
	return time.FixedZone("+07", 7*60*60)
}()
