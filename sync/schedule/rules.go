package schedule

// Rules say what may travel over the present line, in both directions. The
// zero Rules allow everything: they restrict metered lines only.
type Rules struct {
	// MinUrgency is the least urgency that may travel, Normal … MostUrgent.
	MinUrgency uint8
	// MaxSize bounds one bundle, in bytes of all its objects; 0 means no bound.
	// What is MostUrgent travels whatever its size.
	MaxSize int64
}

// Allow tells whether a bundle of this urgency and size may travel.
func (r Rules) Allow(urgency uint8, size int64) bool {
	if urgency < r.MinUrgency {
		return false
	}
	return r.MaxSize == 0 || size <= r.MaxSize || urgency >= MostUrgent
}
