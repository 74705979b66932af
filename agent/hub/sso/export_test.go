package sso

// Waiting is how many are at the provider.
func (c *Client) Waiting() int { return len(c.pending.of) }
