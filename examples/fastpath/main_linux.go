// Command fastpath shows serve --fastpath at work, on any Linux with root:
//
//	make demo-fastpath
//
// It makes two network namespaces with a veth between them, starts the service
// in one, asks it from the other, and prints what became of the packets. When
// it ends, the namespaces and all in them are gone.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/port843/port843/internal/xdp/xdptest"
	"github.com/port843/port843/policy"
)

// inside is set in the environment of the process in its own namespaces, to a
// folder that the process outside removes.
const inside = "PORT843_DEMO_FASTPATH"

const exchanges = 1000

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: fastpath PATH-OF-PORT843")
	}
	if dir := os.Getenv(inside); dir != "" {
		return show(os.Args[1], dir)
	}
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for network namespaces and the program in the driver")
	}
	dir, err := os.MkdirTemp("", "port843-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The service becomes an ordinary user, and must find its socket.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return xdptest.Again(inside, dir)
}

func show(program, dir string) error {
	n, err := xdptest.New()
	if err != nil {
		return err
	}
	fmt.Printf("two network namespaces: the client at %s, the server at %s and %s,\nnet.ipv4.tcp_syncookies=2 there\n", xdptest.Client4, xdptest.Server4, xdptest.Server6)
	admin := "unix:" + filepath.Join(dir, "admin.sock")
	args := []string{"serve", "--allow", "*.example.com:9000", "--fastpath", xdptest.Server, "--admin", admin}
	title("port843 " + strings.Join(args, " "))
	service := exec.Command("nsenter", append([]string{"--net=" + n.Path(), program}, args...)...)
	service.Stdout, service.Stderr = os.Stdout, os.Stdout
	service.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := service.Start(); err != nil {
		return err
	}
	defer func() {
		service.Process.Signal(syscall.SIGTERM)
		service.Wait()
		runtime.KeepAlive(n)
	}()
	if err := wait(program, admin); err != nil {
		return err
	}
	target := net.JoinHostPort(xdptest.Server4, "843")
	title(fmt.Sprintf("%d exchanges with the kernel's own client", exchanges))
	if err := askAll(target); err != nil {
		return err
	}
	title("port843 conform: every kind of client, good and bad, over IPv6")
	if err := verb(program, "conform", net.JoinHostPort(xdptest.Server6, "843")); err != nil {
		return err
	}
	title("port843 status")
	return verb(program, "status", "--admin", admin)
}

func title(s string) { fmt.Printf("\n--- %s\n", s) }

// wait waits until the service says that all is well.
func wait(program, admin string) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if exec.Command(program, "status", "--admin", admin).Run() == nil {
			return nil
		}
	}
	return errors.New("the service did not come up; what it says stands above")
}

func askAll(target string) error {
	began := time.Now()
	var last []byte
	for range exchanges {
		got, err := ask(target)
		if err != nil {
			return err
		}
		last = got
	}
	fmt.Printf("%d answers in %v, one after the other; each is\n%s\n", exchanges, time.Since(began).Round(time.Millisecond), strings.TrimRight(string(last), "\x00"))
	return nil
}

func ask(target string) ([]byte, error) {
	c, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, policy.Request); err != nil {
		return nil, err
	}
	return io.ReadAll(c)
}

func verb(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	return cmd.Run()
}
