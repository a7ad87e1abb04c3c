package config

import _ "embed" // the two files

var (
	//go:embed reference.toml
	reference []byte
	//go:embed minimal.toml
	minimal []byte
)

// Reference returns a config file with every key, explained.
func Reference() []byte { return append([]byte(nil), reference...) }

// Minimal returns the shortest config file that is of use.
func Minimal() []byte { return append([]byte(nil), minimal...) }
