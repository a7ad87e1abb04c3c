package audit

// Class is what a target is. The set is closed and only ever grows.
type Class string

const (
	ClassPolicy      Class = "policy"             // a socket policy server
	ClassSilverlight Class = "silverlight-policy" // the same for Silverlight: an access-policy document
	ClassHTTP        Class = "http"
	ClassSSH         Class = "ssh"
	ClassSMTP        Class = "smtp"
	ClassFTP         Class = "ftp"
	ClassMySQL       Class = "mysql"
	ClassRedis       Class = "redis"
	ClassVNC         Class = "vnc"
	ClassSOCKS       Class = "socks"
	ClassRTMP        Class = "rtmp"
	ClassTLS         Class = "tls"
	ClassRPC         Class = "rpc"  // ONC RPC, as rpc.statd that drew 843 by chance
	ClassEcho        Class = "echo" // sends back what it is sent

	ClassEndless Class = "endless" // sends without end
	ClassTarpit  Class = "tarpit"  // holds the client with a trickle
	ClassSilent  Class = "silent"  // accepts, and says nothing to any question

	ClassClosedAtOnce       Class = "closed-at-once"       // closes before it is asked
	ClassResetAtOnce        Class = "reset-at-once"        // the same with a reset
	ClassClosedAfterRequest Class = "closed-after-request" // closes when it is asked, whatever the question
	ClassResetAfterRequest  Class = "reset-after-request"  // the same with a reset

	ClassOther Class = "other" // it answers, and no rule knows it

	Refused     Class = "refused"     // a reset: nothing listens there
	Rejected    Class = "rejected"    // a firewall says no with ICMP
	Unreachable Class = "unreachable" // no way to that address
	Dropped     Class = "dropped"     // no answer at all: Flash Player waits 3 seconds

	// ClassError is no word about the target: this machine could not try.
	ClassError Class = "error"
)

var explanations = map[Class]string{
	ClassPolicy:             "a socket policy server",
	ClassSilverlight:        "a policy server for Silverlight",
	ClassHTTP:               "an HTTP server",
	ClassSSH:                "an SSH server",
	ClassSMTP:               "a mail server (SMTP)",
	ClassFTP:                "an FTP server",
	ClassMySQL:              "a MySQL or MariaDB server",
	ClassRedis:              "a Redis server",
	ClassVNC:                "a VNC server (remote desktop)",
	ClassSOCKS:              "a SOCKS proxy",
	ClassRTMP:               "an RTMP server (Flash streaming)",
	ClassTLS:                "a TLS server that gives no policy",
	ClassRPC:                "an ONC RPC service, most likely here by chance: bindresvport() hands out ports from 600 to 1023",
	ClassEcho:               "sends back what it is sent; no policy server",
	ClassEndless:            "sends without end",
	ClassTarpit:             "a tarpit: holds its clients with a trickle of bytes",
	ClassSilent:             "accepts and stays silent: each Flash client waits 3 seconds",
	ClassClosedAtOnce:       "closes each connection at once, as TCP wrappers do",
	ClassResetAtOnce:        "resets each connection at once",
	ClassClosedAfterRequest: "closes after the request, without an answer",
	ClassResetAfterRequest:  "resets after the request, without an answer",
	ClassOther:              "answers in a protocol that is not known here",
	Refused:                 "nothing listens, or a firewall sends resets; clients go on at once",
	Rejected:                "a firewall rejects with ICMP; clients go on at once",
	Unreachable:             "the address cannot be reached",
	Dropped:                 "a firewall drops, or nothing is there: each Flash client waits 3 seconds",
	ClassError:              "could not be tried from this machine",
}

// Explain says in plain words what the class means; "" for an unknown one.
func (c Class) Explain() string { return explanations[c] }

// Listening reports whether something accepted a connection.
func (c Class) Listening() bool {
	switch c {
	case Refused, Rejected, Unreachable, Dropped, ClassError, "":
		return false
	}
	return true
}

// IsPolicy reports whether the target is a policy server, Flash's or Silverlight's.
func (c Class) IsPolicy() bool { return c == ClassPolicy || c == ClassSilverlight }

// Fault is something a policy server does other than a good one. The set is
// closed and only ever grows.
type Fault string

const (
	NoNUL         Fault = "no-nul"          // the document ends, and no NUL follows
	NewlineForNUL Fault = "newline-for-nul" // it ends in a line break instead
	LeadingBytes  Fault = "leading-bytes"   // something stands before the document
	TrailingBytes Fault = "trailing-bytes"  // something follows document and NUL
	HeldOpen      Fault = "held-open"       // the connection stays open after the answer
	Slow          Fault = "slow"            // the answer took SlowAfter or longer
	Late          Fault = "late"            // it took longer than Flash Player waits
	BOM           Fault = "bom"             // a UTF-8 byte order mark stands first
	UTF16         Fault = "utf16"           // the answer is in UTF-16
	Malformed     Fault = "malformed"       // it is not well-formed, or no policy file
	NoToPorts     Fault = "no-to-ports"     // a rule has no to-ports, as a URL policy's
	Empty         Fault = "empty"           // it has no rule and does not say that this is meant
	HostileXML    Fault = "hostile-xml"     // entities, an internal subset, endless depth, foreign references
	Oversize      Fault = "oversize"        // more than policy.SafeSize bytes: some clients cut it
	FaultEndless  Fault = "endless"         // it does not end
	InHTTP        Fault = "in-http"         // HTTP headers stand before it
	Unasked       Fault = "unasked"         // it is sent before it is asked for
	AnyRequest    Fault = "any-request"     // it is sent to any request
	OverTLS       Fault = "over-tls"        // it is sent inside TLS only
	SharedPort    Fault = "shared-port"     // another protocol answers on the same port
	CutShort      Fault = "cut-short"       // the answer ends in the middle
)

// faultOrder is the order in which faults are listed.
var faultOrder = []Fault{
	NoNUL, NewlineForNUL, LeadingBytes, TrailingBytes, HeldOpen, Slow, Late, BOM, UTF16, Malformed,
	NoToPorts, Empty, HostileXML, Oversize, FaultEndless, InHTTP, Unasked, AnyRequest, OverTLS, SharedPort, CutShort,
}

var faultExplanations = map[Fault]string{
	NoNUL:         "the NUL after the document is missing: Flash Player waits for it until the connection closes",
	NewlineForNUL: "a line break ends the answer where a NUL must",
	LeadingBytes:  "bytes stand before the document",
	TrailingBytes: "bytes follow the document",
	HeldOpen:      "the server does not close after its answer",
	Slow:          "the answer was slow",
	Late:          "the answer came after the 3 seconds that Flash Player waits",
	BOM:           "a byte order mark stands before the document; some clients choke on it",
	UTF16:         "the answer is in UTF-16; no client of sockets reads that",
	Malformed:     "the document is not well-formed: it grants nothing",
	NoToPorts:     "a rule without to-ports: it grants nothing for sockets",
	Empty:         "the document grants nothing and does not say that this is meant",
	HostileXML:    "the XML asks its reader to expand or fetch things",
	Oversize:      "longer than the clients read at once (4,095 bytes)",
	FaultEndless:  "the answer does not end",
	InHTTP:        "HTTP headers stand before the document: no Flash client takes it",
	Unasked:       "it speaks before it is asked; nothing else can ever share the port",
	AnyRequest:    "it answers any request with its policy",
	OverTLS:       "it answers inside TLS only",
	SharedPort:    "another protocol is served on the same port",
	CutShort:      "the answer ends in the middle of the document",
}

// Explain says in plain words what the fault means; "" for an unknown one.
func (f Fault) Explain() string { return faultExplanations[f] }

// Fatal reports whether Flash Player gets no policy because of the fault.
func (f Fault) Fatal() bool {
	switch f {
	case Late, UTF16, Malformed, InHTTP, FaultEndless, CutShort:
		return true
	}
	return false
}
