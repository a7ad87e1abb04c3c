package report

// Reference is the contender that CPU is compared with: what the kernel allows.
const Reference = "cserver-2"

// Subject is the contender that the targets are about.
const Subject = "port843"

// Keys of the values in a Sample.
const (
	PerSecond  = "per_second"  // exchanges answered a second
	CPU        = "cpu_us"      // server CPU per exchange, µs, all its processes
	Cores      = "cores"       // server CPU, in cores, while measured
	CoresAlone = "cores_alone" // the same without the good client
	P50        = "p50_us"
	P99        = "p99_us"
	P999       = "p999_us"
	Answered   = "answered"
	Failed     = "failed" // no right answer
	Lost       = "lost"   // of these: RST took it
	Cut        = "cut"    // FIN came too early
	Timeouts   = "timeouts"
	Wrong      = "wrong"
	Refused    = "refused"
	Resets     = "resets" // answered, but ended by RST, share of all
	Segments   = "segs"   // TCP segments per exchange, both directions
	Calls      = "calls"  // system calls per exchange
	User       = "user_b" // user memory per held connection, bytes
	Kernel     = "kern_b" // kernel memory per held connection, bytes
	Held       = "held"   // connections that the server has
	StartMS    = "start_ms"
)

// Column is a value of a measure, as it is shown.
type Column struct {
	Key, Title string
	Digits     int
	Worst      bool // show the worst round instead of the median
	Ratio      bool // followed by the ratio to the reference
	Percent    bool // a share, shown in percent
}

// Measure is a table.
type Measure struct {
	ID, Title, About string
	Columns          []Column
	Heavy            bool // takes long: fewer rounds
}

var (
	perSecond = Column{Key: PerSecond, Title: "exchanges/s", Ratio: true}
	cpu       = Column{Key: CPU, Title: "CPU µs", Digits: 1, Ratio: true}
	cores     = Column{Key: Cores, Title: "cores", Digits: 2}
	p50       = Column{Key: P50, Title: "p50 µs"}
	p99       = Column{Key: P99, Title: "p99 µs"}
	p999      = Column{Key: P999, Title: "p99.9 µs"}
	failed    = Column{Key: Failed, Title: "failed", Worst: true}
	gone      = Column{Key: Failed, Title: "lost for good", Worst: true}
	byReset   = Column{Key: Lost, Title: "of these by RST", Worst: true}
	resets    = Column{Key: Resets, Title: "ended by RST", Percent: true}
	held      = Column{Key: Held, Title: "held"}
)

var memory = []Column{held, {Key: User, Title: "user bytes each"}, {Key: Kernel, Title: "kernel bytes each"}}

// Measures are all there are, in the order in which they run and are shown.
var Measures = []Measure{
	{ID: "cap", Title: "At an equal CPU budget",
		About:   "The server is held to 0.25 CPU by a cgroup quota, the generator is free: exchanges per second, closed loop. The cores it really used show whether the quota was the limit.",
		Columns: []Column{perSecond, cpu, cores, failed, resets}},
	{ID: "saturated", Title: "Saturated",
		About:   "Closed loop, no quota; server and generator share the machine.",
		Columns: []Column{perSecond, cpu, cores, {Key: Segments, Title: "segments", Digits: 2}, failed, resets}},
	{ID: "open", Title: "1,000 exchanges a second",
		About:   "Open loop: each exchange begins when it is due by the clock, and its latency counts from then (no coordinated omission).",
		Columns: []Column{cpu, p50, p99, p999, {Key: Segments, Title: "segments", Digits: 2}, failed, resets}},
	{ID: "late", Title: "The request 5 ms after the connect",
		About:   "As a client with a real round trip. 1,000 a second, open loop; latency counts from when the request is due.",
		Columns: []Column{cpu, p50, p99, p999, failed, resets}},
	{ID: "start", Title: "Start", About: "From the start of the process to its first right answer.",
		Columns: []Column{{Key: StartMS, Title: "ms", Digits: 1}}},
	{ID: "calls", Title: "System calls per exchange", Heavy: true,
		About:   "Counted by strace, saturated, over all threads and processes.",
		Columns: []Column{{Key: Calls, Title: "system calls", Digits: 2}}},
	{ID: "loss2", Title: "2 % of all segments lost", Heavy: true,
		About:   "Both directions, 500 exchanges a second. Lost for good: RST took the answer, or nothing came in 40 s, in which TCP repeats itself often enough.",
		Columns: []Column{{Key: Answered, Title: "answered"}, gone, byReset, p50, p99, p999}},
	{ID: "loss5", Title: "5 % of all segments lost", Heavy: true,
		About:   "The same with 5 %. A connection whose handshake lost a segment repeats a lost request after 3 s and after 9 s; a server whose deadline is shorter than that, as port843's is by default (5 s), closes a few of these unanswered.",
		Columns: []Column{{Key: Answered, Title: "answered"}, gone, byReset, p50, p99, p999}},
	{ID: "idle10", Title: "Memory of 10,000 idle connections", Heavy: true,
		About:   "Each has sent the first byte of its request and is silent then. User memory: private pages of all processes. Kernel memory: half of what the machine's slab grows by, because both ends are here. Servers that answer unasked hold none.",
		Columns: memory},
	{ID: "idle19", Title: "Memory of 19,000 idle connections", Heavy: true,
		About:   "The same, near the limit of descriptors of one process here.",
		Columns: memory},
	{ID: "dribble", Title: "Beside 50,000 dribbling connections, one process", Heavy: true,
		About:   "50,000 connections send a byte a second, and come back 5 s after they are closed; a good client runs a closed loop beside them. One process, 20,000 descriptors.",
		Columns: []Column{perSecond, failed, p99, held, cores, {Key: CoresAlone, Title: "cores without the good client", Digits: 2}}},
	{ID: "dribble4", Title: "Beside 50,000 dribbling connections, four processes", Heavy: true,
		About:   "The same, with four processes or workers, where a server can have them.",
		Columns: []Column{perSecond, failed, p99, held, cores, {Key: CoresAlone, Title: "cores without the good client", Digits: 2}}},
	{ID: "exhausted", Title: "Descriptors exhausted", Heavy: true,
		About:   "The server may have 1,000 descriptors, and 3,000 connections send a byte a second; a good client asks 500 times a second and gives up after 3 s.",
		Columns: []Column{{Key: Answered, Title: "answered"}, failed, p50, p99, cores, {Key: CoresAlone, Title: "cores without the good client", Digits: 2}}},
}

// MeasureByID returns the measure; ok is false where there is none.
func MeasureByID(id string) (m Measure, ok bool) {
	for _, m := range Measures {
		if m.ID == id {
			return m, true
		}
	}
	return Measure{}, false
}
