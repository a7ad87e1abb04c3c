package main

import (
	"net"
	"slices"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/internal/xdp"
)

// fastPathOff is what --fastpath says to have none, where the config has one.
const fastPathOff = "off"

// checkFastPath takes over what --fastpath says.
func (f *serveFlags) checkFastPath() error {
	for _, name := range f.fastPath {
		if name == fastPathOff || name == daemon.FastPathAuto {
			if len(f.fastPath) > 1 {
				return cli.Usage("name interfaces, or write auto or off alone", "--fastpath %s excludes every other", name)
			}
			continue
		}
		if _, err := xdp.ParseInterface(name); err != nil {
			return cli.Usage("write --fastpath eth0, eth0:generic, auto or off", "--fastpath %q: %w", name, err)
		}
	}
	if !slices.Contains(f.fastPath, fastPathOff) {
		f.o.FastPath = f.fastPath
	}
	return nil
}

// completeInterfaces proposes the words and this machine's interfaces.
func completeInterfaces(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	out := []string{daemon.FastPathAuto, fastPathOff}
	interfaces, err := net.Interfaces()
	if err != nil {
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 {
			out = append(out, i.Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
