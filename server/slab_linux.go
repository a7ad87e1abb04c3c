package server

import "github.com/port843/port843/policy"

// phase is where a connection on the careful path stands.
type phase uint8

const (
	waiting   phase = iota + 1 // for its request
	sending                    // the kernel took a part of the answer only
	lingering                  // answered: for the client's end
)

// state is what is known of such a connection, in 6 bytes.
type state struct {
	listener uint16 // its place in the engine's list
	match    policy.RequestMatch
	phase    phase
	owner    owner
}

// owner says who may touch a connection's descriptor now.
type owner uint8

const (
	nobody  owner = iota // whoever holds the yard's lock may take it
	taken                // a worker has it, without the lock
	expired              // the same, and it has to close it: the deadline came
	evicted              // the same: another needs the room
)

// ref is a descriptor plus one, so that 0 is none and fresh memory is empty.
type ref uint32

func refOf(fd int) ref { return ref(fd + 1) }
func (r ref) fd() int  { return int(r) - 1 }

// slot is one connection of the slab: 32 bytes, and no pointer, so that the
// garbage collector never looks at a million of them. It stands in two lists,
// of all connections and of those of its client, in order of arrival, which is
// the order of their deadlines too: the time allowed is the same for all. So
// no heap is needed, no timer wheel, and the oldest is always at the head.
type slot struct {
	prev, next             ref
	clientPrev, clientNext ref
	client                 clientRef
	deadline               uint32 // in milliseconds on the yard's clock, which wraps
	state
}

// slab holds the slots by descriptor: the kernel gives out the lowest one that
// is free, so the table is as dense as any other would be, and needs neither
// a free list nor a way from descriptor to slot. It grows by chunks that never
// move, up to the highest descriptor seen, and is bounded as descriptors are.
type slab struct {
	chunks []*[slabChunk]slot
}

const slabChunk = 1024

// at returns the slot of r, which must not be 0.
func (s *slab) at(r ref) *slot {
	fd := r.fd()
	for fd/slabChunk >= len(s.chunks) {
		s.chunks = append(s.chunks, nil)
	}
	c := s.chunks[fd/slabChunk]
	if c == nil {
		c = new([slabChunk]slot)
		s.chunks[fd/slabChunk] = c
	}
	return &c[fd%slabChunk]
}

// queue is the list of all connections, oldest first.
type queue struct {
	head, tail ref
	n          int
}

func (q *queue) push(s *slab, r ref) {
	x := s.at(r)
	x.prev, x.next = q.tail, 0
	if q.tail != 0 {
		s.at(q.tail).next = r
	} else {
		q.head = r
	}
	q.tail = r
	q.n++
}

func (q *queue) remove(s *slab, r ref) {
	x := s.at(r)
	if x.prev != 0 {
		s.at(x.prev).next = x.next
	} else {
		q.head = x.next
	}
	if x.next != 0 {
		s.at(x.next).prev = x.prev
	} else {
		q.tail = x.prev
	}
	x.prev, x.next = 0, 0
	q.n--
}
