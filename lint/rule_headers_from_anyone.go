package lint

import (
	"strings"

	"github.com/port843/port843/internal/escape"
)

var ruleHeadersFromAnyone = &Rule{
	Code: "headers-from-anyone", Name: "request headers from anyone", Group: Grants, Severity: Error,
	Finds:   `Request headers granted to the domain "*"; Silverlight's http-request-headers where a domain of the same allow-from is everyone.`,
	Gain:    "any page that a user opens sends requests with that user's cookies and with headers of its choice: the check for X-Requested-With, or for a token in a header, no longer tells your own pages",
	Clients: clientsURL,
	Fix:     "name the domains that may send these headers",
	Bad:     Example{Text: flashFile(`<allow-http-request-headers-from domain="*" headers="*"/>`), Options: Options{Kind: KindURL}, At: "2:44"},
	Good:    Example{Text: flashFile(`<allow-http-request-headers-from domain="www.example.com" headers="SOAPAction"/>`), Options: Options{Kind: KindURL}},
	on:      onURL | onSilverlight,
	check: func(s *subject) {
		for i := range s.headers {
			h := &s.headers[i]
			if !h.anyone {
				continue
			}
			at := h.domain
			if at == nil {
				at = h.attr
			}
			what := "any header"
			if !h.all {
				what = escape.Text(strings.Join(h.headers, ","), 80)
			}
			s.report(s.value(at), "every site may send "+what)
		}
	},
}
