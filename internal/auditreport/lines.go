package auditreport

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
)

// jsonLines writes one record a line, each in one write.
type jsonLines struct{ e *json.Encoder }

func newLines(w io.Writer) *jsonLines {
	e := json.NewEncoder(w)
	return &jsonLines{e}
}

func (l *jsonLines) Add(r *survey.Record) error { return l.e.Encode(r) }
func (l *jsonLines) End(Meta) error             { return nil }

// csvWriter writes a table for spreadsheets.
type csvWriter struct{ w *csv.Writer }

var csvHeader = []string{
	"ip", "port", "name", "class", "confidence", "faults", "product", "verdict", "severity", "findings", "rules",
	"site_control", "life", "icmp_type", "icmp_code", "connect_ms", "first_byte_ms", "complete_ms", "change", "why", "banner",
}

func newCSV(w io.Writer) (*csvWriter, error) {
	c := &csvWriter{csv.NewWriter(w)}
	return c, c.row(csvHeader)
}

func (c *csvWriter) row(cells []string) error {
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	if err := c.w.Write(cells); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

// harmless keeps a cell from being a formula: spreadsheets evaluate what begins
// with one of these, also behind white space of some kinds.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func (c *csvWriter) Add(r *survey.Record) error {
	var rules, codes []string
	control, life, icmpType, icmpCode, change := "", "", "", "", ""
	if r.Policy != nil {
		control = r.Policy.SiteControl
		rules = ruleTexts(r.Policy)
	}
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	if r.Life != nil {
		life = string(r.Life.Verdict)
	}
	if r.ICMP != nil {
		icmpType, icmpCode = strconv.Itoa(r.ICMP.Type), strconv.Itoa(r.ICMP.Code)
	}
	if r.Change != nil {
		change = r.Change.Kind
	}
	return c.row([]string{
		r.IP.String(), strconv.Itoa(int(r.Port)), r.Name, string(r.Class), strconv.FormatFloat(r.Confidence, 'f', -1, 64),
		joinFaults(r.Faults, " "), r.Product, GroupOf(r).String(), string(r.Worst()), strings.Join(codes, " "), strings.Join(rules, "; "),
		control, life, icmpType, icmpCode, millis(r.Timing.Connect), millis(r.Timing.First), millis(r.Timing.Complete), change, r.Why, r.Banner,
	})
}

func (c *csvWriter) End(Meta) error { return nil }

func millis(m audit.Millis) string {
	return strconv.FormatFloat(float64(time.Duration(m).Microseconds())/1000, 'f', 1, 64)
}

func joinFaults(faults []audit.Fault, sep string) string {
	parts := make([]string, len(faults))
	for i, f := range faults {
		parts[i] = string(f)
	}
	return strings.Join(parts, sep)
}

// ruleTexts are the rules of a policy as "domain -> ports", each once.
func ruleTexts(p *survey.Policy) []string {
	var out []string
	for i, a := range p.AllowAccessFrom {
		if len(out) == 12 {
			return append(out, fmt.Sprintf("and %d rules more", len(p.AllowAccessFrom)-i))
		}
		text := a.Domain
		if a.ToPorts != "" {
			text += " -> " + a.ToPorts
		}
		if a.Secure == "true" {
			text += " (https only)"
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// nmapWriter writes nmap's XML, as Metasploit's db_import and ndiff read it.
type nmapWriter struct {
	w     io.Writer
	e     *xml.Encoder
	total int
}

type (
	nmapHost struct {
		XMLName   xml.Name    `xml:"host"`
		Start     int64       `xml:"starttime,attr"`
		End       int64       `xml:"endtime,attr"`
		Status    nmapState   `xml:"status"`
		Address   nmapAddress `xml:"address"`
		Hostnames struct {
			Names []nmapName `xml:"hostname"`
		} `xml:"hostnames"`
		Ports struct {
			Port nmapPort `xml:"port"`
		} `xml:"ports"`
	}
	nmapState struct {
		State  string `xml:"state,attr"`
		Reason string `xml:"reason,attr"`
		TTL    int    `xml:"reason_ttl,attr"`
	}
	nmapAddress struct {
		Addr string `xml:"addr,attr"`
		Type string `xml:"addrtype,attr"`
	}
	nmapName struct {
		Name string `xml:"name,attr"`
		Type string `xml:"type,attr"`
	}
	nmapPort struct {
		Protocol string       `xml:"protocol,attr"`
		Port     int          `xml:"portid,attr"`
		State    nmapState    `xml:"state"`
		Service  *nmapService `xml:"service"`
		Scripts  []nmapScript `xml:"script"`
	}
	nmapService struct {
		Name    string `xml:"name,attr"`
		Product string `xml:"product,attr,omitempty"`
		Extra   string `xml:"extrainfo,attr,omitempty"`
		Tunnel  string `xml:"tunnel,attr,omitempty"`
		Method  string `xml:"method,attr"`
		Conf    int    `xml:"conf,attr"`
	}
	nmapScript struct {
		ID     string `xml:"id,attr"`
		Output string `xml:"output,attr"`
	}
)

func newNmap(w io.Writer, m Meta) (*nmapWriter, error) {
	n := &nmapWriter{w: w, e: xml.NewEncoder(w)}
	_, err := fmt.Fprintf(w, "%s<!DOCTYPE nmaprun>\n<nmaprun scanner=\"port843\" args=%s start=\"%d\" startstr=\"%s\" version=%s xmloutputversion=\"1.05\">\n",
		xml.Header, attribute(m.Command), m.Started.Unix(), m.Started.UTC().Format(time.ANSIC), attribute(m.Version))
	return n, err
}

func attribute(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	xml.EscapeText(&b, []byte(s))
	b.WriteByte('"')
	return b.String()
}

// nmapNames are nmap's names of services; the others are called as the class.
var nmapNames = map[audit.Class]string{
	audit.ClassPolicy: "adobe-crossdomain", audit.ClassSilverlight: "silverlight-policy", audit.ClassTLS: "ssl", audit.ClassRPC: "rpcbind",
}

func (n *nmapWriter) Add(r *survey.Record) error {
	n.total++
	h := nmapHost{Start: r.Time.Unix(), End: r.Time.Unix(), Address: nmapAddress{r.IP.String(), "ipv4"}}
	if r.IP.Is6() {
		h.Address.Type = "ipv6"
	}
	if r.Name != "" {
		h.Hostnames.Names = []nmapName{{r.Name, "user"}}
	}
	state, reason := nmapReason(r)
	h.Status = nmapState{"up", reason, 0}
	if r.Class == audit.Dropped || r.Class == audit.Unreachable || r.Class == audit.ClassError {
		h.Status = nmapState{"unknown", reason, 0}
	}
	p := nmapPort{Protocol: "tcp", Port: int(r.Port), State: nmapState{state, reason, 0}}
	if r.Class.Listening() {
		name := nmapNames[r.Class]
		if name == "" {
			name = string(r.Class)
		}
		p.Service = &nmapService{Name: name, Product: r.Product, Extra: joinFaults(r.Faults, ", "), Method: "probed", Conf: int(r.Confidence*10 + 0.5)}
		if r.Class == audit.ClassTLS {
			p.Service.Name, p.Service.Tunnel = nmapInside(r.Inside), "ssl"
		}
		p.Scripts = []nmapScript{{"flash-socket-policy", describe(r)}}
	}
	h.Ports.Port = p
	if err := n.e.Encode(h); err != nil {
		return err
	}
	_, err := io.WriteString(n.w, "\n")
	return err
}

func nmapInside(inside audit.Class) string {
	if inside == audit.ClassHTTP {
		return "http"
	}
	return "unknown"
}

func nmapReason(r *survey.Record) (state, reason string) {
	switch r.Class {
	case audit.Refused:
		return "closed", "conn-refused"
	case audit.Rejected:
		reason := "admin-prohibited"
		if r.ICMP != nil && (r.IP.Is4() && r.ICMP.Code == 3 || r.IP.Is6() && r.ICMP.Code == 4) {
			reason = "port-unreach"
		}
		return "filtered", reason
	case audit.Unreachable:
		return "filtered", "host-unreach"
	case audit.Dropped, audit.ClassError:
		return "filtered", "no-response"
	}
	return "open", "syn-ack"
}

func (n *nmapWriter) End(m Meta) error {
	_, err := fmt.Fprintf(n.w, "<runstats><finished time=\"%d\" timestr=\"%s\" elapsed=\"%.2f\" summary=%s exit=\"success\"/><hosts up=\"%d\" down=\"0\" total=\"%d\"/></runstats>\n</nmaprun>\n",
		m.Finished.Unix(), m.Finished.UTC().Format(time.ANSIC), m.Finished.Sub(m.Started).Seconds(), attribute(fmt.Sprintf("port843 scan: %d targets", n.total)), n.total, n.total)
	return err
}

// describe says in a few lines what a record holds.
func describe(r *survey.Record) string {
	lines := []string{r.Class.Explain() + ": " + r.Why}
	for _, f := range r.Faults {
		lines = append(lines, "fault "+string(f)+": "+f.Explain())
	}
	if r.Policy != nil {
		lines = append(lines, ruleTexts(r.Policy)...)
	}
	for _, f := range r.Findings {
		lines = append(lines, string(f.Severity)+" "+f.Code+": "+f.Message)
	}
	if r.Life != nil {
		lines = append(lines, string(r.Life.Verdict)+": "+r.Life.Verdict.Explain())
	}
	return strings.Join(lines, "\n")
}
