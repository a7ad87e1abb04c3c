package config

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkParse reads configs of ten services an owner.
func BenchmarkParse(b *testing.B) {
	for _, owners := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("owners=%d/services=%d", owners, 10*owners), func(b *testing.B) {
			var text strings.Builder
			for i := range owners {
				fmt.Fprintf(&text, "[[owner]]\nname = \"dept-%d\"\nports = \"9000-9099\"\ndomains = [\"*.dept-%d.example.edu\"]\nhosts = [\"dept-%d.example.edu\"]\n", i, i, i)
				for s := range 10 {
					fmt.Fprintf(&text, "[[service]]\nname = \"svc-%d-%d\"\nowner = \"dept-%d\"\nports = \"%d\"\nallow = [\"*.dept-%d.example.edu\"]\n", i, s, i, 9000+s, i)
				}
			}
			data := []byte(text.String())
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Parse("port843.toml", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
