package listening

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/internal/escape"
)

// Firewall says what nftables and iptables do with new connections from other
// machines to a TCP port of this one. It reads their rules, which takes root,
// and changes nothing.
func Firewall(port uint16) Rules {
	out := Rules{Word: Accepts}
	text, err := output("nft", "-j", "list", "ruleset")
	read := err == nil
	if read {
		r, err := nftRules(text, port)
		if err != nil {
			return Rules{Word: Unread, Note: "nft's rules are not understood: " + err.Error()}
		}
		out = r
	}
	// The old iptables has tables of its own, which nft does not list.
	if text, err := output("iptables-legacy-save"); err == nil {
		read = true
		out = stricter(out, iptablesRules(string(text), port))
	} else if text, err := output("iptables-save"); err == nil {
		read = true
		out = stricter(out, iptablesRules(string(text), port))
	}
	if !read {
		return Rules{Word: Unread, Note: "the firewall's rules cannot be read: run as root, with nft or iptables installed"}
	}
	return out
}

// output runs a program of the system's, which gets five seconds.
func output(name string, args ...string) ([]byte, error) {
	path := ""
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, exec.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, path, args...).Output()
}

var strictness = []Word{Accepts, Depends, Rejects, Drops}

func stricter(a, b Rules) Rules {
	if slices.Index(strictness, b.Word) > slices.Index(strictness, a.Word) {
		a.Word = b.Word
	}
	a.Lines = append(a.Lines, b.Lines...)
	return a
}

type (
	nftChain struct {
		Family, Table, Name, Type, Hook, Policy string
		Prio                                    int
	}
	nftRule struct {
		Family, Table, Chain string
		Expr                 []map[string]json.RawMessage
	}
	nftSet struct {
		Family, Table, Name string
		Elem                json.RawMessage
	}
	ruleset struct {
		chains []nftChain
		rules  map[string][]nftRule
		sets   map[string]json.RawMessage
		port   uint16
		lines  []string
		depth  int
	}
)

// nftRules walks the chains that new connections to this machine come through.
func nftRules(text []byte, port uint16) (Rules, error) {
	var doc struct {
		Nftables []struct {
			Chain *nftChain
			Rule  *nftRule
			Set   *nftSet
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return Rules{}, errors.New("no JSON")
	}
	s := ruleset{rules: map[string][]nftRule{}, sets: map[string]json.RawMessage{}, port: port}
	for _, each := range doc.Nftables {
		switch {
		case each.Chain != nil:
			s.chains = append(s.chains, *each.Chain)
		case each.Rule != nil:
			key := each.Rule.Family + " " + each.Rule.Table + " " + each.Rule.Chain
			s.rules[key] = append(s.rules[key], *each.Rule)
		case each.Set != nil:
			s.sets[each.Set.Family+" "+each.Set.Table+" @"+each.Set.Name] = each.Set.Elem
		}
	}
	out := Rules{Word: Accepts}
	for _, c := range s.chains {
		// A packet is accepted only if every base chain of the way accepts it.
		if c.Hook != "input" && c.Hook != "prerouting" || c.Type != "filter" || c.Family != "inet" && c.Family != "ip" && c.Family != "ip6" {
			continue
		}
		word, decided := s.walk(c.Family+" "+c.Table+" ", c.Name)
		if !decided {
			word = Accepts
			if c.Policy == "drop" {
				word = Drops
				s.lines = append(s.lines, escape.Text(c.Family+" "+c.Table+" "+c.Name, 80)+": policy drop")
			}
		}
		out = stricter(out, Rules{Word: word})
	}
	out.Lines = s.lines
	return out, nil
}

// walk says what a chain does with the connection, and whether it decides.
func (s *ruleset) walk(prefix, chain string) (Word, bool) {
	if s.depth++; s.depth > 16 {
		return Depends, true
	}
	defer func() { s.depth-- }()
	maybe := false
	for _, r := range s.rules[prefix+chain] {
		applies, sure, word, target := s.read(prefix, r.Expr)
		if !applies || word == "" && target == "" {
			continue
		}
		if target != "" {
			inner, decided := s.walk(prefix, target)
			if !decided {
				continue
			}
			word = inner
		}
		if word == "return" {
			if sure {
				break
			}
			maybe = true
			continue
		}
		s.lines = append(s.lines, escape.Text(prefix+chain+": "+compact(r.Expr), 200))
		if !sure {
			maybe = true
			continue
		}
		if maybe {
			return Depends, true
		}
		return word, true
	}
	if maybe {
		return Depends, true
	}
	return "", false
}

// read reads one rule: whether a new connection to the port matches, whether
// that is sure, and what becomes of it then: a word, or another chain.
func (s *ruleset) read(prefix string, expr []map[string]json.RawMessage) (applies, sure bool, word Word, target string) {
	applies, sure = true, true
	for _, e := range expr {
		for name, raw := range e {
			switch name {
			case "match":
				a, known := s.matches(prefix, raw)
				applies = applies && a
				sure = sure && known
			case "accept":
				word = Accepts
			case "drop":
				word = Drops
			case "reject":
				word = Rejects
			case "return":
				word = "return"
			case "jump", "goto":
				var to struct{ Target string }
				if json.Unmarshal(raw, &to) == nil {
					target = to.Target
				}
			case "limit", "vmap", "xt":
				sure = false
			}
		}
	}
	return applies, sure, word, target
}

func compact(expr []map[string]json.RawMessage) string {
	text, _ := json.Marshal(expr)
	return string(text)
}

// matches says whether a new TCP connection to the port from another machine
// matches, and whether that is sure.
func (s *ruleset) matches(prefix string, raw json.RawMessage) (applies, sure bool) {
	var m struct {
		Op    string
		Left  json.RawMessage
		Right json.RawMessage
	}
	if json.Unmarshal(raw, &m) != nil {
		return true, false
	}
	var left struct {
		Payload struct{ Protocol, Field string }
		Meta    struct{ Key string }
		CT      struct{ Key string }
	}
	json.Unmarshal(m.Left, &left)
	negated := m.Op == "!="
	switch {
	case left.Payload.Protocol == "tcp" && left.Payload.Field == "dport", left.Payload.Protocol == "th" && left.Payload.Field == "dport":
		in, known := s.contains(prefix, m.Right)
		return in != negated || !known, known
	case left.Payload.Protocol == "udp", left.Payload.Protocol == "icmp", left.Payload.Protocol == "icmpv6":
		return false, true
	case left.Meta.Key == "l4proto", left.Payload.Field == "protocol", left.Payload.Field == "nexthdr":
		return bytes.Contains(m.Right, []byte("tcp")) != negated || bytes.Contains(m.Right, []byte("6")) != negated, true
	case left.Meta.Key == "iif", left.Meta.Key == "iifname":
		return bytes.Contains(m.Right, []byte(`"lo"`)) == negated, bytes.Contains(m.Right, []byte(`"lo"`))
	case left.CT.Key == "state":
		return bytes.Contains(m.Right, []byte("new")) != negated, true
	}
	return true, false
}

// contains says whether a right side, which is a number, a range, a set or a
// set's name, holds the port.
func (s *ruleset) contains(prefix string, raw json.RawMessage) (in, known bool) {
	var n int
	if json.Unmarshal(raw, &n) == nil {
		return n == int(s.port), true
	}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		if elem, ok := s.sets[prefix+name]; ok {
			return s.contains(prefix, elem)
		}
		return false, false
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		for _, each := range list {
			if in, known := s.contains(prefix, each); in || !known {
				return in, known
			}
		}
		return false, true
	}
	var object struct {
		Set   json.RawMessage
		Range []int
	}
	if json.Unmarshal(raw, &object) != nil {
		return false, false
	}
	if len(object.Range) == 2 {
		return object.Range[0] <= int(s.port) && int(s.port) <= object.Range[1], true
	}
	if object.Set != nil {
		return s.contains(prefix, object.Set)
	}
	return false, false
}

// iptablesRules reads the INPUT chain of iptables-save's filter table. Other
// chains are not followed: what jumps to one depends.
func iptablesRules(text string, port uint16) Rules {
	out := Rules{Word: Accepts}
	table, maybe := "", false
	policy := Accepts
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "*"); ok {
			table = name
		}
		if table != "filter" {
			continue
		}
		if strings.HasPrefix(line, ":INPUT DROP") {
			policy = Drops
		}
		rest, ok := strings.CutPrefix(line, "-A INPUT ")
		if !ok {
			continue
		}
		word, sure, applies := iptablesRule(strings.Fields(rest), port)
		if !applies || word == "" {
			continue
		}
		out.Lines = append(out.Lines, escape.Text(line, 200))
		if !sure || word == Depends {
			maybe = true
			continue
		}
		out.Word = word
		if maybe && word != Accepts {
			out.Word = Depends
		}
		return out
	}
	if policy == Drops {
		out.Word = Drops
		out.Lines = append(out.Lines, ":INPUT DROP")
	}
	if maybe {
		out.Word = Depends
	}
	return out
}

func iptablesRule(f []string, port uint16) (word Word, sure, applies bool) {
	sure, applies = true, true
	for i := 0; i < len(f); i++ {
		value := ""
		if i+1 < len(f) {
			value = f[i+1]
		}
		switch f[i] {
		case "-p":
			applies = applies && (value == "tcp" || value == "all")
		case "-i":
			applies = applies && value != "lo"
			sure = sure && value == "lo"
		case "--dport", "--dports":
			applies = applies && portsContain(value, port)
		case "--state", "--ctstate":
			applies = applies && strings.Contains(value, "NEW")
		case "-m", "--reject-with", "--comment":
		case "-j":
			word = map[string]Word{"ACCEPT": Accepts, "DROP": Drops, "REJECT": Rejects, "LOG": "", "RETURN": ""}[value]
			if word == "" && value != "LOG" && value != "RETURN" {
				word = Depends
			}
		default:
			sure = false // a condition that is not understood
			continue
		}
		i++
	}
	return word, sure, applies
}

func portsContain(text string, port uint16) bool {
	for part := range strings.SplitSeq(text, ",") {
		low, high, found := strings.Cut(part, ":")
		if !found {
			high = low
		}
		lo, err1 := strconv.Atoi(low)
		hi, err2 := strconv.Atoi(high)
		if err1 == nil && err2 == nil && lo <= int(port) && int(port) <= hi {
			return true
		}
	}
	return false
}
