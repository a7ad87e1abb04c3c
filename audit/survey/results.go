package survey

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/internal/escape"
)

// Found is one thing that a file names: an address with an open port, or a
// text for [Plan.Add]. Record is set where the file was written by us.
type Found struct {
	Addr   netip.AddrPort
	Text   string
	Record *Record
}

// Format is the format of a file of targets or results.
type Format string

const (
	FormatList        Format = "list"         // one target a line, "#" begins a comment
	FormatNmapXML     Format = "nmap-xml"     // nmap -oX, masscan -oX
	FormatNmapGrep    Format = "nmap-grep"    // nmap -oG
	FormatMasscanJSON Format = "masscan-json" // masscan -oJ, -oD
	FormatMasscanList Format = "masscan-list" // masscan -oL
	FormatZmapCSV     Format = "zmap-csv"     // zmap, with a header line
	FormatJSONLines   Format = "jsonl"        // our own
	maxLine                  = 16 << 20       // bytes; our own longest record has two conversations of keepLimit
	sniffLength              = 4096
)

// ReadResults reads a file of targets or of another scanner's results, whose
// format it finds out, and calls each for everything it names. Only ports that
// were found open count. It reads as it goes; memory does not grow.
func ReadResults(r io.Reader, each func(Found) error) (Format, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(sniffLength)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return "", err
	}
	format := sniff(head)
	readers := map[Format]func(*bufio.Reader, func(Found) error) error{
		FormatList: readList, FormatNmapXML: readXML, FormatNmapGrep: readGrep, FormatMasscanJSON: readMasscanJSON,
		FormatMasscanList: readMasscanList, FormatZmapCSV: readZmap, FormatJSONLines: readOwn,
	}
	if err := readers[format](b, each); err != nil {
		return format, fmt.Errorf("read as %s: %w", format, err)
	}
	return format, nil
}

func sniff(head []byte) Format {
	text := strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n")
	first, _, _ := strings.Cut(text, "\n")
	first = strings.TrimRight(first, "\r")
	switch {
	case strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<nmaprun"), strings.HasPrefix(text, "<!DOCTYPE nmaprun"):
		return FormatNmapXML
	case strings.HasPrefix(text, "{") && strings.Contains(first, `"class"`):
		return FormatJSONLines
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["), strings.HasPrefix(text, ",") && strings.Contains(text, "{"):
		return FormatMasscanJSON
	case strings.HasPrefix(text, "#masscan"), masscanLine.MatchString(first):
		return FormatMasscanList
	case strings.HasPrefix(text, "# Nmap"), strings.HasPrefix(text, "Host: "):
		return FormatNmapGrep
	case zmapHeader(strings.Split(first, ",")) != nil:
		return FormatZmapCSV
	}
	return FormatList
}

// lines calls each for every line, without its end.
func lines(r *bufio.Reader, each func(string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; s.Scan(); n++ {
		if err := each(strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff"))); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s.Err()
}

func readList(r *bufio.Reader, each func(Found) error) error {
	return lines(r, func(line string) error {
		line, _, _ = strings.Cut(line, "#")
		for _, text := range strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' }) {
			if err := each(Found{Text: text}); err != nil {
				return err
			}
		}
		return nil
	})
}

// readXML reads nmap's XML, and masscan's, which has a host element for each
// port. A document that stops in the middle, as of a scan that was stopped, is
// read as far as it goes.
func readXML(r *bufio.Reader, each func(Found) error) error {
	type host struct {
		Addresses []struct {
			Addr string `xml:"addr,attr"`
			Type string `xml:"addrtype,attr"`
		} `xml:"address"`
		Ports []struct {
			Protocol string `xml:"protocol,attr"`
			Port     string `xml:"portid,attr"`
			State    struct {
				State string `xml:"state,attr"`
			} `xml:"state"`
		} `xml:"ports>port"`
	}
	d := xml.NewDecoder(r)
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	run := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) || run && err != nil && strings.Contains(err.Error(), "unexpected EOF") {
			if !run {
				return errors.New("no <nmaprun>")
			}
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		run = run || start.Name.Local == "nmaprun"
		if start.Name.Local != "host" {
			continue
		}
		var h host
		if err := d.DecodeElement(&h, &start); err != nil {
			if strings.Contains(err.Error(), "unexpected EOF") {
				return nil
			}
			return err
		}
		for _, a := range h.Addresses {
			for _, p := range h.Ports {
				if p.Protocol != "tcp" || p.State.State != "open" {
					continue
				}
				if err := endpoint(a.Addr, p.Port, each); err != nil && a.Type != "mac" {
					return err
				}
			}
		}
	}
}

// endpoint hands on an address and port; a MAC address is passed over.
func endpoint(addr, port string, each func(Found) error) error {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		if strings.Count(addr, ":") == 5 {
			return nil
		}
		return fmt.Errorf("%q is no address", escape.Text(addr, 60))
	}
	n, err := ParsePort(port)
	if err != nil {
		return err
	}
	return each(Found{Addr: netip.AddrPortFrom(a.Unmap(), n)})
}

var (
	grepHost = regexp.MustCompile(`^Host: (\S+)`)
	grepPort = regexp.MustCompile(`(\d+)/open/tcp/`)
)

func readGrep(r *bufio.Reader, each func(Found) error) error {
	return lines(r, func(line string) error {
		host := grepHost.FindStringSubmatch(line)
		_, ports, ok := strings.Cut(line, "Ports: ")
		if host == nil || !ok {
			return nil
		}
		for _, p := range grepPort.FindAllStringSubmatch(ports, -1) {
			if err := endpoint(host[1], p[1], each); err != nil {
				return err
			}
		}
		return nil
	})
}

// readMasscanJSON reads masscan's JSON in its dialects: an array with a comma
// behind its last element, one with "{finished: 1}" at its end, one object a
// line with or without commas, and a file that stops in the middle.
func readMasscanJSON(r *bufio.Reader, each func(Found) error) error {
	type object struct {
		IP    string `json:"ip"`
		Port  int    `json:"port"`  // -oD
		Proto string `json:"proto"` // -oD
		Ports []struct {
			Port   int    `json:"port"`
			Proto  string `json:"proto"`
			Status string `json:"status"`
		} `json:"ports"`
	}
	one := func(text []byte) error {
		var o object
		if json.Unmarshal(text, &o) != nil || o.IP == "" {
			if bytes.Contains(text, []byte(`"ip"`)) {
				return fmt.Errorf("no object of masscan's: %s", escape.Text(text, 80))
			}
			return nil // "finished"
		}
		if o.Port != 0 && (o.Proto == "" || o.Proto == "tcp") {
			return endpoint(o.IP, fmt.Sprint(o.Port), each)
		}
		for _, p := range o.Ports {
			if p.Proto != "tcp" || p.Status != "" && p.Status != "open" {
				continue
			}
			if err := endpoint(o.IP, fmt.Sprint(p.Port), each); err != nil {
				return err
			}
		}
		return nil
	}
	return objects(r, one)
}

// objects cuts a stream into the JSON objects at its top, whatever stands
// between them.
func objects(r *bufio.Reader, each func([]byte) error) error {
	var object []byte
	depth, quoted, escaped := 0, false, false
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if depth > 0 {
			object = append(object, c)
		}
		switch {
		case quoted && escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"' && depth > 0:
			quoted = !quoted
		case quoted:
		case c == '{':
			if depth == 0 {
				object = append(object[:0], c)
			}
			depth++
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				if err := each(object); err != nil {
					return err
				}
			}
		}
		if len(object) > maxLine {
			return errors.New("an object is too long")
		}
	}
}

var masscanLine = regexp.MustCompile(`^(open|banner) (tcp|udp) \d+ \S+ \d+`)

func readMasscanList(r *bufio.Reader, each func(Found) error) error {
	return lines(r, func(line string) error {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "open" || f[1] != "tcp" {
			return nil
		}
		return endpoint(f[3], f[2], each)
	})
}

// zmapHeader returns the columns of a header line of zmap's: the address, the
// port (-1 where there is none) and whether the probe succeeded.
func zmapHeader(columns []string) map[string]int {
	at := map[string]int{}
	for i, name := range columns {
		at[strings.TrimSpace(name)] = i
	}
	if _, ok := at["saddr"]; !ok {
		return nil
	}
	return at
}

// readZmap takes the address from saddr and the port, where it is told, from
// sport: the columns are the answer's. Without a port the address is a text.
func readZmap(r *bufio.Reader, each func(Found) error) error {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	var at map[string]int
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if at == nil {
			at = zmapHeader(row)
			continue
		}
		field := func(name string) string {
			if i, ok := at[name]; ok && i < len(row) {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		if s := field("success"); s == "0" || s == "false" {
			continue
		}
		if class := field("classification"); class != "" && class != "synack" {
			continue
		}
		if port := field("sport"); port != "" {
			err = endpoint(field("saddr"), port, each)
		} else {
			err = each(Found{Text: field("saddr")})
		}
		if err != nil {
			return err
		}
	}
}

func readOwn(r *bufio.Reader, each func(Found) error) error {
	return lines(r, func(line string) error {
		if line == "" {
			return nil
		}
		var rec Record
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			return err
		}
		if !rec.IP.IsValid() || rec.Port == 0 {
			return errors.New("a record without ip and port")
		}
		return each(Found{Addr: netip.AddrPortFrom(rec.IP, rec.Port), Record: &rec})
	})
}

// Target is the record's.
func (r *Record) Target() audit.Target {
	return audit.Target{Addr: netip.AddrPortFrom(r.IP, r.Port), Name: r.Name}
}
