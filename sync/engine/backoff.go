package engine

import "time"

// minDefer is the shortest wait before a deferred bundle is offered again,
// whatever the neighbour says, so that it cannot make this side spin.
const minDefer = time.Second

// backoff is the wait for an answer after attempt repeats without progress:
// RetryMin doubled each time, at most RetryMax.
func (c *Config) backoff(attempt int) time.Duration {
	d := c.RetryMin
	for range attempt {
		d *= 2
		if d >= c.RetryMax || d <= 0 {
			return c.RetryMax
		}
	}
	return d
}

// seconds rounds up to what a DEFER can carry.
func seconds(d time.Duration) time.Duration {
	return (max(d, 0) + time.Second - 1).Truncate(time.Second)
}
