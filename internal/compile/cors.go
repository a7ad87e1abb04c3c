package compile

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/policy"
)

// corsPreface says what the two do not share.
const corsPreface = `# What /crossdomain.xml says to Flash, said to browsers by CORS, for nginx,
# Apache and Caddy: take the part of your server. The file itself and what the
# servers need for it are written by "port843 build --output DIR".
#
# What CORS cannot express:
# - a header by a prefix ("X-Foo*"): such patterns are left out here, and so are
#   names with signs other than "-" and "_"; "*" stands for every header only in
#   requests without credentials;
# - a requestor by its name alone: an Origin has a port, and every port is let in
#   here, as Flash does;
# - Flash's requests carry the visitor's cookies; these do not: add
#   Access-Control-Allow-Credentials only if pages are to act as the visitor;
# - a meta-policy, which forbids other policy files: CORS has none;
# - one answer for a whole host: each response has to say it, so what an
#   application behind the server answers by itself is not covered.
# Over HTTPS only pages that came over HTTPS are let in, as Flash does by
# default. Where something else ends TLS before the server, the server takes its
# own scheme for the client's.
# Ruffle loads as the page does, so CORS is what counts for it.
`

// CORS writes the configuration of three web servers for the sites.
func CORS(sites []config.Site) string {
	var b strings.Builder
	b.WriteString(corsPreface)
	for i := range sites {
		s := &sites[i]
		v := corsValues{
			host: s.Host, name: fmt.Sprintf("port843_%d", i+1), headers: plainHeaders(s),
			http: originPattern(s, false), https: originPattern(s, true),
		}
		v.nginx(&b)
		v.apache(&b)
		v.caddy(&b)
	}
	return b.String()
}

// corsValues are what the configurations of one site are made of.
type corsValues struct {
	host, name  string
	http, https string // patterns of the Origins over each scheme; empty: none
	headers     string
}

// each calls f for the patterns that there are, with their schemes.
func (v *corsValues) each(f func(scheme, pattern string)) {
	if v.http != "" {
		f("http", v.http)
	}
	if v.https != "" {
		f("https", v.https)
	}
}

func (v *corsValues) nginx(b *strings.Builder) {
	fmt.Fprintf(b, "\n# ---- nginx, %s: the maps into http { }, the rest into its server { }; a location\n# with an add_header of its own needs these there again\n", v.host)
	fmt.Fprintf(b, "map \"$scheme $http_origin\" $%s_origin {\n  default \"\";\n", v.name)
	v.each(func(scheme, pattern string) {
		fmt.Fprintf(b, "  \"~*^%s %s$\" $http_origin;\n", scheme, pattern)
	})
	b.WriteString("}\n")
	if v.headers != "" {
		fmt.Fprintf(b, "map \"$request_method $http_access_control_request_method\" $%s_preflight {\n  default \"\";\n  \"~^OPTIONS .\" 1;\n}\n", v.name)
	}
	fmt.Fprintf(b, "add_header Access-Control-Allow-Origin $%s_origin always;\nadd_header Vary Origin always;\n", v.name)
	if v.headers != "" {
		fmt.Fprintf(b, "add_header Access-Control-Allow-Headers \"%s\" always;\nif ($%s_preflight) {\n  return 204;\n}\n", v.headers, v.name)
	}
}

func (v *corsValues) apache(b *strings.Builder) {
	fmt.Fprintf(b, "\n# ---- Apache, %s: into its <VirtualHost>, with mod_headers\n", v.host)
	v.each(func(scheme, pattern string) {
		on := map[string]string{"http": "off", "https": "on"}[scheme]
		condition := fmt.Sprintf("\"expr=%%{HTTPS} == '%s' && %%{req:Origin} =~ m#^%s$#i\"", on, pattern)
		fmt.Fprintf(b, "Header always set Access-Control-Allow-Origin \"expr=%%{req:Origin}\" %s\n", condition)
		if v.headers != "" {
			fmt.Fprintf(b, "Header always set Access-Control-Allow-Headers \"%s\" %s\n", v.headers, condition)
		}
	})
	b.WriteString("Header always merge Vary Origin\n")
}

func (v *corsValues) caddy(b *strings.Builder) {
	fmt.Fprintf(b, "\n# ---- Caddy, %s: into its site block\n", v.host)
	v.each(func(scheme, pattern string) {
		fmt.Fprintf(b, "@port843_%[1]s {\n  protocol %[1]s\n  header_regexp port843_%[1]s Origin `(?i)^%[2]s$`\n}\nheader @port843_%[1]s Access-Control-Allow-Origin {http.regexp.port843_%[1]s.0}\n", scheme, pattern)
		if v.headers != "" {
			fmt.Fprintf(b, "header @port843_%s Access-Control-Allow-Headers `%s`\n", scheme, v.headers)
		}
	})
	b.WriteString("header +Vary Origin\n")
	if v.headers != "" {
		b.WriteString("@port843_preflight {\n  method OPTIONS\n  header Access-Control-Request-Method *\n}\nrespond @port843_preflight 204\n")
	}
}

// originPattern returns a regular expression, to be anchored, for the Origins
// that a site lets in where it is itself asked over HTTPS, or over HTTP. Names
// and addresses are quoted; no pattern comes from the config itself. It is
// empty where nobody is let in.
func originPattern(s *config.Site, overHTTPS bool) string {
	var list []string
	for _, d := range s.Allow {
		scheme := "https?"
		switch {
		case (overHTTPS || s.Secure) && d.Scheme() == policy.SchemeHTTP:
			continue
		case overHTTPS || s.Secure || d.Scheme() == policy.SchemeHTTPS:
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
	if len(list) == 0 {
		return ""
	}
	return "(" + strings.Join(list, "|") + ")(:[0-9]+)?"
}

// plainHeader is a name without signs that a server's configuration could take
// for its own.
var plainHeader = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// plainHeaders are the headers that CORS can name.
func plainHeaders(s *config.Site) string {
	var out []string
	for _, h := range s.Headers {
		if h == "*" || plainHeader.MatchString(h) {
			out = append(out, h)
		}
	}
	return strings.Join(out, ", ")
}
