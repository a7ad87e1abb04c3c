package main

import (
	"embed"
	"path"
	"strings"

	"github.com/spf13/cobra"
)

// The topics that a person asks about: a file each, its first line the short
// form, the rest what "port843 help TOPIC" prints.
//
//go:embed topics/*.txt
var topicFiles embed.FS

// newTopics returns the help topics: commands that cannot be run.
func newTopics() []*cobra.Command {
	entries, err := topicFiles.ReadDir("topics")
	if err != nil {
		panic(err) // they are part of the binary
	}
	var out []*cobra.Command
	for _, e := range entries {
		text, err := topicFiles.ReadFile(path.Join("topics", e.Name()))
		if err != nil {
			panic(err)
		}
		short, long, _ := strings.Cut(string(text), "\n")
		out = append(out, &cobra.Command{
			Use:   strings.TrimSuffix(e.Name(), ".txt"),
			Short: short,
			Long:  strings.TrimSpace(long),
		})
	}
	return out
}
