// Command gen writes the two editions of the university example:
//
//	go run ./examples/university/gen examples
//
// They are committed; a test sees to it that they are what this writes.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen DIR")
		os.Exit(2)
	}
	for name, text := range files() {
		path := filepath.Join(os.Args[1], filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(2)
		}
	}
}

// app is something that a department runs.
type app struct {
	name string
	port int    // within the department's ten
	from string // whom it serves beside the department; "": nobody
	file bool   // stands in a policy file of the department, not in the table
}

type department struct {
	name string
	apps []app
}

// lentToFilm is sociology's first port, which film was once lent and still
// opens: they share an address, so it is a conflict.
const lentToFilm = 9370 - 9190

// departments are forty; the first has all addresses.
var departments = []department{
	{"computing", []app{{"monitor", 0, "status.example.edu", false}}},
	{"anthropology", []app{{"fieldnotes", 0, "", false}}},
	{"archaeology", []app{{"siteviewer", 0, "", true}, {"tour", 1, "*.museum.example.org", true}}},
	{"architecture", []app{{"whiteboard", 0, "", false}, {"studio-chat", 1, "", false}}},
	{"astronomy", []app{{"telescope", 0, "", false}, {"skymap", 1, "*.observatory.example.org", true}}},
	{"biochemistry", []app{{"folding", 0, "", true}}},
	{"biology", []app{{"microscope", 0, "", false}, {"quiz", 1, "", true}}},
	{"botany", []app{{"herbarium", 0, "", true}}},
	{"business", []app{{"stock-game", 0, "games.example.com", false}}},
	{"chemistry", []app{{"molecules", 0, "", true}, {"lab-queue", 1, "", false}}},
	{"classics", []app{{"library", 0, "", true}}},
	{"dance", []app{{"motion", 0, "", false}}},
	{"dentistry", []app{{"anatomy", 0, "", true}}},
	{"design", []app{{"critique", 0, "", false}, {"shared-canvas", 1, "", true}}},
	{"drama", []app{{"stage-cam", 0, "", true}}},
	{"economics", []app{{"auction", 0, "", false}, {"market", 1, "*.econ-lab.example.org", false}}},
	{"education", []app{{"classroom", 0, "*.schools.example.org", true}}},
	{"engineering", []app{{"wind-tunnel", 0, "", false}, {"plotter", 1, "", true}}},
	{"english", []app{{"reading-room", 0, "", true}}},
	{"film", []app{{"storyboard", 0, "", false}, {"screening", lentToFilm, "", false}}},
	{"forestry", []app{{"fire-watch", 0, "", true}}},
	{"french", []app{{"voice-chat", 0, "", false}}},
	{"geography", []app{{"map-relay", 0, "", true}, {"weather", 1, "weather.example.org", true}}},
	{"geology", []app{{"seismograph", 0, "", true}, {"cores", 1, "", false}}},
	{"german", []app{{"vocabulary", 0, "", false}}},
	{"history", []app{{"timeline", 0, "", true}}},
	{"journalism", []app{{"newsroom", 0, "", false}, {"ticker", 1, "", true}}},
	{"law", []app{{"moot-court", 0, "", false}}},
	{"linguistics", []app{{"phonetics", 0, "", true}}},
	{"mathematics", []app{{"proof-board", 0, "", true}, {"tutoring", 1, "", false}}},
	{"medicine", []app{{"rounds", 0, "", true}, {"triage", 12, "", false}}},
	{"music", []app{{"rehearsal", 0, "", false}, {"metronome", 1, "", true}}},
	{"nursing", []app{{"ward-sim", 0, "", false}}},
	{"philosophy", []app{{"dialogue", 0, "", true}}},
	{"physics", []app{{"chat", 0, "", false}, {"cloud-chamber", 1, "*.accelerator.example.org", true}}},
	{"politics", []app{{"debate", 0, "", true}}},
	{"psychology", []app{{"reaction-time", 0, "", false}}},
	{"sociology", []app{{"survey", 0, "", true}}},
	{"theology", []app{{"scriptorium", 0, "", false}}},
	{"zoology", []app{{"aviary-cam", 0, "", true}, {"tracks", 1, "", true}}},
}

// addresses are six of the machine. They are loopback ones, so that the example
// runs on any machine.
var addresses = []string{"127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14", "127.0.0.15", "127.0.0.16"}

// mistakes are the three files and lines of the first edition that are wrong,
// as people get them wrong: a rule in place of what the generator would write.
var mistakes = map[string]string{
	"classics/library":    `<allow-access-from domain="*" to-ports="%d"/>`,                  // for everyone, while nobody looked
	"geology/seismograph": `<allow-access-from domain="*.geology.example.edu" ports="%d"/>`, // ports= for to-ports=
	// The third is medicine's triage above: port 12 of ten.
}

// edition writes one version of the example: the second has the mistakes
// corrected, and three departments changed their minds.
type edition struct{ next bool }

// files returns both editions by their paths.
func files() map[string]string {
	out := map[string]string{}
	first, second := edition{false}, edition{true}
	out["university/port843.toml"] = first.table()
	out["university-next/port843.toml"] = second.table()
	for i, d := range departments {
		for _, a := range d.apps {
			if !a.file {
				continue
			}
			text := first.fragment(i, d, a)
			out["university/policies.d/"+d.name+"/"+a.name+".xml"] = text
		}
		if second.changed(d) {
			for _, a := range d.apps {
				if a.file {
					out["university-next/policies.d/"+d.name+"/"+a.name+".xml"] = second.fragment(i, d, a)
				}
			}
		}
	}
	return out
}

// changed reports whether a department's files differ in the second edition.
func (e edition) changed(d department) bool {
	return e.next && (d.name == "classics" || d.name == "geology" || d.name == "physics")
}

func low(i int) int { return 9000 + 10*i }

// domains are whom a department may let in.
func (e edition) domains(d department) []string {
	out := []string{"*." + d.name + ".example.edu"}
	for _, a := range d.apps {
		if a.from != "" {
			out = append(out, a.from)
		}
	}
	return out
}

func quoted(list []string) string {
	return `["` + strings.Join(list, `", "`) + `"]`
}

func (e edition) table() string {
	var b strings.Builder
	b.WriteString(`# A university: forty departments on six addresses of one machine. Every
# department has ten ports and a domain of its own; some keep policy files of their
# own, some are in this table, some are both. Addresses and ports are such that
# the example runs anywhere; at a real one listen is ["[::]:843"].

[serve]
listen = ["127.0.0.1:10843"`)
	for _, a := range addresses {
		fmt.Fprintf(&b, ", %q", a+":10843")
	}
	b.WriteString("]\nadmin  = \"127.0.0.1:10844\"\n")
	for i, d := range departments {
		fmt.Fprintf(&b, "\n[[owner]]\nname      = %q\n", d.name)
		if i > 0 {
			fmt.Fprintf(&b, "addresses = [%q]\nhosts     = [\"%s.example.edu\"]\n", addresses[i%len(addresses)], d.name)
		}
		ports := fmt.Sprintf("%d-%d", low(i), low(i)+9)
		if d.name == "film" {
			ports += fmt.Sprintf(",%d", low(i)+lentToFilm)
		}
		fmt.Fprintf(&b, "ports     = %q\ndomains   = %s\n", ports, quoted(e.domains(d)))
		for _, a := range d.apps {
			if a.file {
				dir := "policies.d/"
				if e.next && !e.changed(d) {
					dir = "../university/policies.d/"
				}
				fmt.Fprintf(&b, "policies  = [\"%s%s/*.xml\"]\n", dir, d.name)
				break
			}
		}
		for _, a := range d.apps {
			if !a.file {
				b.WriteString(e.service(i, d, a))
			}
		}
	}
	return b.String()
}

func (e edition) service(i int, d department, a app) string {
	port := low(i) + a.port
	if e.next && a.name == "triage" {
		port = low(i) + 1
	}
	allow := e.domains(d)[:1]
	if a.from != "" {
		allow = append(allow, a.from)
	}
	if e.next && d.name == "business" {
		allow = allow[:1] // the game's publisher has gone
	}
	host := ""
	if i > 0 {
		host = fmt.Sprintf("host  = \"%s.example.edu\"\n", d.name)
	}
	return fmt.Sprintf("\n[[service]]\nname  = %q\nowner = %q\n%sports = \"%d\"\nallow = %s\n", a.name, d.name, host, port, quoted(allow))
}

// fragment is a policy file as departments write them.
func (e edition) fragment(i int, d department, a app) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<!DOCTYPE cross-domain-policy SYSTEM \"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\">\n")
	fmt.Fprintf(&b, "<!-- %s: %s -->\n<cross-domain-policy>\n", d.name, a.name)
	port := low(i) + a.port
	rule := fmt.Sprintf("<allow-access-from domain=\"*.%s.example.edu\" to-ports=\"%d\"/>", d.name, port)
	if wrong := mistakes[d.name+"/"+a.name]; wrong != "" && !e.next {
		rule = fmt.Sprintf(wrong, port)
	}
	fmt.Fprintf(&b, "  %s\n", rule)
	if a.from != "" {
		ports := fmt.Sprint(port)
		if e.next && d.name == "physics" {
			ports = fmt.Sprintf("%d-%d", port, port+1)
		}
		fmt.Fprintf(&b, "  <allow-access-from domain=\"%s\" to-ports=\"%s\"/>\n", a.from, ports)
	}
	b.WriteString("</cross-domain-policy>\n")
	return b.String()
}
