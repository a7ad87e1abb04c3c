//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// defaultUsers are whom a process that was started as root becomes where
// nobody is named, or the first of them: the package's own user, else the one
// that owns nothing, as where the package was never installed.
var defaultUsers = []string{"port843", "nobody"}

// becomeUser gives up root for an ordinary user, for every thread and for
// good. A process that is not root stays who it is.
func becomeUser(name string, keepRoot bool) (string, error) {
	if os.Geteuid() != 0 {
		return currentUser(), nil
	}
	if keepRoot {
		return "root", nil
	}
	u, err := chooseUser(name)
	if err != nil {
		return "", err
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return "", err
	}
	if uid == 0 {
		return "", fmt.Errorf("--user %s: %w", name, ErrRoot)
	}
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return "", fmt.Errorf("cannot drop the groups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return "", fmt.Errorf("cannot become group %s: %w", u.Gid, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return "", fmt.Errorf("cannot become user %s: %w", u.Username, err)
	}
	if syscall.Setuid(0) == nil {
		return "", errors.New("root could be taken back after it was given up")
	}
	return u.Username, nil
}

func chooseUser(name string) (*user.User, error) {
	if name != "" && name != defaultUsers[0] {
		u, err := user.Lookup(name)
		if err != nil {
			if _, numeric := strconv.Atoi(name); numeric == nil {
				return user.LookupId(name)
			}
			return nil, fmt.Errorf("--user: %w", err)
		}
		return u, nil
	}
	for _, name := range defaultUsers {
		if u, err := user.Lookup(name); err == nil {
			return u, nil
		}
	}
	// A system without a user database, such as a minimal container: the
	// number that stands for nobody everywhere.
	return &user.User{Username: "65534", Uid: "65534", Gid: "65534"}, nil
}

func currentUser() string {
	uid := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}
