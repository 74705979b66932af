package broker

// Held counts what is kept about connections, here and in mochi.
func (b *Broker) Held() int {
	b.guard.mu.RLock()
	defer b.guard.mu.RUnlock()
	return len(b.guard.clients) + b.server.Clients.Len()
}
