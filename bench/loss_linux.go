package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// The two ways to lose packets in this network namespace. netem is the usual
// one; where the kernel lacks it, nftables drops at random what has arrived,
// which the sender does not notice either.
const (
	byNetem = "netem"
	byNft   = "nftables, numgen random, at input"
)

// lossTool finds out which of them works here.
func lossTool(s *setup) string {
	for _, way := range []string{byNetem, byNft} {
		s.Loss = way
		if lift, err := lose(s, 843, 1); err == nil && lift() == nil {
			return way
		}
	}
	return ""
}

// lose drops so many percent of the segments to and from the port until lift
// is called.
func lose(s *setup, port, percent int) (lift func() error, err error) {
	if s.Loss == byNetem {
		tc := s.Programs["tc"]
		if err := command(tc, "qdisc", "add", "dev", "lo", "root", "netem", "loss", strconv.Itoa(percent)+"%"); err != nil {
			return nil, err
		}
		return func() error { return command(tc, "qdisc", "del", "dev", "lo", "root") }, nil
	}
	nft := s.Programs["nft"]
	lift = func() error { return command(nft, "delete", "table", "inet", "bench") }
	for _, line := range []string{
		"add table inet bench",
		"add chain inet bench input { type filter hook input priority 0; }",
		fmt.Sprintf("add rule inet bench input tcp dport %d numgen random mod 100 < %d drop", port, percent),
		fmt.Sprintf("add rule inet bench input tcp sport %d numgen random mod 100 < %d drop", port, percent),
	} {
		if err := command(nft, line); err != nil {
			return nil, err
		}
	}
	return lift, nil
}

func command(program string, args ...string) error {
	if program == "" {
		return fmt.Errorf("not installed")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
