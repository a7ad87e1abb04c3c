package daemon

// dropPrivileges does nothing: on Windows the service's account is chosen when
// it is installed.
func (d *daemon) dropPrivileges() (privileges, error) {
	return privileges{user: "the account that started it", landlock: "not in force: Windows has no Landlock"}, nil
}
