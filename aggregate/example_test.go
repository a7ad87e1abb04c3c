package aggregate_test

import (
	"fmt"
	"os"

	"github.com/port843/port843/aggregate"
	"github.com/port843/port843/policy"
)

// A department may open 9000 to 9099 to its own pages. One of its files is in
// order, the other lets in everyone.
func ExampleBuild() {
	ports, _ := policy.ParsePorts("9000-9099")
	own, _ := policy.ParseDomain("*.physics.example.edu")
	good := `<cross-domain-policy><allow-access-from domain="*.physics.example.edu" to-ports="9000"/></cross-domain-policy>`
	bad := `<cross-domain-policy><allow-access-from domain="*" to-ports="9001"/></cross-domain-policy>`

	r := aggregate.Build(aggregate.Options{}, []aggregate.Version{{
		Owner: aggregate.Owner{Name: "physics", Ports: ports, Domains: []policy.Domain{own}},
		Fragments: []aggregate.Fragment{
			aggregate.ReadFragment("good.xml", []byte(good)),
			aggregate.ReadFragment("bad.xml", []byte(bad)),
		},
	}})
	os.Stdout.Write(policy.Format(r.Tables[0].Policy()))
	for _, refused := range r.Refusals {
		fmt.Println(refused)
	}
	fmt.Println("the first rule comes from", r.Tables[0].From(0)[0])
	// Output:
	// <?xml version="1.0"?>
	// <cross-domain-policy>
	// <site-control permitted-cross-domain-policies="master-only"/>
	// <allow-access-from domain="*.physics.example.edu" to-ports="9000"/>
	// </cross-domain-policy>
	// bad.xml:1:49: physics: it may not let in anyone, only *.physics.example.edu
	// the first rule comes from physics, good.xml:1:22
}
