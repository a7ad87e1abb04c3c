package server

import "fmt"

// Advice is one setting of the system that stands in a policy server's way,
// and what to do about it.
type Advice struct {
	Setting string // such as net.core.somaxconn
	Value   string // what it is now
	Do      string // the line that mends it, for a shell or a unit
	Why     string // what it costs as it is
}

func (a Advice) String() string {
	return fmt.Sprintf("%s is %s: %s; %s", a.Setting, a.Value, a.Why, a.Do)
}
