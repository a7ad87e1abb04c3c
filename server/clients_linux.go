package server

import (
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

// clientKeyOf is what counts as one client, in 8 bytes: the /64 of an IPv6
// address, or an IPv4 address at 0:1::/32, which is reserved and nobody's.
func clientKeyOf(a netip.Addr) uint64 {
	a = clientKey(a)
	if a.Is4() {
		b := a.As4()
		return 1<<32 | uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	}
	if !a.IsValid() {
		return 0
	}
	var key uint64
	b := a.As16()
	for _, x := range b[:8] {
		key = key<<8 | uint64(x)
	}
	return key
}

// clientRef is a place in the client table plus one; 0 is none.
type clientRef uint32

// client is one client with connections on the careful path: 20 bytes, in
// halves of a key because a whole one would make it 24.
type client struct {
	high, low uint32
	head      ref // its oldest connection, whose clientPrev is the newest
	n         uint32
	next      clientRef // in its bucket, or among the free
}

func (k *client) key() uint64 { return uint64(k.high)<<32 | uint64(k.low) }

// clients finds the connections of a client. A client is in it only while it
// has one, so there are never more of them than connections, and what an
// attacker with a whole /32 can do is bounded as his connections are.
//
// Buckets hold chains, and their number is fixed: it never has to be rebuilt
// under the lock. The hash is multiplication by a secret number, so that
// nobody can choose addresses that meet in one bucket.
type clients struct {
	buckets []clientRef
	shift   uint8
	secret  uint64
	chunks  []*[clientChunk]client
	used    clientRef // handed out ever
	free    clientRef
}

const (
	clientChunk = 1024
	// maxBuckets is enough for four million clients at a time to be found in
	// a step or two: 16 MiB of addresses, of which only used pages are memory.
	maxBuckets = 1 << 22
)

func newClients(connections int) clients {
	// The power of two below the number of connections, so that full buckets
	// hold one or two clients.
	n := bits.Len(uint(min(max(connections, 2), maxBuckets))) - 1
	return clients{buckets: make([]clientRef, 1<<n), shift: uint8(64 - n), secret: rand.Uint64() | 1}
}

func (t *clients) bucket(key uint64) *clientRef { return &t.buckets[(key*t.secret)>>t.shift] }

func (t *clients) at(c clientRef) *client {
	return &t.chunks[(c-1)/clientChunk][(c-1)%clientChunk]
}

// find returns the client with key, or 0.
func (t *clients) find(key uint64) clientRef {
	c := *t.bucket(key)
	for c != 0 && t.at(c).key() != key {
		c = t.at(c).next
	}
	return c
}

// push adds a connection to its client, who is entered where he is new.
func (t *clients) push(s *slab, r ref, key uint64) {
	c := t.find(key)
	if c == 0 {
		c = t.enter(key)
	}
	k, x := t.at(c), s.at(r)
	x.client, x.clientPrev, x.clientNext = c, r, 0
	if k.head == 0 {
		k.head = r
	} else {
		first := s.at(k.head)
		s.at(first.clientPrev).clientNext = r
		x.clientPrev, first.clientPrev = first.clientPrev, r
	}
	k.n++
}

func (t *clients) enter(key uint64) clientRef {
	c := t.free
	if c != 0 {
		t.free = t.at(c).next
	} else {
		if int(t.used) == len(t.chunks)*clientChunk {
			t.chunks = append(t.chunks, new([clientChunk]client))
		}
		t.used++
		c = t.used
	}
	b := t.bucket(key)
	*t.at(c) = client{high: uint32(key >> 32), low: uint32(key), next: *b}
	*b = c
	return c
}

// remove takes a connection from its client, who is forgotten with his last.
func (t *clients) remove(s *slab, r ref) {
	x := s.at(r)
	c := x.client
	k := t.at(c)
	if x.clientNext != 0 {
		s.at(x.clientNext).clientPrev = x.clientPrev
	} else {
		s.at(k.head).clientPrev = x.clientPrev
	}
	if k.head == r {
		k.head = x.clientNext
	} else {
		s.at(x.clientPrev).clientNext = x.clientNext
	}
	x.client, x.clientPrev, x.clientNext = 0, 0, 0
	if k.n--; k.n > 0 {
		return
	}
	at := t.bucket(k.key())
	for *at != c {
		at = &t.at(*at).next
	}
	*at = k.next
	k.next, t.free = t.free, c
}
