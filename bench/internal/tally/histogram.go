package tally

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Buckets are exact below 2^subBits nanoseconds, and above that there are
// 2^subBits of them for each power of two, so a bucket is at most 1/64 of its
// values wide. The last one holds what is above 2^maxBits ns, 18 minutes.
const (
	subBits = 6
	maxBits = 40
	buckets = (maxBits-subBits+1)<<subBits + 1
)

// Histogram counts durations in logarithmic buckets; a quantile is right to
// 1.6 %. The zero value is empty and ready. It is not for concurrent use.
type Histogram struct {
	n   int64
	at  []int64 // by bucket, allocated at the first Record
	max int64
}

func bucketOf(ns int64) int {
	if ns < 0 {
		ns = 0
	}
	shift := bits.Len64(uint64(ns)) - subBits - 1
	if shift < 0 {
		return int(ns)
	}
	return min(buckets-1, (shift+1)<<subBits+int(ns>>shift)-1<<subBits)
}

// top is the largest value that bucket i holds.
func top(i int) int64 {
	if i < 1<<subBits {
		return int64(i)
	}
	shift := i>>subBits - 1
	low := int64(i&(1<<subBits-1)+1<<subBits) << shift
	return low + 1<<shift - 1
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	if h.at == nil {
		h.at = make([]int64, buckets)
	}
	h.at[bucketOf(int64(d))]++
	h.n++
	h.max = max(h.max, int64(d))
}

// NewHistogram returns an empty histogram whose buckets are allocated already,
// so that recording allocates nothing.
func NewHistogram() Histogram { return Histogram{at: make([]int64, buckets)} }

// Count is the number of durations recorded.
func (h *Histogram) Count() int64 { return h.n }

// Max is the longest duration recorded, exactly.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Add counts what o counted too.
func (h *Histogram) Add(o *Histogram) {
	if o.n == 0 {
		return
	}
	if h.at == nil {
		h.at = make([]int64, buckets)
	}
	for i, n := range o.at {
		h.at[i] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Quantile returns the duration that a share q (0 to 1) of those recorded do
// not exceed, never more than Max; 0 for an empty histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	want := min(h.n, max(1, int64(math.Ceil(q*float64(h.n)))))
	for i, n := range h.at {
		if want -= n; want <= 0 {
			if i == buckets-1 {
				return h.Max()
			}
			return time.Duration(min(top(i), h.max))
		}
	}
	return h.Max()
}

// sparse is a histogram in JSON: pairs of a bucket and its count.
type sparse struct {
	Max   int64
	Pairs [][2]int64
}

// MarshalJSON writes the buckets that are not empty.
func (h Histogram) MarshalJSON() ([]byte, error) {
	s := sparse{Max: h.max, Pairs: [][2]int64{}}
	for i, n := range h.at {
		if n != 0 {
			s.Pairs = append(s.Pairs, [2]int64{int64(i), n})
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote. It refuses buckets that do not
// exist and counts below one.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var s sparse
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*h = Histogram{max: s.Max, at: make([]int64, buckets)}
	for _, p := range s.Pairs {
		if p[0] < 0 || p[0] >= buckets || p[1] < 1 {
			return fmt.Errorf("histogram: bad bucket %d with count %d", p[0], p[1])
		}
		h.at[p[0]] += p[1]
		h.n += p[1]
	}
	return nil
}
