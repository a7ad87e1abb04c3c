// Command naive is a socket policy server as one writes it in Go at first: a
// goroutine per connection, a deadline, read, write, close. It is right, and
// the benchmark shows what it costs.
//
//	naive ADDRESS POLICY-FILE
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	request = "<policy-file-request/>\x00"
	allowed = 10 * time.Second // for a whole exchange
)

func main() {
	fmt.Fprintln(os.Stderr, "naive:", run(os.Args[1:]))
	os.Exit(2)
}

// run serves until it cannot begin, which is all that ends it.
func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: naive ADDRESS POLICY-FILE")
	}
	document, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	answer := append(document, 0)
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			// Descriptors are gone: the usual advice is to wait a little.
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go serve(c, answer)
	}
}

func serve(c net.Conn, answer []byte) {
	defer c.Close()
	if c.SetDeadline(time.Now().Add(allowed)) != nil {
		return
	}
	var buf [len(request)]byte
	if _, err := io.ReadFull(c, buf[:]); err != nil || string(buf[:]) != request {
		return
	}
	// What the client does with a cut answer is its own affair.
	_, _ = c.Write(answer)
}
