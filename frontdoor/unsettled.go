package frontdoor

import (
	"errors"
	"sync"
	"sync/atomic"
)

// errTaken is what an unsettled connection ends with when it turns out to be
// no raw one.
var errTaken = errors.New("frontdoor: the connection turned out to be a request to the door itself")

// unsettled is a raw connection that may still turn out to be a request: what
// is read of it is matched on the way. It settles as raw at the first byte
// that differs, or with the first byte that is written to it; or it is taken
// when the request is complete, and then Read and Write return errTaken.
//
// Read and Write may be called from two goroutines.
type unsettled struct {
	*conn
	onTaken func(kind, []byte) // called once, within the Read that completes the request
	onRaw   func()             // called once, when it settles as raw
	raw     atomic.Bool

	mu    sync.Mutex
	m     match
	seen  []byte
	taken bool
}

func (u *unsettled) settledRaw() bool { return u.raw.Load() }

func (u *unsettled) isTaken() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.taken
}

// CloseWrite settles it too: the backend said that it says nothing.
func (u *unsettled) CloseWrite() error {
	if _, err := u.Write(nil); err != nil {
		return err
	}
	return u.conn.CloseWrite()
}

// feed matches what was read. It reports whether the connection is taken.
func (u *unsettled) feed(b []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.taken {
		return true
	}
	if u.raw.Load() {
		return false
	}
	switch k := u.m.next(b); k {
	case kindUnsettled:
		u.seen = append(u.seen, b...)
	case kindRaw:
		u.raw.Store(true)
		u.onRaw()
	default:
		u.taken = true
		u.onTaken(k, append(u.seen, b...))
		return true
	}
	return false
}

func (u *unsettled) Read(b []byte) (int, error) {
	n, err := u.conn.Read(b)
	if n > 0 && !u.raw.Load() && u.feed(b[:n]) {
		return 0, errTaken
	}
	return n, err
}

// Write settles the connection: what the backend says can only be for a raw
// client.
func (u *unsettled) Write(b []byte) (int, error) {
	if !u.raw.Load() {
		u.mu.Lock()
		if u.taken {
			u.mu.Unlock()
			return 0, errTaken
		}
		if !u.raw.Swap(true) {
			u.onRaw()
		}
		u.mu.Unlock()
	}
	return u.conn.Write(b)
}
