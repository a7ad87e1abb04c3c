package xdp

import "testing"

func TestParseInterface(t *testing.T) {
	for in, want := range map[string]Options{
		"eth0": {Interface: "eth0"}, "eth0:generic": {Interface: "eth0", Generic: true}, "enp3s0f1np1": {Interface: "enp3s0f1np1"}, "br-0123456789ab": {Interface: "br-0123456789ab"},
	} {
		if got, err := ParseInterface(in); err != nil || got != want || got.String() != in {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ":generic", "eth0:", "eth0:native", "a/b", "..", "a b", "sixteen-letters-", "eth0:generic:generic"} {
		if got, err := ParseInterface(in); err == nil {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

// TestHints wants a hint for everything that an administrator can do something
// about.
func TestHints(t *testing.T) {
	for _, err := range []error{ErrSystem, ErrKernel, ErrPermission, ErrCookies, ErrInterface, ErrTaken, ErrNative} {
		if Hint(err) == "" {
			t.Errorf("nothing to do about: %v", err)
		}
	}
}
