package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
)

// This program is also the processes that it starts: the variable says which.
const roleVariable = "PORT843_BENCH_ROLE"

const (
	origin = "http://bench.example.com"
	rules  = `<cross-domain-policy><allow-access-from domain="*.example.com" to-ports="*"/></cross-domain-policy>`
)

// play is what a process does: "echo ADDRESS", "keep ADDRESS", "door ADDRESS
// BACKEND" or "visitors ADDRESS COUNT".
func play(role string) error {
	f := strings.Fields(role)
	if len(f) < 2 {
		return fmt.Errorf("no such role: %q", role)
	}
	switch f[0] {
	case "echo":
		return echo(f[1])
	case "keep":
		return keep(f[1])
	case "door":
		return door(f[1], f[2])
	case "visitors":
		return visitors(f[1], f[2])
	}
	return fmt.Errorf("no such role: %q", role)
}

// echo repeats what it hears. A connection that begins with "S" is a sink: it
// is counted, and answered by one byte at its end.
func echo(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			b := make([]byte, 64<<10)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if b[0] == 'S' {
				io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
				c.Write([]byte("."))
				return
			}
			for err == nil {
				if _, err = c.Write(b[:n]); err == nil {
					n, err = c.Read(b)
				}
			}
		}()
	}
}

// keep accepts connections and does nothing with them.
func keep(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	var all []net.Conn
	for {
		c, err := ln.Accept()
		if err != nil {
			return fmt.Errorf("after %d: %w", len(all), err)
		}
		all = append(all, c)
	}
}

// door is the front door.
func door(addr, backend string) error {
	p, err := policy.Parse([]byte(rules))
	if err != nil {
		return err
	}
	d, err := frontdoor.New(frontdoor.Options{
		Policy: p, Port: 9000, Backends: []string{backend}, Limits: frontdoor.Limits{MaxConnections: 1 << 20, MaxPerAddress: 1 << 20},
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return d.Serve(ln)
}
