package config

import (
	"errors"
	"fmt"
	"sort"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/port843/port843/policy"
)

// node is a value of the file with its place: a table, a list or a scalar.
type node struct {
	kind   unstable.Kind // Table, Array, or the kind of a scalar
	text   string        // of a scalar, decoded
	pos    policy.Pos    // of the value; of a table: of its header or brace
	list   []*node
	keys   []string // of a table, in the order of the file
	byName map[string]*entry
}

type entry struct {
	pos   policy.Pos // of the key
	value *node
}

// tree reads TOML. Its error is a single [*Mistake].
func tree(file string, data []byte) (*node, *Mistake) {
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil {
		m := &Mistake{File: file, Code: CodeTOML, Msg: err.Error()}
		var d *toml.DecodeError
		if errors.As(err, &d) {
			line, col := d.Position()
			m.Pos = policy.Pos{Line: int32(line), Col: int32(col)}
		}
		return nil, m
	}
	b := builder{data: data, root: newTable(policy.Pos{Line: 1, Col: 1})}
	for i, c := range data {
		if c == '\n' {
			b.lines = append(b.lines, i+1)
		}
	}
	b.p.Reset(data)
	at := b.root
	for b.p.NextExpression() {
		e := b.p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			b.keyValue(at, e)
		case unstable.Table, unstable.ArrayTable:
			at = b.header(e)
		}
	}
	return b.root, nil
}

func newTable(pos policy.Pos) *node {
	return &node{kind: unstable.Table, pos: pos, byName: map[string]*entry{}}
}

type builder struct {
	p     unstable.Parser
	data  []byte
	lines []int // offsets of the lines behind the first
	root  *node
}

func (b *builder) pos(offset int) policy.Pos {
	line := sort.SearchInts(b.lines, offset+1)
	start := 0
	if line > 0 {
		start = b.lines[line-1]
	}
	return policy.Pos{Line: int32(line + 1), Col: int32(utf8.RuneCount(b.data[start:offset]) + 1), Offset: int32(offset)}
}

func (b *builder) at(n *unstable.Node) policy.Pos { return b.pos(int(n.Raw.Offset)) }

// child returns the table named by one key within t, made where it is not yet
// there: of a list of tables the last, as TOML has it.
func (b *builder) child(t *node, key *unstable.Node) *node {
	name := string(key.Data)
	e := t.byName[name]
	if e == nil {
		e = t.put(name, b.at(key), newTable(b.at(key)))
	}
	if e.value.kind == unstable.Array {
		return e.value.list[len(e.value.list)-1]
	}
	return e.value
}

func (t *node) put(name string, pos policy.Pos, v *node) *entry {
	e := &entry{pos, v}
	t.byName[name] = e
	t.keys = append(t.keys, name)
	return e
}

// header returns the table that a [table] or [[table]] line opens.
func (b *builder) header(e *unstable.Node) *node {
	t := b.root
	for it := e.Key(); it.Next(); {
		key := it.Node()
		if !it.IsLast() || e.Kind == unstable.Table {
			t = b.child(t, key)
			continue
		}
		name := string(key.Data)
		list := t.byName[name]
		if list == nil {
			list = t.put(name, b.at(key), &node{kind: unstable.Array, pos: b.at(key)})
		}
		item := newTable(b.at(key))
		list.value.list = append(list.value.list, item)
		t = item
	}
	return t
}

func (b *builder) keyValue(t *node, e *unstable.Node) {
	for it := e.Key(); it.Next(); {
		if !it.IsLast() {
			t = b.child(t, it.Node())
			continue
		}
		pos := b.at(it.Node())
		t.put(string(it.Node().Data), pos, b.value(e.Value(), pos))
	}
}

// value copies a value; around is the place of what it stands in, for the
// kinds that have no place of their own.
func (b *builder) value(v *unstable.Node, around policy.Pos) *node {
	pos := around
	if v.Raw.Length > 0 {
		pos = b.at(v)
	}
	switch v.Kind {
	case unstable.Array:
		n := &node{kind: v.Kind, pos: pos}
		for it := v.Children(); it.Next(); {
			n.list = append(n.list, b.value(it.Node(), pos))
		}
		return n
	case unstable.InlineTable:
		n := newTable(pos)
		for it := v.Children(); it.Next(); {
			b.keyValue(n, it.Node())
		}
		return n
	}
	return &node{kind: v.Kind, text: string(v.Data), pos: pos}
}

// describe names the kind of a value in a message.
func (n *node) describe() string {
	switch n.kind {
	case unstable.Table:
		return "a table"
	case unstable.Array:
		return "a list"
	case unstable.String:
		return "a string"
	case unstable.Bool:
		return "a truth value"
	case unstable.Integer:
		return "a number"
	}
	return fmt.Sprintf("a %s", n.kind)
}
