package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/policy"
)

// BenchmarkWild is what a scan of ordinary files costs: one operation is one
// file of testdata/wild, in turn.
func BenchmarkWild(b *testing.B) {
	files, err := filepath.Glob("testdata/wild/*/*.xml")
	if err != nil || len(files) == 0 {
		b.Fatalf("no files (%v)", err)
	}
	var texts [][]byte
	size := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		texts = append(texts, data)
		size += len(data)
	}
	b.SetBytes(int64(size / len(files)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Check(texts[i%len(texts)], Options{})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkParse is the reader alone on the same files.
func BenchmarkParse(b *testing.B) {
	text := []byte(socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`, `<allow-access-from domain="*.example.net" to-ports="9002"/>`))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = policy.Parse(text)
	}
}

// BenchmarkClean is a file without a finding.
func BenchmarkClean(b *testing.B) {
	text := []byte(socketExample(`<allow-access-from domain="www.example.com" to-ports="9000,9001"/>`, `<allow-access-from domain="game.example.net" to-ports="9002"/>`))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if len(Check(text, Options{})) != 0 {
			b.Fatal("a finding")
		}
	}
}

// BenchmarkRules shows how the time grows with the number of rules.
func BenchmarkRules(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var rules []string
			for i := range n {
				rules = append(rules, fmt.Sprintf(`<allow-access-from domain="host%d.example.com" to-ports="9000,9001"/>`, i))
			}
			text := []byte(strings.Replace(socketExample(rules...), "\n  ", "\n", -1))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Check(text, Options{})
			}
		})
	}
}
