package audit

import (
	"bytes"
	"encoding/binary"
	"time"
)

// judgeAlert knows a TLS alert or handshake record that answers plain text.
func judgeAlert(c *Conversation) (verdict, bool) {
	d := c.Data
	if c.Question == AskRTMP || len(d) < 5 || d[1] != 3 || d[2] > 4 {
		return verdict{}, false
	}
	const alert, handshake = 0x15, 0x16
	size := int(binary.BigEndian.Uint16(d[3:]))
	if d[0] == alert && size == 2 || d[0] == handshake && size >= 4 && size <= 1<<14 {
		return verdict{class: ClassTLS, confidence: 0.9, why: "it answers with a TLS record"}, true
	}
	return verdict{}, false
}

// judgeHandshake is for conversations that began as TLS.
func judgeHandshake(c *Conversation) verdict {
	if c.Handshake != nil && c.Handshake.Done {
		return verdict{class: ClassTLS, confidence: 0.99, why: "a TLS handshake succeeds"}
	}
	r := c.Raw
	const alert, handshake, serverHello = 0x15, 0x16, 2
	if len(r) >= 5 && r[1] == 3 && r[2] <= 4 {
		size := int(binary.BigEndian.Uint16(r[3:]))
		if r[0] == alert && size == 2 || r[0] == handshake && len(r) > 5 && r[5] == serverHello {
			return verdict{class: ClassTLS, confidence: 0.9, why: "it answers a TLS handshake, which then fails"}
		}
		if r[0] == handshake && len(r) > 5 && r[5] == 1 {
			return verdict{class: ClassEcho, confidence: 0.95, why: "it sends a TLS greeting back"}
		}
	}
	if len(r) == 0 {
		return verdict{}
	}
	// It answered in clear text: what it said may be known.
	return judgeData(&Conversation{Question: c.Question, Data: r, End: c.End})
}

// judgeInside says what a TLS server has inside.
func judgeInside(cs []Conversation, v *verdict) {
	for i := range cs {
		c := &cs[i]
		if c.Handshake == nil || !c.Handshake.Done {
			continue
		}
		inner := Conversation{Question: AskRequest, Sent: c.Sent, Data: c.Data, End: c.End, Total: c.Total}
		if c.Question == AskTLSGet {
			inner.Question = AskGet
		}
		w := judgeData(&inner)
		switch {
		case w.class == ClassHTTP:
			v.inside, v.http = ClassHTTP, httpOf(&inner)
		case w.class != "" && (v.inside == "" || v.inside.silentInside()):
			v.inside = w.class
		case v.inside == "" && c.End == EndClosed:
			v.inside = ClassClosedAfterRequest
		case v.inside == "" && c.End == EndReset:
			v.inside = ClassResetAfterRequest
		case v.inside == "":
			v.inside = ClassSilent
		}
	}
}

func (c Class) silentInside() bool {
	return c == ClassSilent || c == ClassClosedAfterRequest || c == ClassResetAfterRequest
}

func judgeSOCKS(c *Conversation) (verdict, bool) {
	d := c.Data[min(c.Early, len(c.Data)):]
	switch c.Question {
	case AskSOCKS:
		// RFC 1928: the version and one of the methods that were offered, or none.
		if len(d) == 2 && d[0] == 5 && (d[1] <= 2 || d[1] == 0xff) {
			return verdict{class: ClassSOCKS, confidence: 0.95, why: "it answers as a SOCKS 5 proxy does"}, true
		}
	case AskSOCKS4:
		if len(d) == 8 && d[0] == 0 && d[1] >= 0x5a && d[1] <= 0x5d {
			return verdict{class: ClassSOCKS, confidence: 0.95, why: "it answers as a SOCKS 4 proxy does"}, true
		}
	case AskRequest:
		if len(d) == 2 && d[0] == 5 && d[1] == 0xff {
			return verdict{class: ClassSOCKS, confidence: 0.7, why: "it refuses as a SOCKS 5 proxy does"}, true
		}
	}
	return verdict{}, false
}

// judgeRTMP wants S0 and S1 (RTMP's specification, 5.2): a version and 1,536
// bytes that are not those we sent.
func judgeRTMP(c *Conversation) (verdict, bool) {
	d := c.Data
	if len(d) == 0 || d[0] != 3 && d[0] != 6 || c.Question != AskRTMP && c.Question != AskRequest {
		return verdict{}, false
	}
	if len(d) < 1+1536 {
		return verdict{class: ClassOther, partial: true}, len(d) > 64
	}
	if bytes.HasPrefix(d, c.Sent) && c.Question == AskRTMP {
		return verdict{}, false
	}
	return verdict{class: ClassRTMP, confidence: 0.97, why: "it takes part in RTMP's handshake"}, true
}

// program is an ONC RPC program that is known to listen where bindresvport puts
// it (IANA's registry of RPC program numbers).
type program struct {
	number, version uint32
	name            string
}

// programs in the order in which they are asked for: the likeliest first. The
// last one exists nowhere: whoever says yes to it says yes to all.
var programs = []program{
	{100024, 1, "status (rpc.statd)"},
	{100021, 4, "nlockmgr"},
	{100005, 3, "mountd"},
	{100003, 3, "nfs"},
	{100007, 2, "ypbind"},
	{100004, 2, "ypserv"},
	{100009, 1, "yppasswdd"},
	{100011, 1, "rquotad"},
	{100000, 2, "portmapper (rpcbind)"},
	{100227, 3, "nfs_acl"},
	{100001, 3, "rstatd"},
	{100002, 2, "rusersd"},
	{100008, 1, "walld"},
	{100012, 1, "sprayd"},
	{100069, 1, "ypxfrd"},
	{100068, 2, "cmsd"},
	{100083, 1, "ttdbserverd"},
	{100020, 2, "llockmgr"},
	{100026, 1, "bootparamd"},
	{100300, 3, "nisd"},
	{150001, 2, "pcnfsd"},
	{300019, 1, "amd"},
	{390113, 1, "nsrexec"},
	{0x20000843, 1, ""},
}

const (
	firstXID  = 0x38343300
	callSize  = 4 + 40
	rpcLimit  = 400 // bytes of a reply's record; a NULL reply has 24
	proofRoom = 4   // programs that are asked for one by one, whatever it takes
)

// nullCall is a record with one call of procedure 0 (RFC 5531).
func nullCall(i int) []byte {
	b := make([]byte, callSize)
	words := []uint32{0x80000000 | 40, firstXID + uint32(i), 0, 2, programs[i].number, programs[i].version, 0, 0, 0, 0, 0}
	for k, w := range words {
		binary.BigEndian.PutUint32(b[4*k:], w)
	}
	return b
}

// rpc calls the programs one after the other, and the rest of them in one go
// when half the time is over.
func (t *talk) rpc() {
	limit := earlier(t.deadline, time.Now().Add(t.share))
	half := time.Now().Add(t.share / 2)
	for i := range programs {
		if t.over || !time.Now().Before(limit) {
			return
		}
		if i >= proofRoom && time.Now().After(half) {
			var rest []byte
			for ; i < len(programs); i++ {
				rest = append(rest, nullCall(i)...)
			}
			t.say(rest)
			t.read(time.Until(limit))
			return
		}
		t.say(nullCall(i))
		t.readReply(i, limit)
		r := rpcOf(t.rec)
		if r == nil {
			return
		}
		if r.Program != 0 {
			control := len(programs) - 1
			t.say(nullCall(control))
			t.readReply(control, limit)
			return
		}
	}
}

// readReply reads until the reply to call i is there.
func (t *talk) readReply(i int, limit time.Time) {
	buf := make([]byte, rpcLimit)
	for time.Now().Before(limit) && !answered(t.rec.Data, i) {
		t.conn.SetReadDeadline(limit)
		if t.ctx.Err() != nil {
			return
		}
		n, err := t.conn.Read(buf)
		if n > 0 {
			t.keep(buf[:n], time.Now())
		}
		if len(t.rec.Data) >= keepLimit {
			t.rec.End, t.over = EndLimit, true
			return
		}
		if err != nil {
			if time.Now().Before(limit) {
				t.end(err)
				return
			}
			break
		}
	}
	t.rec.End = EndSilence
}

// reply is one RPC reply.
type reply struct {
	xid       uint32
	accepted  bool
	status    uint32
	low, high uint32
}

// replies reads the records of data as RPC replies, up to the first that is
// none.
func replies(data []byte) []reply {
	var list []reply
	for len(data) >= 4+12 {
		size := int(binary.BigEndian.Uint32(data) &^ 0x80000000)
		if data[0]&0x80 == 0 || size < 12 || size > rpcLimit || len(data) < 4+size {
			return list
		}
		w := func(i int) uint32 {
			if 4*i+4 > size {
				return 0
			}
			return binary.BigEndian.Uint32(data[4+4*i:])
		}
		if w(1) != 1 || w(2) > 1 { // a reply, accepted or denied
			return list
		}
		r := reply{xid: w(0), accepted: w(2) == 0}
		if r.accepted {
			skip := int(w(4)+3) / 4 // the verifier
			if skip > size {
				return list
			}
			r.status, r.low, r.high = w(5+skip), w(6+skip), w(7+skip)
		}
		list = append(list, r)
		data = data[4+size:]
	}
	return list
}

func answered(data []byte, i int) bool {
	for _, r := range replies(data) {
		if r.xid == firstXID+uint32(i) {
			return true
		}
	}
	return false
}

// rpcOf says which program answered, or nil where the answer is no RPC.
func rpcOf(c *Conversation) *RPC {
	const success, mismatch, noProcedure = 0, 2, 3
	var out *RPC
	for _, r := range replies(c.Data) {
		i := int(r.xid) - firstXID
		if i < 0 || i >= len(programs) {
			continue
		}
		if out == nil {
			out = &RPC{}
		}
		if !r.accepted || r.status != success && r.status != mismatch && r.status != noProcedure {
			continue
		}
		if i == len(programs)-1 {
			return &RPC{}
		}
		if out.Program != 0 {
			continue
		}
		out.Program, out.Name = programs[i].number, programs[i].name
		if r.status == mismatch {
			out.Low, out.High = r.low, r.high
		}
	}
	return out
}

func judgeRPC(c *Conversation) (verdict, bool) {
	if c.Question != AskRPC {
		return verdict{}, false
	}
	r := rpcOf(c)
	if r == nil {
		return verdict{}, false
	}
	v := verdict{class: ClassRPC, confidence: 0.99, rpc: r, why: "it answers an RPC NULL call"}
	if r.Program == 0 {
		v.confidence = 0.95
	}
	return v, true
}
