package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// dropPrivileges gives up what the process has no use for once its sockets are
// open: the user, every capability, the chance to gain any by running another
// program, the file system but for some folders, and new TCP sockets.
//
// A successor in a take-over has inherited all of that, and leaves it so: the
// kernel stacks no more than 16 layers of Landlock.
func (d *daemon) dropPrivileges() (privileges, error) {
	if d.predecessor != nil {
		return privileges{user: currentUser(), landlock: "as the predecessor's"}, nil
	}
	var p privileges
	if !d.o.KeepRoot {
		if err := dropBounding(); err != nil {
			p.notes = append(p.notes, "the bounding set of capabilities stays: "+err.Error())
		}
	}
	name, err := becomeUser(d.o.User, d.o.KeepRoot)
	if err != nil {
		return p, err
	}
	p.user = name
	if !d.o.KeepRoot {
		if err := clearCapabilities(); err != nil {
			return p, fmt.Errorf("cannot drop the capabilities: %w", err)
		}
	}
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return p, fmt.Errorf("cannot set no_new_privs: %w", err)
	}
	p.landlock = d.landlock()
	return p, nil
}

// clearCapabilities drops every capability. Where there is none the system call
// is left out: the packaged unit forbids it.
func clearCapabilities() error {
	none := cap.NewSet()
	if differs, err := cap.GetProc().Cf(none); err == nil && differs == 0 {
		return nil
	}
	return none.SetProc()
}

// dropBounding empties the bounding set, so that no program that is run later
// can gain a capability from its file. It needs a privilege itself; without
// it no_new_privs says the same.
func dropBounding() error {
	caps := cap.GetProc()
	if has, err := caps.GetFlag(cap.Effective, cap.SETPCAP); err != nil || !has {
		return nil
	}
	for v := cap.Value(0); v < cap.MaxBits(); v++ {
		if has, err := cap.GetBound(v); err != nil || !has {
			continue
		}
		if err := cap.DropBound(v); err != nil {
			return fmt.Errorf("%s: %w", v, err)
		}
	}
	return nil
}

// systemFolders are what a successor needs of the system to start (see
// handOver): a dynamically linked binary loads its libraries. They hold no
// secrets and are opened read-only.
var systemFolders = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"}

// resolverFiles are what a name of a backend is looked up by.
var resolverFiles = []string{"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"}

// processorFolder says how many processors there can be, which a successor
// needs to know to read the fast path's counters.
const processorFolder = "/sys/devices/system/cpu"

// bindOnly refuses new listeners and leaves connects free.
var bindOnly = landlock.MustConfig(landlock.AccessNetSet(unix.LANDLOCK_ACCESS_NET_BIND_TCP)).BestEffort()

// landlock closes the file system but for the folders of the policies, of the
// binary and of the system's libraries, and /proc for the process's metrics (a
// successor has another number), all read-only. New TCP sockets are refused
// too, but to the ports of the fronts' backends; those that are open stay.
// Where the fronts are a config's, sockets are free: a reload brings other
// ports. The road not taken is a rule for each port that it could be: the
// kernel keeps a copy of all of them for each thread, some 50 MB. It returns
// what is in force, for the log.
func (d *daemon) landlock() string {
	abi := landlockABI()
	if abi < 1 {
		return "not in force: this kernel has no Landlock, or it is turned off"
	}
	read := append([]string{filepath.Dir(d.o.Executable), "/proc"}, systemFolders...)
	for _, k := range d.keepers {
		read = append(read, k.source.Folders()...)
	}
	files, folders := d.frontPaths()
	read = append(append(read, foldersOf(files...)...), folders...)
	if len(d.o.FastPath) > 0 {
		read = append(read, processorFolder)
	}
	read = slices.DeleteFunc(read, func(dir string) bool {
		_, err := os.Stat(dir)
		return err != nil
	})
	// The version is the last that only knows the file system and TCP: later
	// ones would close the socket that systemd is notified on.
	config := landlock.V7.BestEffort()
	var access []string // what a successor reads again
	if d.access != nil {
		access = d.access.Files()
	}
	if err := config.RestrictPaths(
		landlock.ROFiles(access...).IgnoreIfMissing(),
		landlock.ROFiles(resolverFiles...).IgnoreIfMissing(),
		landlock.RODirs(read...).IgnoreIfMissing(),
		landlock.ROFiles("/etc/ld.so.cache").IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	); err != nil {
		return "not in force: " + err.Error()
	}
	if d.changeable() {
		return fmt.Sprintf("in force (ABI %d): readable %q, any port, since a reload may bring services and backends", abi, read)
	}
	ports, all := d.backendPorts()
	if all {
		// A front that reaches anywhere, or /probe: connects stay free.
		if err := bindOnly.RestrictNet(); err != nil {
			return fmt.Sprintf("files only (ABI %d): %v", abi, err)
		}
		return fmt.Sprintf("in force (ABI %d): readable %q, connects to any port", abi, read)
	}
	var connects []landlock.Rule
	for _, port := range ports {
		connects = append(connects, landlock.ConnectTCP(port))
	}
	if err := config.RestrictNet(connects...); err != nil {
		return fmt.Sprintf("files only (ABI %d): %v", abi, err)
	}
	return fmt.Sprintf("in force (ABI %d): readable %q, connects to ports %v", abi, read, ports)
}

// landlockABI returns the version of Landlock that the kernel has, or less
// than 1.
func landlockABI() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return -1
	}
	return int(n)
}
