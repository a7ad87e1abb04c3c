package survey

import "math/bits"

// permutation is an order of the numbers below n that looks random, takes no
// memory, and depends on n and the seed only: a Feistel network over the
// smallest even number of bits that holds n, walked until it is back below n
// (four steps at most on average).
//
// The road not taken is zmap's cyclic group: it is as good, and needs a prime
// and a primitive root for each size.
type permutation struct {
	n    uint64
	half uint // bits of one half
	keys [6]uint64
}

func newPermutation(n, seed uint64) permutation {
	p := permutation{n: n, half: uint(bits.Len64(max(n, 2)-1)+1) / 2}
	for i := range p.keys {
		seed += 0x9e3779b97f4a7c15
		p.keys[i] = mix(seed)
	}
	return p
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// at returns the number at position i, i < n.
func (p permutation) at(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		left, right := i>>p.half, i&mask
		for _, key := range p.keys {
			left, right = right, left^(mix(right^key)&mask)
		}
		i = left<<p.half | right
		if i < p.n {
			return i
		}
	}
}
