package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// patience bounds what is waited for while something is measured.
const patience = time.Minute

func dial(addr string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(patience))
}

// raw measures one raw stream, round trips, and connections with one byte.
func raw(p *process, s scale, got results) error {
	for _, f := range []func(*process, scale, results) error{rawStream, rawPings, rawVisits} {
		if err := f(p, s, got); err != nil {
			return err
		}
	}
	return nil
}

func rawStream(p *process, s scale, got results) error {
	c, err := dial(p.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	chunk := []byte("S" + strings.Repeat("x", 256<<10-1))
	cpu, err := p.used()
	if err != nil {
		return err
	}
	began, n := time.Now(), 0
	for ; n < s.bulk; n += len(chunk) {
		if _, err := c.Write(chunk); err != nil {
			return err
		}
	}
	c.CloseWrite()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		return err
	}
	got.add(figure{stream, "MB/s"}, p, float64(n)/1e6/time.Since(began).Seconds())
	return got.cpu(figure{stream, "µs of processor time a MB"}, p, cpu, float64(n)/1e6)
}

func rawPings(p *process, s scale, got results) error {
	c, err := dial(p.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	times := make([]float64, 0, s.pings)
	message := []byte("<twenty-two bytes long")
	answer := make([]byte, len(message))
	cpu, err := p.used()
	if err != nil {
		return err
	}
	for range s.pings {
		began := time.Now()
		if err := roundTrip(c, message, answer); err != nil {
			return err
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
	}
	slices.Sort(times)
	got.add(figure{pings, "median µs"}, p, times[len(times)/2])
	got.add(figure{pings, "99 % below, µs"}, p, times[len(times)*99/100])
	return got.cpu(figure{pings, "µs of processor time"}, p, cpu, float64(s.pings))
}

func rawVisits(p *process, s scale, got results) error {
	times := make([]float64, 0, s.visits)
	answer := make([]byte, 1)
	cpu, err := p.used()
	if err != nil {
		return err
	}
	for range s.visits {
		began := time.Now()
		c, err := dial(p.addr)
		if err != nil {
			return err
		}
		if err := roundTrip(c, []byte("<"), answer); err != nil {
			return fmt.Errorf("one byte: %w", err)
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
		c.SetLinger(0) // no TIME-WAIT: the next round needs the ports
		c.Close()
	}
	slices.Sort(times)
	got.add(figure{visits, "median µs"}, p, times[len(times)/2])
	return got.cpu(figure{visits, "µs of processor time"}, p, cpu, float64(s.visits))
}

func roundTrip(c net.Conn, b, answer []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, answer)
	return err
}
