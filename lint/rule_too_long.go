package lint

import (
	"fmt"
	"strings"

	"github.com/port843/port843/policy"
)

var ruleTooLong = &Rule{
	Code: "too-long", Name: "longer than clients read at once", Group: Form, Severity: Warning,
	Finds:    fmt.Sprintf(`A socket policy above %d bytes with its NUL, which Lightspark cuts; as a note one above %d, which needs more than one TCP segment.`, policy.SafeSize, policy.AdvisedSize),
	Gain:     "nothing; but a client that sees half the file sees none of its rules",
	Clients:  "Lightspark reads 4,096 bytes and stops at the first short read; Unity 5,000; Flash Player has no known limit",
	Fix:      "merge rules, and leave out comments; \"port843 build\" writes the shortest form",
	Bad:      Example{Text: socketExample("<!-- " + strings.Repeat("why ", 1024) + "-->"), Options: Options{Kind: KindSocket}, At: "1:1"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onSocket,
	problems: []policy.Code{policy.CodeLong},
	check: func(s *subject) {
		size := len(strings.TrimRight(string(s.data[max(0, len(s.data)-1):]), "\x00")) + max(0, len(s.data)-1) + 1
		switch {
		case size > policy.MaxSize:
			// It is too-large, and was not read.
		case size > policy.SafeSize:
			s.report(s.file(), fmt.Sprintf("with its NUL the file has %d bytes; all known clients read %d", size, policy.SafeSize))
		case size > policy.AdvisedSize:
			if f := s.report(s.file(), fmt.Sprintf("with its NUL the file has %d bytes; %d fit one TCP segment", size, policy.AdvisedSize)); f != nil {
				f.Severity = Note
			}
		}
	},
}
