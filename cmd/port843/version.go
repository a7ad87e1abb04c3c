package main

import "runtime/debug"

// buildVersion is set by the linker where the binary is built for release.
var buildVersion string

// version returns what this binary calls itself: the release, or what the Go
// tool knows of the commit.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
