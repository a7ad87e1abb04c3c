package compile

import (
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/port843/port843/internal/config"
)

// SocketProxy is one entry of Ruffle's socketProxy: what the SWF connects to,
// to the letter, and where the page opens a WebSocket for it.
type SocketProxy struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	ProxyURL string `json:"proxyUrl"`
}

// SocketProxies returns an entry for each service with a backend, under each
// name that a SWF may call it by: its own host, or its owner's, or its address.
// scheme is "ws" or "wss"; a page over HTTPS may only open wss.
func SocketProxies(c *config.Config, scheme string) []SocketProxy {
	out := []SocketProxy{}
	for i := range c.Services {
		s := &c.Services[i]
		if len(s.Backends) == 0 {
			continue
		}
		for _, host := range hostsOf(c, s) {
			for _, r := range s.Ports.Ranges() {
				for port := uint32(r.Lo); port <= uint32(r.Hi); port++ {
					url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
					out = append(out, SocketProxy{host, uint16(port), url})
				}
			}
		}
	}
	return out
}

func hostsOf(c *config.Config, s *config.Service) []string {
	if s.Host != "" {
		return []string{s.Host}
	}
	i := slices.IndexFunc(c.Owners, func(o config.Owner) bool { return o.Name == s.Owner })
	if i >= 0 && len(c.Owners[i].Hosts) > 0 {
		return c.Owners[i].Hosts
	}
	if s.Address.IsValid() {
		return []string{s.Address.String()}
	}
	return nil
}

// Embed returns a piece of a page that plays a SWF in Ruffle with these
// entries. encoding/json escapes what could end the script.
func Embed(list []SocketProxy) (string, error) {
	data, err := json.MarshalIndent(list, "    ", "  ")
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(embed, "PROXIES", string(data)), nil
}

const embed = `<!-- ruffle.js lies on your own server, beside its other files -->
<script>
  window.RufflePlayer = window.RufflePlayer || {};
  window.RufflePlayer.config = {
    socketProxy: PROXIES
  };
</script>
<script src="/ruffle/ruffle.js"></script>
<object type="application/x-shockwave-flash" data="/game.swf" width="640" height="480"></object>
`
