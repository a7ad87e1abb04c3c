// Command port843 serves, builds, checks, lints and audits Flash socket
// policies. Run "port843 help" for its verbs.
package main

import (
	"os"

	"github.com/port843/port843/internal/cli"
)

func main() { os.Exit(cli.Main(newRoot, cli.OS(), os.Args[1:])) }
