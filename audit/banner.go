package audit

import (
	"bytes"
	"regexp"
	"strings"
)

// judgeData says which protocol an answer speaks, by the answer and by what
// was asked. It knows nothing of policies.
func judgeData(c *Conversation) verdict {
	if len(c.Raw) > 0 || c.Handshake != nil {
		return judgeHandshake(c)
	}
	if len(c.Data) == 0 {
		return verdict{}
	}
	for _, rule := range []func(*Conversation) (verdict, bool){
		judgeEcho, judgeHTTP, judgeAlert, judgeRPC, judgeSOCKS, judgeRTMP, judgeMySQL, judgeVNC, judgeSSH, judgeRedis, judgeNumbered,
	} {
		if v, ok := rule(c); ok {
			return v
		}
	}
	return verdict{class: ClassOther}
}

// judgeEcho compares the answer with what was sent. A greeting may stand
// before it; the echo may have begun only.
func judgeEcho(c *Conversation) (verdict, bool) {
	sent := bytes.TrimRight(c.Sent, "\x00\r\n")
	if len(sent) < 4 || len(c.Data) <= c.Early {
		return verdict{}, false
	}
	data := c.Data
	v := verdict{class: ClassEcho, confidence: 0.98, why: "it sends back what it is sent"}
	if bytes.HasPrefix(data, sent) {
		return v, true
	}
	if i := bytes.Index(data, sent); i > 0 && data[i-1] == '\n' && judgeData(&Conversation{Data: data[:i]}).class == ClassOther {
		v.confidence = 0.9
		return v, true
	}
	// Most of it came back, and nothing else, as from an echo in lines.
	if n := len(data); n >= 8 && bytes.HasPrefix(sent, bytes.TrimRight(data, "\x00\r\n")) {
		v.partial, v.confidence = true, 0.9
		return v, true
	}
	return verdict{}, false
}

var sshBanner = regexp.MustCompile(`(?m)^SSH-\d+\.\d+-`)

// judgeSSH accepts lines before the banner, as RFC 4253 does.
func judgeSSH(c *Conversation) (verdict, bool) {
	head := c.Data[:min(len(c.Data), 4096)]
	at := sshBanner.FindIndex(head)
	if at == nil || at[0] > 0 && bytes.HasPrefix(head, []byte("220")) {
		return verdict{}, false
	}
	return verdict{class: ClassSSH, confidence: 0.99, why: "it greets as SSH does", partial: !bytes.Contains(head[at[0]:], []byte("\n"))}, true
}

var vncBanner = regexp.MustCompile(`^RFB \d{3}\.\d{3}`)

func judgeVNC(c *Conversation) (verdict, bool) {
	if !vncBanner.Match(c.Data) {
		return verdict{}, false
	}
	return verdict{class: ClassVNC, confidence: 0.99, why: "it greets as VNC does (RFB)", partial: len(c.Data) < 12}, true
}

// judgeMySQL reads the server's first packet: length, number 0, then protocol
// 10 and a version, or an error.
func judgeMySQL(c *Conversation) (verdict, bool) {
	d := c.Data
	if len(d) < 5 || d[3] != 0 {
		return verdict{}, false
	}
	size := int(d[0]) | int(d[1])<<8 | int(d[2])<<16
	body := d[4:]
	if size < 4 || size > 1024 {
		return verdict{}, false
	}
	partial := len(body) < size
	switch body[0] {
	case 10, 9:
		version, _, ok := bytes.Cut(body[1:], []byte{0})
		if !ok || !regexp.MustCompile(`^\d+\.\d+`).Match(version) {
			return verdict{}, false
		}
	case 0xff:
		text := strings.ToLower(string(body[min(3, len(body)):]))
		if !strings.Contains(text, "mysql") && !strings.Contains(text, "mariadb") && !strings.Contains(text, "host") && !strings.Contains(text, "connections") {
			return verdict{}, false
		}
	default:
		return verdict{}, false
	}
	return verdict{class: ClassMySQL, confidence: 0.98, why: "its first packet is MySQL's", partial: partial}, true
}

var (
	redisSure  = regexp.MustCompile(`(?i)^(\+PONG\r\n|-NOAUTH |-DENIED Redis|-MISCONF |-LOADING |-NOPERM |-ERR Protocol error|-ERR wrong number of arguments for|-ERR unknown command|-ERR operation not permitted\r)`)
	redisMaybe = regexp.MustCompile(`^(-[A-Z]+ |\+OK\r\n)`)
)

func judgeRedis(c *Conversation) (verdict, bool) {
	answer := c.Data[min(c.Early, len(c.Data)):]
	if c.Question == AskPing && bytes.HasPrefix(answer, []byte("+PONG")) {
		return verdict{class: ClassRedis, confidence: 0.99, why: "it answers PING as Redis does"}, true
	}
	if redisSure.Match(answer) {
		return verdict{class: ClassRedis, confidence: 0.95, why: "it answers in Redis's protocol"}, true
	}
	if redisMaybe.Match(answer) {
		return verdict{class: ClassOther, ambiguous: true, why: "its answer could be Redis's or a mail server's"}, true
	}
	return verdict{}, false
}

var (
	numbered   = regexp.MustCompile(`^[1-5]\d\d[ -]`)
	lastLine   = regexp.MustCompile(`(?m)^[1-5]\d\d (?:[^\n]*)\n`)
	smtpWords  = regexp.MustCompile(`(?i)\b(e?smtp|lmtp|postfix|exim|sendmail|qmail|mail(er)?|mx\d*)\b`)
	ftpWords   = regexp.MustCompile(`(?i)(\bftpd?\b|vsftpd|proftpd|pure-ftpd|filezilla|\bftp server|serv-u|wu-)`)
	mailStatus = regexp.MustCompile(`^(554|552|521|220[ -]\S+\.\S+ (SMTP|ESMTP))`)
)

// judgeNumbered tells SMTP from FTP, which greet alike.
func judgeNumbered(c *Conversation) (verdict, bool) {
	if !numbered.Match(c.Data) {
		return verdict{}, false
	}
	greeting := c.Data[:min(len(c.Data), 2048)]
	if c.Question != AskGreet && c.Early == 0 && !bytes.HasPrefix(greeting, []byte("220")) && !bytes.HasPrefix(greeting, []byte("4")) && !bytes.HasPrefix(greeting, []byte("5")) && !bytes.HasPrefix(greeting, []byte("120")) {
		return verdict{class: ClassOther, why: "it speaks in numbered lines"}, true
	}
	line := lastLine.Find(greeting)
	// The words count where the greeting has them, not where the request is
	// quoted back.
	words := greeting
	if i := bytes.Index(words, []byte("<policy")); i > 0 {
		words = words[:i]
	}
	mail, ftp := smtpWords.Match(words), ftpWords.Match(words)
	v := verdict{confidence: 0.95, why: "it greets as a mail server does", class: ClassSMTP, partial: line == nil}
	if v.partial {
		if c.End == EndFlow || c.End == EndLimit {
			return verdict{class: ClassOther, partial: true}, true // a greeting that never ends: judgeFlow's
		}
		v.confidence = 0.7
	}
	switch {
	case mail && !ftp, mailStatus.Match(greeting) && !ftp:
	case ftp && !mail:
		v.class, v.why = ClassFTP, "it greets as an FTP server does"
	case !bytes.HasPrefix(greeting, []byte("220")) && !bytes.HasPrefix(greeting, []byte("421")) && !bytes.HasPrefix(greeting, []byte("120")):
		return verdict{class: ClassOther, why: "it speaks in numbered lines"}, true
	default:
		v.ambiguous, v.confidence = true, 0.6
		v.why = "it greets as mail and FTP servers do"
		if !hostname.Match(greeting) {
			v.class = ClassFTP
		}
	}
	return v, true
}

// hostname: RFC 5321 wants the server's name first in its greeting.
var hostname = regexp.MustCompile(`^220[ -][A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+[ \r\n]`)

var mailReply = regexp.MustCompile(`^250[ -]`)

// isMailReply reports whether a mail server took EHLO.
func isMailReply(answer []byte) bool { return mailReply.Match(bytes.TrimLeft(answer, "\r\n")) }

// judgeGreeting settles an ambiguous greeting by the answers to EHLO and SYST.
func judgeGreeting(cs []Conversation, v *verdict) {
	if !v.ambiguous {
		return
	}
	for i := range cs {
		c := &cs[i]
		if c.Question != AskGreet {
			continue
		}
		v.ambiguous = false
		answer := c.Data[min(c.Early, len(c.Data)):]
		switch {
		case isMailReply(answer):
			v.class, v.confidence, v.why = ClassSMTP, 0.98, "it greets as mail and FTP servers do, and takes EHLO"
		case regexp.MustCompile(`(?m)^(215|530)[ -]`).Match(answer):
			v.class, v.confidence, v.why = ClassFTP, 0.95, "it greets as mail and FTP servers do, and knows FTP's commands"
		case numbered.Match(answer):
			v.class, v.confidence, v.why = ClassFTP, 0.75, "it greets as mail and FTP servers do, and does not take EHLO"
		}
	}
}
