package table

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkReload changes one file of one owner, of eight each, and loads.
func BenchmarkReload(b *testing.B) {
	for _, owners := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("owners=%d/files=%d", owners, 8*owners), func(b *testing.B) {
			dir := b.TempDir()
			write := func(name, text string) {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					b.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					b.Fatal(err)
				}
				old := time.Now().Add(-time.Hour)
				if err := os.Chtimes(path, old, old); err != nil {
					b.Fatal(err)
				}
			}
			rule := func(owner, file, port int) string {
				return fmt.Sprintf("<cross-domain-policy><allow-access-from domain=\"f%d.dept-%d.example.edu\" to-ports=\"%d\"/></cross-domain-policy>", file, owner, port)
			}
			var config strings.Builder
			for i := range owners {
				fmt.Fprintf(&config, "[[owner]]\nname = \"dept-%d\"\naddresses = [\"10.0.%d.1\"]\nports = \"9000-9099\"\ndomains = [\"*.dept-%d.example.edu\"]\npolicies = [\"%d/*.xml\"]\n", i, i/10, i, i)
				for f := range 8 {
					write(fmt.Sprintf("%d/%d.xml", i, f), rule(i, f, 9000))
				}
			}
			write("port843.toml", config.String())
			l := New(filepath.Join(dir, "port843.toml"))
			if t, err := l.Load(); err != nil || len(t.Refused()) != 0 {
				b.Fatal(t, err)
			}
			n := 0
			for b.Loop() {
				n++
				write("3/5.xml", rule(3, 5, 10+9000+n%2*10)+strings.Repeat("\n", n%3))
				if t, err := l.Load(); err != nil || t.Read != 1 {
					b.Fatal(t, err)
				}
			}
		})
	}
}
