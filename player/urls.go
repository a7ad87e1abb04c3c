package player

import (
	"context"
	"fmt"
	"mime"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

// contentTypeExact is the type that by-content-type asks for.
const contentTypeExact = "text/x-cross-domain-policy"

// urls is the search for a URL's policy (Adobe's guide, "Website controls"):
// the master at the root, then by the meta-policy the files that
// loadPolicyFile names, each for its own directory and below.
func (w *walk) urls(ctx context.Context, look visit) {
	t := w.q.Target.Location()
	master := w.ask(ctx, RoleMaster, t.master())
	if w.over {
		return
	}
	meta := w.urlMeta(master)
	if meta == policy.MetaNone {
		w.end(Denied, ReasonMetaNone, master, "the meta-policy of %s is none: no policy file counts, the master included", t.master())
		return
	}
	if w.countsURL(master, meta) && look(master) {
		return
	}
	others := false
	for _, l := range w.q.Load {
		if l == t.master() || !w.mayLoad(l, meta) {
			continue
		}
		others = true
		s := w.ask(ctx, RoleLoaded, l)
		if w.over || w.countsURL(s, meta) && look(s) {
			return
		}
	}
	if meta == policy.MetaMasterOnly && master.Counts && !others {
		w.find.Reason = ReasonMasterOnly
	}
}

// urlMeta is the meta-policy of the site: what the master says, in its
// site-control and its header, or the client's default.
func (w *walk) urlMeta(master *Source) policy.MetaPolicy {
	o := master.Observation
	if o.Outcome == OutcomeUnknown {
		w.step(Step{Kind: StepMeta, Source: master, Meta: policy.MetaAll, Text: "the master is not given: taken as one whose meta-policy is all"})
		return policy.MetaAll
	}
	header := w.headerMeta(o)
	said := policy.MetaUnset
	if master.Policy != nil && !master.Policy.Void {
		said = w.saidMeta(master, header)
	}
	meta := said
	if header != policy.MetaNoneThisResponse {
		meta = said.Stricter(header)
	}
	if said != policy.MetaUnset && header != policy.MetaUnset && said != header {
		w.note(NoteDisputed, "site-control says %s and the header %s says %s: the stricter is taken", said, metaHeader, header)
	}
	text := "the meta-policy of the site is " + meta.String()
	if meta == policy.MetaUnset {
		meta = w.p.URLMeta
		text = fmt.Sprintf("no meta-policy is said: in %s that is %s", w.p.Title, meta)
	}
	if meta == policy.MetaByFTPFilename {
		w.note(NoteSilent, "what by-ftp-filename means over HTTP is not documented: it is taken as master-only")
		meta = policy.MetaMasterOnly
	}
	w.step(Step{Kind: StepMeta, Source: master, Meta: meta, Text: text})
	return meta
}

// saidMeta is the site-control of a master. Where the file does not count by
// the way it is sent, nothing says whether its site-control does: it may then
// only take away.
func (w *walk) saidMeta(master *Source, header policy.MetaPolicy) policy.MetaPolicy {
	o, said := master.Observation, master.Policy.Meta
	sent := contentTypeMiss(o, policy.MetaAll) == "" && header != policy.MetaNoneThisResponse && o.Final.covers(w.q.Target.Location())
	if sent || said == policy.MetaUnset {
		return said
	}
	w.note(NoteSilent, "whether site-control counts in a file that is not sent as a policy is not documented: it is taken to where it is the stricter")
	return said.Stricter(w.p.URLMeta)
}

// headerMeta reads X-Permitted-Cross-Domain-Policies: of several values the
// strictest.
func (w *walk) headerMeta(o *Observation) policy.MetaPolicy {
	if !o.HasMeta {
		return policy.MetaUnset
	}
	meta := policy.MetaUnset
	for value := range strings.SplitSeq(o.MetaHeader, ",") {
		m, err := policy.ParseMetaPolicy(strings.ToLower(strings.TrimSpace(value)))
		if err != nil {
			w.note(NoteSilent, "what %s: %s means is not documented: it is taken as none", metaHeader, escape.Text(o.MetaHeader, 60))
			m = policy.MetaNone
		}
		meta = meta.Stricter(m)
	}
	return meta
}

// mayLoad reports whether the client looks at a location of loadPolicyFile.
func (w *walk) mayLoad(l Location, meta policy.MetaPolicy) bool {
	t := w.q.Target.Location()
	switch {
	case l.IsSocket():
		w.ignore(l, policy.MetaUnset, "a socket policy authorises no URL")
	case !l.sameSite(t):
		w.ignore(l, policy.MetaUnset, "a policy speaks for its own scheme, host and port only")
	case !l.covers(t):
		w.ignore(l, policy.MetaUnset, "a policy speaks for its own directory and what is below only")
	case meta == policy.MetaMasterOnly:
		w.ignore(l, meta, "the meta-policy is master-only")
	default:
		return true
	}
	return false
}

// countsURL reports whether the client decides by a file that came, and tells
// why where it does not.
func (w *walk) countsURL(s *Source, meta policy.MetaPolicy) bool {
	if !s.Counts {
		return false
	}
	o := s.Observation
	why := contentTypeMiss(o, meta)
	if s.Role == RoleMaster && meta == policy.MetaByContentType {
		w.note(NoteSilent, "whether by-content-type holds for the master itself is not documented: it is taken to")
	}
	header := w.headerMeta(o)
	switch {
	case why != "":
	case header == policy.MetaNoneThisResponse:
		why = "its header says none-this-response: it is no policy file"
	case s.Role != RoleMaster && (header == policy.MetaNone || header == policy.MetaMasterOnly || header == policy.MetaByFTPFilename):
		why = fmt.Sprintf("its header %s says %s", metaHeader, header)
	case s.Role != RoleMaster && header == policy.MetaByContentType:
		why = contentTypeMiss(o, header)
	case o.Final != s.Location && !o.Final.covers(w.q.Target.Location()):
		why = fmt.Sprintf("it was redirected to %s, which does not cover the URL", escape.Text(o.Final.String(), 160))
	}
	if len(o.Redirects) > 0 {
		w.note(NoteSilent, "for what a redirected policy speaks is not documented: it is taken to speak for what both its first and its last place cover")
	}
	if why != "" {
		s.Counts, s.Why = false, why
		w.step(Step{Kind: StepRule, Source: s, Meta: meta, Text: "it does not count: " + why})
	}
	return s.Counts
}

// contentTypeMiss returns why a file with this Content-Type does not count
// under the meta-policy, or "".
func contentTypeMiss(o *Observation, meta policy.MetaPolicy) string {
	media, _, err := mime.ParseMediaType(o.ContentType)
	switch {
	case meta == policy.MetaByContentType && media != contentTypeExact:
		return fmt.Sprintf("by-content-type asks for Content-Type %s, and it is %q", contentTypeExact, escape.Text(o.ContentType, 60))
	case o.ContentType == "":
		return "it has no Content-Type"
	case err == nil && (strings.HasPrefix(media, "text/") || media == "application/xml" || media == "application/xhtml+xml"):
		return ""
	}
	return fmt.Sprintf("its Content-Type is %q: a policy is text/*, application/xml or application/xhtml+xml", escape.Text(o.ContentType, 60))
}
