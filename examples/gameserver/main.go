// Command gameserver is a chat for Flash games, on one port: old players reach
// it by AS3's Socket or XMLSocket, browsers by Ruffle and a WebSocket, and the
// policy that Flash asks for is answered on the same port.
//
//	go run ./examples/gameserver
//	printf '<policy-file-request/>\0' | nc -N 127.0.0.1 9000
//	nc 127.0.0.1 9000
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"sync"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/policy"
)

const rules = `<cross-domain-policy><allow-access-from domain="games.example.com" to-ports="9000"/></cross-domain-policy>`

func main() {
	address := "127.0.0.1:9000"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	door, err := newDoor()
	if err != nil {
		log.Fatal(err)
	}
	go door.Serve(ln)
	fmt.Println("playing on", ln.Addr())
	serve(door)
}

// newDoor is what a game needs of the package: a policy, its port, and then
// Accept in place of the listener's.
func newDoor() (*frontdoor.Door, error) {
	p, err := policy.Parse([]byte(rules))
	if err != nil {
		return nil, err
	}
	return frontdoor.New(frontdoor.Options{Policy: p, Port: 9000})
}

// serve is the game: a room in which everybody hears every line.
func serve(ln net.Listener) {
	var room room
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go room.play(c)
	}
}

type room struct {
	mu      sync.Mutex
	players map[net.Conn]struct{}
}

func (r *room) play(c net.Conn) {
	r.mu.Lock()
	if r.players == nil {
		r.players = map[net.Conn]struct{}{}
	}
	r.players[c] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.players, c)
		r.mu.Unlock()
		c.Close()
	}()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		r.tell(c.RemoteAddr().String() + ": " + lines.Text() + "\n")
	}
}

func (r *room) tell(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.players {
		c.Write([]byte(line))
	}
}
