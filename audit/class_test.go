package audit

import (
	"slices"
	"strings"
	"testing"
)

// The names of the output. Programs depend on them: more may be added, none
// renamed.
const (
	classNames = "policy silverlight-policy http ssh smtp ftp mysql redis vnc socks rtmp tls rpc echo endless tarpit silent " +
		"closed-at-once reset-at-once closed-after-request reset-after-request other refused rejected unreachable dropped error"
	faultNames = "no-nul newline-for-nul leading-bytes trailing-bytes held-open slow late bom utf16 malformed no-to-ports empty " +
		"hostile-xml oversize endless in-http unasked any-request over-tls shared-port cut-short"
)

func TestNames(t *testing.T) {
	classes := strings.Fields(classNames)
	for _, name := range classes {
		if Class(name).Explain() == "" {
			t.Errorf("the class %s is not explained", name)
		}
	}
	if len(explanations) != len(classes) {
		t.Errorf("%d classes, want %d", len(explanations), len(classes))
	}
	var faults []string
	for _, f := range faultOrder {
		faults = append(faults, string(f))
		if f.Explain() == "" {
			t.Errorf("the fault %s is not explained", f)
		}
	}
	if want := strings.Fields(faultNames); !slices.Equal(faults, want) {
		t.Errorf("faults %v, want %v", faults, want)
	}
	for _, f := range []Fault{Late, UTF16, Malformed, InHTTP, FaultEndless, CutShort} {
		if !f.Fatal() {
			t.Errorf("%s leaves Flash Player with a policy", f)
		}
	}
	if NoNUL.Fatal() || SharedPort.Fatal() {
		t.Error("a fault that Flash Player survives is called fatal")
	}
}
