package player_test

import (
	"context"
	"fmt"

	"github.com/port843/port843/player"
	"github.com/port843/port843/policy"
)

// A policy is judged without a network: a Table says what lies where.
func ExampleDecide() {
	table := &player.Table{Files: map[player.Location]player.File{
		player.SocketLocation("game.example.net", policy.MasterPort): {Data: []byte(
			`<cross-domain-policy><allow-access-from domain="www.example.com" to-ports="9000"/></cross-domain-policy>`)},
	}}
	from, err := policy.ParseRequestor("http://example.com/game.swf")
	if err != nil {
		fmt.Println(err)
		return
	}
	v := player.Decide(context.Background(), table, player.Question{From: from, Target: player.SocketTarget("game.example.net", 9000)})
	fmt.Println(v.Answer, v.Reason, v.Event())
	for _, a := range player.Advise(v) {
		fmt.Println(a.What)
	}
	// Output:
	// denied no-rule SecurityErrorEvent, Error #2048
	// add <allow-access-from domain="example.com" to-ports="9000"/>
}
