package frontdoor

// Relayed returns how many sessions the door's event loops have.
func (d *Door) Relayed() (n int) {
	d.relay.mu.Lock()
	defer d.relay.mu.Unlock()
	for _, l := range d.relay.loops {
		l.mu.Lock()
		n += len(l.ends) / 2
		l.mu.Unlock()
	}
	return n
}
