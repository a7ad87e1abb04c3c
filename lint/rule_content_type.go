package lint

import (
	"mime"
	"strings"

	"github.com/port843/port843/policy"
)

var ruleContentType = &Rule{
	Code: "content-type", Name: "a Content-Type that clients refuse", Group: Form, Severity: Error,
	Finds:   `A policy fetched from a URL whose Content-Type is not text/*, application/xml or application/xhtml+xml; of a file that is no master and says by-content-type, one that is not text/x-cross-domain-policy.`,
	Gain:    "nothing: the file does not count",
	Clients: clientsURL,
	Fix:     "have the web server send text/x-cross-domain-policy",
	Bad:     Example{Text: flashFile(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindURL, URL: "http://www.example.org/crossdomain.xml", Fetched: true, ContentType: "application/octet-stream"}, At: "1:1"},
	Good:    Example{Text: flashFile(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindURL, URL: "http://www.example.org/crossdomain.xml", Fetched: true, ContentType: "text/x-cross-domain-policy"}},
	on:      onURL,
	check: func(s *subject) {
		if !s.opt.Fetched {
			return
		}
		got, _, err := mime.ParseMediaType(s.opt.ContentType)
		if s.opt.ContentType == "" {
			s.report(s.file(), "the web server sends no Content-Type")
			return
		}
		if err != nil || !strings.HasPrefix(got, "text/") && got != "application/xml" && got != "application/xhtml+xml" {
			s.report(s.file(), "the web server sends it as "+quote(s.opt.ContentType))
			return
		}
		if master, _ := s.master(); !master && s.flash.Meta == policy.MetaByContentType && got != "text/x-cross-domain-policy" {
			s.report(s.file(), "under by-content-type "+quote(s.opt.ContentType)+" does not count")
		}
	},
}
