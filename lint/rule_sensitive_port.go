package lint

import (
	"fmt"
	"strings"

	"github.com/port843/port843/policy"
)

// sensitive are ports whose usual service must not be reached by a web page,
// with the name that IANA or the product gives it.
var sensitive = []struct {
	port uint16
	name string
}{
	{22, "SSH"}, {23, "Telnet"}, {25, "SMTP"}, {53, "DNS"}, {110, "POP3"}, {111, "the port mapper"}, {135, "Windows RPC"},
	{139, "NetBIOS"}, {143, "IMAP"}, {389, "LDAP"}, {445, "SMB"}, {465, "SMTP over TLS"}, {512, "rexec"}, {513, "rlogin"},
	{514, "rsh"}, {587, "mail submission"}, {636, "LDAP over TLS"}, {873, "rsync"}, {993, "IMAP over TLS"}, {1433, "SQL Server"},
	{1521, "Oracle"}, {2049, "NFS"}, {2375, "Docker"}, {3306, "MySQL"}, {3389, "Remote Desktop"}, {5432, "PostgreSQL"},
	{5900, "VNC"}, {5985, "WinRM"}, {6000, "X11"}, {6379, "Redis"}, {9200, "Elasticsearch"}, {11211, "memcached"}, {27017, "MongoDB"},
}

var sensitivePorts = func() policy.PortSet {
	var ports []uint16
	for _, p := range sensitive {
		ports = append(ports, p.port)
	}
	return policy.Ports(ports...)
}()

var ruleSensitivePort = &Rule{
	Code: "sensitive-port", Name: "a sensitive port", Group: Grants, Severity: Warning,
	Finds:   `A port whose usual service is administration, mail, a database or file sharing: ` + sensitiveList() + `. Every port at once is any-port.`,
	Gain:    "a page of these domains, or whoever breaks into one, sends mail, tries passwords or gives commands to a database from its visitors' machines",
	Clients: clientsSocket,
	Fix:     "take the port out, or put the service for web pages on a port of its own",
	Bad:     Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="6379,9000"/>`), Options: Options{Kind: KindSocket}, At: "3:57"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onSocket | onSilverlight,
	check: func(s *subject) {
		for i := range s.ports {
			p := &s.ports[i]
			if p.set.IsAll() {
				continue
			}
			if hit := p.set.Intersect(sensitivePorts); !hit.IsEmpty() {
				s.report(s.value(p.attr), "granted: "+namedPorts(hit))
			}
		}
	},
}

// maxNamed is how many ports a message names.
const maxNamed = 5

// namedPorts lists sensitive ports with their usual services.
func namedPorts(set policy.PortSet) string {
	var parts []string
	for _, p := range sensitive {
		if set.Contains(p.port) {
			parts = append(parts, fmt.Sprintf("%d (%s)", p.port, p.name))
		}
	}
	if more := len(parts) - maxNamed; more > 0 {
		parts = append(parts[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

func sensitiveList() string {
	var parts []string
	for _, p := range sensitive {
		parts = append(parts, fmt.Sprintf("%d %s", p.port, p.name))
	}
	return strings.Join(parts, ", ")
}
