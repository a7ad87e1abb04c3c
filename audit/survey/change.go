package survey

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/netip"

	"github.com/port843/port843/audit"
)

// Change says how a target differs from a baseline.
type Change struct {
	Kind string      `json:"kind"` // "new", "changed" or "same"
	Was  audit.Class `json:"was,omitempty"`
	What []string    `json:"what,omitempty"` // "class", "faults", "policy", "product"
}

// Baseline is what an earlier scan found, as much of it as a comparison takes.
// It is for one goroutine.
type Baseline struct {
	old  map[netip.AddrPort]digest
	seen map[netip.AddrPort]bool
}

type digest struct {
	class                   audit.Class
	faults, policy, product [8]byte
}

func digestOf(r *Record) digest {
	sum := func(v any) (out [8]byte) {
		text, _ := json.Marshal(v) // of plain data: it cannot fail
		h := sha256.Sum256(text)
		copy(out[:], h[:])
		return out
	}
	return digest{r.Class, sum(r.Faults), sum(r.Policy), sum(r.Product)}
}

// ReadBaseline reads the JSON lines of an earlier scan.
func ReadBaseline(r io.Reader) (*Baseline, error) {
	b := &Baseline{old: map[netip.AddrPort]digest{}, seen: map[netip.AddrPort]bool{}}
	_, err := ReadResults(r, func(f Found) error {
		if f.Record == nil {
			return errNotOurs
		}
		b.old[f.Addr] = digestOf(f.Record)
		return nil
	})
	return b, err
}

// Compare sets the record's Change.
func (b *Baseline) Compare(r *Record) {
	key := netip.AddrPortFrom(r.IP, r.Port)
	b.seen[key] = true
	old, ok := b.old[key]
	if !ok {
		r.Change = &Change{Kind: "new"}
		return
	}
	c := &Change{Kind: "same", Was: old.class}
	now := digestOf(r)
	for _, each := range []struct {
		name    string
		changed bool
	}{
		{"class", old.class != now.class}, {"faults", old.faults != now.faults},
		{"policy", old.policy != now.policy}, {"product", old.product != now.product},
	} {
		if each.changed {
			c.Kind = "changed"
			c.What = append(c.What, each.name)
		}
	}
	r.Change = c
}

// Gone returns how many targets of the baseline were not compared.
func (b *Baseline) Gone() int {
	n := 0
	for key := range b.old {
		if !b.seen[key] {
			n++
		}
	}
	return n
}

var errNotOurs = errors.New("a baseline is the JSON lines of an earlier scan")
