package player

import (
	"errors"
	"fmt"
)

// Given is a policy that is at hand, to be judged without a network.
type Given struct {
	Policy []byte // nil: there is no policy anywhere
	Master []byte // the master beside it; nil: none was given
	// URL is where the policy is taken to come from; the zero value is the
	// place where the client looks first.
	URL Location
	// ServedFrom says the same by a port alone; 0 is not said. The ports 80
	// and 443 stand for a web server's /crossdomain.xml, unless they are the
	// port of the socket itself, where the policy is then answered in band.
	ServedFrom uint16
	// ContentType and MetaHeader are how a web server sends Policy.
	ContentType string
	MetaHeader  string
}

// Errors of [Given.Apply].
var (
	ErrTwoMasters = errors.New("the policy and the master are taken to come from the same place")
	ErrTwoPlaces  = errors.New("the URL and the port of the policy contradict each other")
)

// Apply returns the table for the question, and puts the place of the policy
// among what the SWF loads where no client would look there by itself. Both
// are per client: their masters lie at different ports.
func (g Given) Apply(q *Question) (*Table, error) {
	if q.Client == nil {
		q.Client = Flash()
	}
	t := &Table{Files: map[Location]File{}, Partial: g.Policy != nil || g.Master != nil}
	master := q.Target.Location().master()
	if q.Target.IsSocket() {
		master = SocketLocation(q.Target.Host(), q.Client.MasterPort)
	}
	q.ByPolicy = t.Partial
	if g.Master != nil {
		t.Files[master] = File{Data: g.Master}
	}
	if g.Policy == nil {
		return t, nil
	}
	at, err := g.place(q.Target, master)
	if err != nil {
		return nil, err
	}
	if at == master && g.Master != nil {
		return nil, ErrTwoMasters
	}
	t.Files[at] = File{Data: g.Policy, ContentType: g.ContentType, MetaHeader: g.MetaHeader}
	if at != master && at != q.Target.Location() {
		q.Load = append([]Location{at}, q.Load...)
	}
	return t, nil
}

// place returns where the policy is taken to come from.
func (g Given) place(t Target, master Location) (Location, error) {
	at := g.URL
	if at == (Location{}) {
		at = master
		switch {
		case g.ServedFrom == 0:
		case !t.IsSocket():
			at.Port = g.ServedFrom
		case (g.ServedFrom == 80 || g.ServedFrom == 443) && g.ServedFrom != t.Port():
			scheme := map[uint16]string{80: "http", 443: "https"}[g.ServedFrom]
			at = Location{Scheme: scheme, Host: t.Host(), Port: g.ServedFrom, Path: MasterPath}
		default:
			at.Port = g.ServedFrom
		}
		return at, nil
	}
	if g.ServedFrom != 0 && g.ServedFrom != at.Port {
		return Location{}, fmt.Errorf("%w: %s and %d", ErrTwoPlaces, at, g.ServedFrom)
	}
	return at, nil
}
