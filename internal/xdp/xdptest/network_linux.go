// Package xdptest makes a network to try the fast path in: two network
// namespaces and a veth between them. The client's end is in the namespace of
// the process, the server's in one of its own. Both end with the process.
//
//	n, err := xdptest.New() // in a namespace of the process's own
//	err = n.InServer(exec.Command("port843", "serve", "--fastpath", xdptest.Server).Start)
package xdptest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// The two ends and their addresses.
const (
	Client, Server   = "p843c", "p843s"
	Client4, Server4 = "10.84.3.1", "10.84.3.2"
	Client6, Server6 = "fd84:3::1", "fd84:3::2"
)

// Network is the veth with its two ends.
type Network struct {
	server *os.File // the server's namespace
	peer   link.Link
}

// New makes the network. It needs root, ip(8), and a network namespace that
// nobody else uses. The server's has net.ipv4.tcp_syncookies=2.
func New() (*Network, error) {
	n := &Network{}
	var err error
	if n.server, err = newNamespace(); err != nil {
		return nil, err
	}
	here := []string{
		"link set lo up",
		"link add " + Client + " numrxqueues 4 numtxqueues 4 type veth peer name " + Server + " numrxqueues 4 numtxqueues 4",
		"link set " + Server + " netns " + n.Path(),
		"addr add " + Client4 + "/24 dev " + Client,
		"addr add " + Client6 + "/64 dev " + Client + " nodad",
		"link set " + Client + " up",
	}
	there := []string{
		"link set lo up",
		"addr add " + Server4 + "/24 dev " + Server,
		"addr add " + Server6 + "/64 dev " + Server + " nodad",
		"link set " + Server + " up",
	}
	if err := ip(here); err != nil {
		return nil, err
	}
	err = n.InServer(func() error {
		if err := ip(there); err != nil {
			return err
		}
		return os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte("2"), 0o644)
	})
	if err != nil {
		return nil, err
	}
	return n, n.listen()
}

// Again runs this program once more, with the same arguments, in namespaces of
// its own for network and mounts, and with value in its environment under key.
// It ends when this process does, and all its namespaces hold with it.
func Again(key, value string) error {
	runtime.LockOSThread() // what is started dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), key+"="+value)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

// newNamespace returns a new network namespace; it lasts as long as the file.
func newNamespace() (*os.File, error) {
	type made struct {
		f   *os.File
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err != nil {
			done <- made{err: os.NewSyscallError("unshare", err)}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		done <- made{f, err}
	}()
	m := <-done
	return m.f, m.err
}

// Path is the server's namespace as a file, while this process lives: for
// nsenter --net.
func (n *Network) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.server.Fd()) }

// InServer calls f in the server's namespace. What f starts stays there;
// goroutines do not.
func (n *Network) InServer(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(n.server.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- os.NewSyscallError("setns", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// ip runs ip(8) with each of the lines.
func ip(lines []string) error {
	for _, l := range lines {
		if out, err := exec.Command("ip", strings.Fields(l)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", l, err, out)
		}
	}
	return nil
}

// listen puts a program on the client's end: a veth takes what XDP sends only
// where its other end runs XDP too. It lets everything in but what is for the
// addresses that Flood forges: those are other machines', whose work is not to
// be done here.
func (n *Network) listen() error {
	const drop, pass = 1, 2
	in, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "listen", Type: ebpf.XDP, License: "MIT", Flags: unix.BPF_F_XDP_HAS_FRAGS,
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // data
			asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // its end
			asm.Mov.Imm(asm.R0, pass),
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, tcpAt),
			asm.JGT.Reg(asm.R4, asm.R3, "out"),
			asm.LoadMem(asm.R4, asm.R2, ipAt-2, asm.Half),
			asm.HostTo(asm.BE, asm.R4, asm.Half),
			asm.JNE.Imm(asm.R4, 0x0800, "out"),
			asm.LoadMem(asm.R4, asm.R2, ipAt+16, asm.Half), // the target's first two bytes
			asm.HostTo(asm.BE, asm.R4, asm.Half),
			asm.And.Imm(asm.R4, 0xfffe),
			asm.JNE.Imm(asm.R4, forgedNet>>16, "out"),
			asm.Mov.Imm(asm.R0, drop),
			asm.Return().WithSymbol("out"),
		},
	})
	if err != nil {
		return fmt.Errorf("the program of the client's end: %w", err)
	}
	defer in.Close()
	end, err := net.InterfaceByName(Client)
	if err != nil {
		return err
	}
	n.peer, err = link.AttachXDP(link.XDPOptions{Program: in, Interface: end.Index, Flags: link.XDPDriverMode})
	return err
}

// Deafen takes the client's program away again: nothing that XDP sends arrives
// from then on.
func (n *Network) Deafen() error {
	if n.peer == nil {
		return errors.New("xdptest: it is deaf already")
	}
	err := n.peer.Close()
	n.peer = nil
	return err
}
