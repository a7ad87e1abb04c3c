package compile

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
)

// corsPreface says what the two do not share.
const corsPreface = `# What /crossdomain.xml says to Flash, said to browsers by CORS, and the file
# itself, for nginx, Apache and Caddy: take the part of your server.
#
# What CORS cannot express:
# - a header by a prefix ("X-Foo*"): such patterns are left out here; "*" stands
#   for every header only in requests without credentials;
# - a requestor by its IP address or name alone: an Origin has a scheme and a
#   port, so every port is let in here, as Flash does;
# - Flash's requests carry the visitor's cookies; these do not: add
#   Access-Control-Allow-Credentials only if pages are to act as the visitor;
# - a meta-policy: CORS is said by each answer for itself.
# Ruffle loads as the page does, so CORS is what counts for it.
`

// CORS writes the configuration of three web servers for the sites.
func CORS(sites []config.Site) string {
	var b strings.Builder
	b.WriteString(corsPreface)
	for i := range sites {
		s := &sites[i]
		pattern, headers := originPattern(s), plainHeaders(s)
		fmt.Fprintf(&b, "\n# ---- nginx, %s: the map into http { }, the rest into its server { }\n", s.Host)
		fmt.Fprintf(&b, "map $http_origin $port843_%d_origin {\n  default \"\";\n  \"~*%s\" $http_origin;\n}\n", i+1, pattern)
		fmt.Fprintf(&b, "add_header Access-Control-Allow-Origin $port843_%d_origin always;\nadd_header Vary Origin always;\n", i+1)
		if headers != "" {
			fmt.Fprintf(&b, "add_header Access-Control-Allow-Headers \"%s\" always;\n", headers)
		}
		fmt.Fprintf(&b, "location = /crossdomain.xml {\n  root DIR/sites/%s;\n  types { }\n  default_type text/x-cross-domain-policy;\n  add_header X-Permitted-Cross-Domain-Policies master-only;\n}\n", s.Host)

		fmt.Fprintf(&b, "\n# ---- Apache, %s: into its <VirtualHost>, with mod_headers and mod_setenvif\n", s.Host)
		fmt.Fprintf(&b, "SetEnvIfNoCase Origin \"%s\" PORT843_ORIGIN=$0\nHeader always set Access-Control-Allow-Origin \"%%{PORT843_ORIGIN}e\" env=PORT843_ORIGIN\nHeader always merge Vary Origin\n", pattern)
		if headers != "" {
			fmt.Fprintf(&b, "Header always set Access-Control-Allow-Headers \"%s\" env=PORT843_ORIGIN\n", headers)
		}
		fmt.Fprintf(&b, "Alias /crossdomain.xml DIR/sites/%s/crossdomain.xml\n<Location /crossdomain.xml>\n  ForceType text/x-cross-domain-policy\n  Header set X-Permitted-Cross-Domain-Policies master-only\n</Location>\n", s.Host)

		fmt.Fprintf(&b, "\n# ---- Caddy, %s: into its site block\n", s.Host)
		fmt.Fprintf(&b, "@port843 header_regexp port843 Origin (?i)%s\nheader @port843 Access-Control-Allow-Origin \"{http.regexp.port843.0}\"\nheader +Vary Origin\n", pattern)
		if headers != "" {
			fmt.Fprintf(&b, "header @port843 Access-Control-Allow-Headers \"%s\"\n", headers)
		}
		fmt.Fprintf(&b, "handle /crossdomain.xml {\n  root DIR/sites/%s\n  header Content-Type text/x-cross-domain-policy\n  header X-Permitted-Cross-Domain-Policies master-only\n  file_server\n}\n", s.Host)
	}
	return b.String()
}

// originPattern returns an anchored regular expression for the Origins that a
// site lets in. Names and addresses are quoted; no pattern comes from the
// config itself.
func originPattern(s *config.Site) string {
	var list []string
	for _, d := range s.Allow {
		scheme := "https?"
		switch {
		case s.Secure || d.Scheme() == policy.SchemeHTTPS:
			scheme = "https"
		case d.Scheme() == policy.SchemeHTTP:
			scheme = "http"
		}
		host := regexp.QuoteMeta(d.Host())
		switch {
		case d.Kind() == policy.DomainAny:
			host = "[^/]+"
		case strings.Contains(d.Host(), ":"):
			host = `\[` + host + `\]`
		case d.Kind() != policy.DomainExact && strings.Contains(d.String(), "*."):
			host = `([a-z0-9_-]+\.)*` + host
		}
		list = append(list, scheme+"://"+host)
	}
	return "^(" + strings.Join(list, "|") + ")(:[0-9]+)?$"
}

// plainHeaders are the headers that CORS can name.
func plainHeaders(s *config.Site) string {
	var out []string
	for _, h := range s.Headers {
		if h == "*" || !strings.HasSuffix(h, "*") {
			out = append(out, h)
		}
	}
	return strings.Join(out, ", ")
}
