//go:build unix && !linux

package daemon

import "runtime"

// dropPrivileges gives up root. Capabilities, no_new_privs and Landlock are
// Linux's.
func (d *daemon) dropPrivileges() (privileges, error) {
	name, err := becomeUser(d.o.User, d.o.KeepRoot)
	return privileges{
		user:     name,
		landlock: "not in force: " + runtime.GOOS + " has no Landlock",
	}, err
}
