package compile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/port843/port843/internal/config"
)

// SiteFile is one file of a site, by its name in the site's folder.
type SiteFile struct{ Name, Text string }

// errSitePath is a folder whose name would have to be quoted otherwise in each
// of three languages.
var errSitePath = errors.New(`the name of the folder holds a quote, a backslash, "$", "{", "}", "&" or a control character, which some web server takes for its own`)

// SiteFiles returns what nginx, Apache and Caddy need to serve the
// /crossdomain.xml of a site as Flash wants it: with its type, which by-content-type
// asks for, and the meta-policy, which no other file on the host may undo. Each
// is to be included into the configuration of the host. dir is the absolute path
// of the folder in which crossdomain.xml lies.
func SiteFiles(s *config.Site, dir string) ([]SiteFile, error) {
	dir = filepath.ToSlash(dir)
	if strings.ContainsAny(dir, "\"\\${}&`") || strings.ContainsFunc(dir, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("%q: %w", dir, errSitePath)
	}
	fill := strings.NewReplacer("HOST", s.Host, "DIR", dir, "META", s.Policy().URLMeta().String())
	return []SiteFile{
		{"nginx.conf", fill.Replace(siteNginx)},
		{"apache.conf", fill.Replace(siteApache)},
		{"Caddyfile", fill.Replace(siteCaddy)},
	}, nil
}

const siteNginx = `# The /crossdomain.xml of HOST: include it into the host's server { }.
location = /crossdomain.xml {
  alias "DIR/crossdomain.xml";
  types { }
  default_type text/x-cross-domain-policy;
  add_header X-Permitted-Cross-Domain-Policies META always;
  add_header X-Content-Type-Options nosniff always;
  add_header Cache-Control max-age=300;
}
`

const siteApache = `# The /crossdomain.xml of HOST: Include it into the host's <VirtualHost>.
# It needs mod_alias and mod_headers (a2enmod headers).
Alias "/crossdomain.xml" "DIR/crossdomain.xml"
<Directory "DIR">
  Require all granted
</Directory>
<Location "/crossdomain.xml">
  ForceType text/x-cross-domain-policy
  Header always set X-Permitted-Cross-Domain-Policies META
  Header always set X-Content-Type-Options nosniff
  Header set Cache-Control max-age=300
</Location>
`

const siteCaddy = `# The /crossdomain.xml of HOST: import it into the host's site block.
handle /crossdomain.xml {
  root * "DIR"
  header Content-Type text/x-cross-domain-policy
  header X-Permitted-Cross-Domain-Policies META
  header X-Content-Type-Options nosniff
  header Cache-Control max-age=300
  file_server
}
`
