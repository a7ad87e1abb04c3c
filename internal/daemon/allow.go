package daemon

import (
	"errors"
	"fmt"
	"strings"

	"github.com/port843/port843/policy"
)

// AllowPolicy makes a policy of rules as "DOMAIN:PORTS". For port 843 it is the
// master's last word (master-only), so that no client asks the destination
// port in vain; on another port a site-control would make Lightspark drop the
// whole file.
func AllowPolicy(allow []string, servedFrom uint16) (*policy.Policy, []string, error) {
	p := &policy.Policy{}
	if servedFrom == policy.MasterPort {
		p.Meta = policy.MetaMasterOnly
	}
	var warnings []string
	var errs []error
	for _, a := range allow {
		rule, err := parseAllow(a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.Rules = append(p.Rules, rule)
		if low := rule.Ports.Intersect(policy.PortRanges(policy.PortRange{Lo: 1, Hi: 1023})); servedFrom >= 1024 && !low.IsEmpty() && !rule.Ports.IsAll() {
			warnings = append(warnings, fmt.Sprintf("--allow %s: Flash Player takes ports below 1024 (%s) only from a policy that is served below 1024, not from %d", a, low, servedFrom))
		}
		if !rule.Ports.Portable() {
			warnings = append(warnings, fmt.Sprintf("--allow %s: more than %d ports in a row stay a range, of which Lightspark honours the first port only and Unity leaves the last one out", a, policy.SmallRange))
		}
	}
	return p, warnings, errors.Join(errs...)
}

func parseAllow(s string) (policy.Rule, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") || strings.HasPrefix(s[i+1:], "//") {
		return policy.Rule{}, fmt.Errorf("--allow %q: ports are never implied, write DOMAIN:PORTS, such as '*.example.com:8080,9000-9002'", s)
	}
	d, err := policy.ParseDomain(s[:i])
	if err != nil {
		return policy.Rule{}, fmt.Errorf("--allow %q: %w", s, err)
	}
	ports, err := policy.ParsePorts(s[i+1:])
	if err != nil {
		return policy.Rule{}, fmt.Errorf("--allow %q: %w", s, err)
	}
	return policy.Rule{Domain: d, Ports: ports}, nil
}
