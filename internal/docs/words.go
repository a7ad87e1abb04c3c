package docs

import (
	"errors"
	"strings"
)

// Words splits a piece of shell into its simple commands, and each into its
// words, quotes taken off. Redirections, assignments before a command and
// keywords are left out; a command within $( ) or behind sudo and the like
// counts as one of its own. An expansion is left as it stands.
func Words(script string) ([][]string, error) {
	r := reader{text: script}
	for r.pos < len(r.text) {
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	r.endCommand()
	return r.out, nil
}

type reader struct {
	text string
	pos  int

	word    strings.Builder
	inWord  bool
	skip    bool // the word is a redirection's
	command []string
	out     [][]string
}

// before are the words that stand before a command and are none of its own.
var before = map[string]bool{"sudo": true, "exec": true, "nohup": true, "time": true, "!": true, "if": true, "then": true, "else": true, "while": true, "until": true, "do": true, "{": true, "run:": true}

func (r *reader) next() error {
	c := r.text[r.pos]
	switch c {
	case ' ', '\t':
		r.endWord()
	case '\n', ';', '|', '(', ')':
		r.endCommand()
	case '&':
		// ">&1" and "&>" are redirections, "&&" and "&" end a command.
		if r.skip || r.pos+1 < len(r.text) && r.text[r.pos+1] == '>' {
			r.word.WriteByte(c)
			break
		}
		r.endCommand()
	case '<', '>':
		r.redirect()
	case '#':
		if !r.inWord {
			if end := strings.IndexByte(r.text[r.pos:], '\n'); end >= 0 {
				r.pos += end - 1
			} else {
				r.pos = len(r.text)
			}
			break
		}
		r.add(c)
	case '\\':
		if r.pos++; r.pos < len(r.text) && r.text[r.pos] != '\n' {
			r.add(r.text[r.pos])
		}
	case '\'', '"':
		return r.quoted(c)
	case '$':
		if strings.HasPrefix(r.text[r.pos:], "$(") {
			return r.substitution()
		}
		r.add(c)
	default:
		r.add(c)
	}
	r.pos++
	return nil
}

func (r *reader) add(c byte) {
	r.inWord = true
	r.word.WriteByte(c)
}

// redirect begins the word that a redirection goes to; a number right before
// it is the descriptor.
func (r *reader) redirect() {
	if strings.Trim(r.word.String(), "0123456789&") == "" {
		r.word.Reset()
		r.inWord = false
	}
	r.endWord()
	if r.pos+1 < len(r.text) && r.text[r.pos+1] == '>' {
		r.pos++
	}
	for r.pos+1 < len(r.text) && r.text[r.pos+1] == ' ' {
		r.pos++
	}
	r.skip = true
}

func (r *reader) quoted(quote byte) error {
	r.inWord = true
	for r.pos++; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; {
		case c == quote:
			r.pos++
			return nil
		case c == '\\' && quote == '"' && r.pos+1 < len(r.text) && strings.IndexByte(`"\$`+"`", r.text[r.pos+1]) >= 0:
			r.pos++
			r.word.WriteByte(r.text[r.pos])
		default:
			r.word.WriteByte(c)
		}
	}
	return errors.New("a quote is not closed: " + r.text)
}

// substitution reads $( ) as commands of their own, and leaves it in the word.
func (r *reader) substitution() error {
	depth, start := 0, r.pos
	for ; r.pos < len(r.text); r.pos++ {
		switch r.text[r.pos] {
		case '(':
			depth++
		case ')':
			if depth--; depth > 0 {
				continue
			}
			inner, err := Words(r.text[start+2 : r.pos])
			if err != nil {
				return err
			}
			r.out = append(r.out, inner...)
			r.inWord = true
			r.word.WriteString(r.text[start : r.pos+1])
			r.pos++
			return nil
		}
	}
	return errors.New("a $( is not closed: " + r.text)
}

func (r *reader) endWord() {
	if !r.inWord && !r.skip {
		return
	}
	word := r.word.String()
	r.word.Reset()
	skip := r.skip
	r.inWord, r.skip = false, false
	name, _, assigns := strings.Cut(word, "=")
	switch {
	case skip:
	case len(r.command) == 0 && (before[word] || assigns && name != "" && !strings.ContainsAny(name, "-/.:$")):
	default:
		r.command = append(r.command, word)
	}
}

func (r *reader) endCommand() {
	r.endWord()
	if len(r.command) > 0 {
		r.out = append(r.out, r.command)
	}
	r.command = nil
}
