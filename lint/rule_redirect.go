package lint

var ruleRedirect = &Rule{
	Code: "redirect", Name: "a redirect to the policy", Group: Form, Severity: Warning,
	Finds:   `A policy fetched from a URL whose server redirected to another one.`,
	Gain:    "whoever controls where the redirect leads writes the policy of this host",
	Clients: "Flash Player follows within one domain, and then takes the file as that of the last URL, not of the first; other clients differ",
	Fix:     "serve the file itself at this URL",
	Bad:     Example{Text: flashFile(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindURL, URL: "http://example.org/crossdomain.xml", Fetched: true, ContentType: "text/xml", Redirect: "http://www.example.org/crossdomain.xml"}, At: "1:1"},
	Good:    Example{Text: flashFile(`<allow-access-from domain="www.example.com"/>`), Options: Options{Kind: KindURL, URL: "http://www.example.org/crossdomain.xml", Fetched: true, ContentType: "text/xml"}},
	on:      onURL | onSilverlight,
	check: func(s *subject) {
		if s.opt.Redirect != "" {
			s.report(s.file(), "the web server redirects to "+quote(s.opt.Redirect))
		}
	},
}
