package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/port843/port843/internal/nearest"
	"github.com/port843/port843/policy"
)

// text is a string of the file; pos is not valid where it is not there.
type text struct {
	s   string
	pos policy.Pos
}

func (t text) set() bool { return t.pos.IsValid() }

// number is an integer of the file.
type number struct {
	n   int64
	pos policy.Pos
}

// raw is the file as it stands: the right kinds, nothing checked beyond.
type raw struct {
	serve     rawServe
	listeners []rawListener
	owners    []rawOwner
	services  []rawService
	sites     []rawSite
}

type rawServe struct {
	at                                        item
	listen, fastPath                          []text
	admin, user, policy, log, deadline, meta  text
	maxConnections, maxPerAddress, publicPort number
	adminToken, adminCert, adminKey, adminCA  text
}

type rawListener struct {
	at              item
	address, policy text
}

type rawOwner struct {
	at                                  item
	name, ports                         text
	addresses, hosts, domains, policies []text
}

type rawService struct {
	at                                item
	name, owner, host, address, ports text
	allow                             []text
	secure                            bool
	front                             rawFront
}

// item is where a table of the file stands and how it is called.
type item struct {
	key string // such as owner[2]
	pos policy.Pos
}

// decoder reads a tree into raw and collects the mistakes.
type decoder struct {
	file     string
	mistakes Mistakes
}

func (d *decoder) add(pos policy.Pos, key string, code Code, value, format string, args ...any) {
	switch n := len(d.mistakes); {
	case n < MaxMistakes:
		d.mistakes = append(d.mistakes, &Mistake{d.file, pos, key, code, value, fmt.Sprintf(format, args...)})
	case n == MaxMistakes:
		d.mistakes = append(d.mistakes, &Mistake{d.file, pos, "", CodeMore, "", "and more; correct these first"})
	}
}

// section is a table that is being read: what was asked for is known, and what
// is left over is a mistake.
type section struct {
	d     *decoder
	item  item
	n     *node
	asked []string
}

func (d *decoder) decode(root *node) raw {
	var r raw
	top := &section{d: d, n: root}
	top.one("serve", func(s *section) { r.serve = s.serve() })
	top.many("listener", func(s *section) {
		r.listeners = append(r.listeners, rawListener{s.item, s.text("address"), s.text("policy")})
	})
	top.many("owner", func(s *section) {
		r.owners = append(r.owners, rawOwner{
			at: s.item, name: s.text("name"), ports: s.text("ports"),
			addresses: s.texts("addresses"), hosts: s.texts("hosts"), domains: s.texts("domains"), policies: s.texts("policies"),
		})
	})
	top.many("service", func(s *section) {
		r.services = append(r.services, rawService{
			at: s.item, name: s.text("name"), owner: s.text("owner"), host: s.text("host"), address: s.text("address"),
			ports: s.text("ports"), allow: s.texts("allow"), secure: s.truth("secure"), front: s.front(),
		})
	})
	top.many("site", func(s *section) { r.sites = append(r.sites, s.site()) })
	top.leftOver()
	return r
}

func (s *section) serve() rawServe {
	return rawServe{
		at: s.item, listen: s.texts("listen"), fastPath: s.texts("fastpath"), admin: s.text("admin"), user: s.text("user"), policy: s.text("policy"),
		log: s.text("log"), deadline: s.text("deadline"), meta: s.text("meta_policy"),
		maxConnections: s.number("max_connections"), maxPerAddress: s.number("max_per_address"), publicPort: s.number("public_port"),
		adminToken: s.text("admin_token_file"), adminCert: s.text("admin_cert"), adminKey: s.text("admin_key"), adminCA: s.text("admin_client_ca"),
	}
}

func (s *section) path(name string) string {
	if s.item.key == "" {
		return name
	}
	return s.item.key + "." + name
}

// get returns the entry of that name, or nil.
func (s *section) get(name string) *entry {
	s.asked = append(s.asked, name)
	return s.n.byName[name]
}

func (s *section) wrongKind(e *node, name, want string) {
	s.d.add(e.pos, s.path(name), CodeKind, "", "%s was meant, not %s", want, e.describe())
}

// one reads the table of that name, where there is one.
func (s *section) one(name string, read func(*section)) {
	e := s.get(name)
	if e == nil {
		return
	}
	if e.value.kind != unstable.Table {
		s.wrongKind(e.value, name, "a table, ["+name+"],")
		return
	}
	sub := &section{d: s.d, item: item{s.path(name), e.pos}, n: e.value}
	read(sub)
	sub.leftOver()
}

// many reads the list of tables of that name.
func (s *section) many(name string, read func(*section)) {
	e := s.get(name)
	if e == nil {
		return
	}
	if e.value.kind != unstable.Array {
		s.wrongKind(e.value, name, "a list of tables, [["+name+"]],")
		return
	}
	for i, n := range e.value.list {
		key := fmt.Sprintf("%s[%d]", name, i+1)
		if n.kind != unstable.Table {
			s.wrongKind(n, key, "a table")
			continue
		}
		sub := &section{d: s.d, item: item{key, n.pos}, n: n}
		read(sub)
		sub.leftOver()
	}
}

func (s *section) text(name string) text {
	e := s.get(name)
	if e == nil {
		return text{}
	}
	return s.string(e.value, name)
}

func (s *section) string(n *node, name string) text {
	if n.kind != unstable.String {
		s.wrongKind(n, name, "a string")
		return text{}
	}
	if n.text == "" {
		s.d.add(n.pos, s.path(name), CodeEmpty, "", "the value is empty; leave the key out instead")
		return text{}
	}
	return text{n.text, n.pos}
}

// texts reads a list of strings; a single string is a list of one.
func (s *section) texts(name string) []text {
	e := s.get(name)
	if e == nil {
		return nil
	}
	items := []*node{e.value}
	if e.value.kind == unstable.Array {
		items = e.value.list
		if len(items) == 0 {
			s.d.add(e.pos, s.path(name), CodeEmpty, "", "the list is empty; leave the key out instead")
		}
	}
	out := make([]text, 0, len(items))
	for _, n := range items {
		if t := s.string(n, name); t.set() {
			out = append(out, t)
		}
	}
	return out
}

func (s *section) number(name string) number {
	e := s.get(name)
	if e == nil {
		return number{}
	}
	if e.value.kind != unstable.Integer {
		s.wrongKind(e.value, name, "a number")
		return number{}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(e.value.text, "_", ""), 0, 64)
	if err != nil {
		s.d.add(e.value.pos, s.path(name), CodeLimit, e.value.text, "not a number that fits")
		return number{}
	}
	return number{n, e.value.pos}
}

func (s *section) truth(name string) bool {
	e := s.get(name)
	if e == nil {
		return false
	}
	if e.value.kind != unstable.Bool {
		s.wrongKind(e.value, name, "true or false")
		return false
	}
	return e.value.text == "true"
}

// leftOver reports the keys that nothing asked for.
func (s *section) leftOver() {
	for _, name := range s.n.keys {
		found := false
		for _, a := range s.asked {
			found = found || a == name
		}
		if found {
			continue
		}
		msg := "no such key"
		if near := nearest.Word(name, s.asked); near != "" {
			msg = fmt.Sprintf("no such key; did you mean %q", near)
		}
		s.d.add(s.n.byName[name].pos, s.path(printable(name)), CodeUnknown, "", "%s", msg)
	}
}
