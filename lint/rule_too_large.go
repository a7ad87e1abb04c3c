package lint

import (
	"fmt"
	"strings"

	"github.com/port843/port843/policy"
)

var ruleTooLarge = &Rule{
	Code: "too-large", Name: "beyond every bound", Group: Form, Severity: Error,
	Finds:    fmt.Sprintf(`More than %d bytes, %d elements, %d attributes of one element, or a nesting deeper than %d; and more mistakes than are listed.`, policy.MaxSize, policy.MaxElements, policy.MaxAttributes, policy.MaxDepth),
	Gain:     "a way to keep the reader of the file busy",
	Clients:  clientsAll,
	Fix:      "write a policy of a few lines",
	Bad:      Example{Text: "<cross-domain-policy" + manyAttributes(policy.MaxAttributes) + "/>\n", Options: Options{Kind: KindSocket}, At: "66:3"},
	Good:     Example{Text: socketExample(), Options: Options{Kind: KindSocket}},
	on:       onAll,
	problems: []policy.Code{policy.CodeTooLarge, policy.CodeTooDeep, policy.CodeTooMany},
}

// manyAttributes are n attributes that mean nothing, and one more.
func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n + 1 {
		fmt.Fprintf(&b, "\n  xml:a%d=\"\"", i)
	}
	return b.String()
}
