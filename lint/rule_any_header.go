package lint

var ruleAnyHeader = &Rule{
	Code: "any-header", Name: "every request header", Group: Grants, Severity: Warning,
	Finds:   `The headers "*" (Silverlight: http-request-headers) for requestors that are named. For everyone it is headers-from-anyone.`,
	Gain:    "a page of these domains sends any header with its requests, those that the application takes for proof that it was asked by its own pages too",
	Clients: clientsURL,
	Fix:     "name the headers that the application needs, such as SOAPAction",
	Bad:     Example{Text: flashFile(`<allow-http-request-headers-from domain="www.example.com" headers="*"/>`), Options: Options{Kind: KindURL}, At: "2:70"},
	Good:    Example{Text: flashFile(`<allow-http-request-headers-from domain="www.example.com" headers="SOAPAction"/>`), Options: Options{Kind: KindURL}},
	on:      onURL | onSilverlight,
	check: func(s *subject) {
		for i := range s.headers {
			if h := &s.headers[i]; h.all && !h.anyone {
				s.report(s.value(h.attr), "every request header may be sent")
			}
		}
	},
}
