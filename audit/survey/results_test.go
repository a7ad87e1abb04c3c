package survey

import (
	"strings"
	"testing"
)

func TestReadResults(t *testing.T) {
	for _, c := range []struct {
		name, text string
		format     Format
		want       string
	}{
		{"list", "# hosts\n127.0.0.1, 127.0.0.2:943 # two\n\nexample.com\n", FormatList, "127.0.0.1 127.0.0.2:943 example.com"},
		{"nmap -oX", `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap"><host><status state="up"/><address addr="127.0.0.1" addrtype="ipv4"/><address addr="00:11:22:33:44:55" addrtype="mac"/>
<ports><port protocol="tcp" portid="843"><state state="open"/></port><port protocol="tcp" portid="22"><state state="closed"/></port><port protocol="udp" portid="843"><state state="open"/></port></ports></host>
<host><address addr="::1" addrtype="ipv6"/><ports><port protocol="tcp" portid="943"><state state="open"/></port></ports></host></nmaprun>`, FormatNmapXML, "127.0.0.1:843 [::1]:943"},
		{"nmap -oX, stopped", `<?xml version="1.0"?><nmaprun><host><address addr="127.0.0.1" addrtype="ipv4"/><ports><port protocol="tcp" portid="843"><state state="open"/></port></ports></host><host><addr`, FormatNmapXML, "127.0.0.1:843"},
		{"masscan -oX", `<?xml version="1.0"?><!-- masscan v1.0 scan -->
<nmaprun scanner="masscan" start="1"  version="1.0-BETA"  xmloutputversion="1.03">
<scaninfo type="syn" protocol="tcp" /><host endtime="1"><address addr="127.0.0.3" addrtype="ipv4"/><ports><port protocol="tcp" portid="843"><state state="open" reason="syn-ack" reason_ttl="64"/></port></ports></host>
<runstats></runstats></nmaprun>`, FormatNmapXML, "127.0.0.3:843"},
		{"nmap -oG", "# Nmap 7.93 scan\nHost: 127.0.0.1 (localhost)\tStatus: Up\nHost: 127.0.0.1 (localhost)\tPorts: 22/closed/tcp//ssh///, 843/open/tcp//unknown///, 943/filtered/tcp/////\n", FormatNmapGrep, "127.0.0.1:843"},
		{"masscan -oJ, old", "[\n{   \"ip\": \"127.0.0.1\",   \"timestamp\": \"1\", \"ports\": [ {\"port\": 843, \"proto\": \"tcp\", \"status\": \"open\", \"reason\": \"syn-ack\", \"ttl\": 64} ] },\n{finished: 1}\n]\n", FormatMasscanJSON, "127.0.0.1:843"},
		{"masscan -oJ, 1.0.5", "[\n{ \"ip\": \"127.0.0.1\", \"ports\": [ {\"port\": 843, \"proto\": \"tcp\", \"status\": \"open\"} ] }\n,\n{ \"ip\": \"127.0.0.2\", \"ports\": [ {\"port\": 843, \"proto\": \"udp\", \"status\": \"open\"}, {\"port\": 943, \"proto\": \"tcp\", \"status\": \"open\"} ] }\n]\n", FormatMasscanJSON, "127.0.0.1:843 127.0.0.2:943"},
		{"masscan -oJ, trailing comma, stopped", "[\n{ \"ip\": \"127.0.0.1\", \"ports\": [ {\"port\": 843, \"proto\": \"tcp\", \"status\": \"open\"} ] },\n{ \"ip\": \"127.0", FormatMasscanJSON, "127.0.0.1:843"},
		{"masscan -oJ, bare", ",\n{ \"ip\": \"127.0.0.1\", \"ports\": [ {\"port\": 843, \"proto\": \"tcp\"} ] }\n", FormatMasscanJSON, "127.0.0.1:843"},
		{"masscan -oD", `{"ip":"127.0.0.1","timestamp":"1","port":843,"proto":"tcp","rec_type":"status","data":{"status":"open"}}` + "\n", FormatMasscanJSON, "127.0.0.1:843"},
		{"masscan -oJ with a banner", `[{"ip":"127.0.0.1","ports":[{"port":843,"proto":"tcp","service":{"name":"x","banner":"a}\"{"}}]}]`, FormatMasscanJSON, "127.0.0.1:843"},
		{"masscan -oL", "#masscan\nopen tcp 843 127.0.0.1 1390380064\nbanner tcp 843 127.0.0.1 1 x y\nopen udp 53 127.0.0.2 1\n# end\n", FormatMasscanList, "127.0.0.1:843"},
		{"zmap", "saddr\n127.0.0.1\n127.0.0.2\n", FormatZmapCSV, "127.0.0.1 127.0.0.2"},
		{"zmap, more columns", "classification,saddr,daddr,sport,success\nsynack,127.0.0.1,127.0.0.9,843,1\nrst,127.0.0.2,127.0.0.9,843,0\n", FormatZmapCSV, "127.0.0.1:843"},
		{"zmap, no header", "127.0.0.1\r\n127.0.0.2\r\n", FormatList, "127.0.0.1 127.0.0.2"},
		{"our own", `{"v":1,"ip":"127.0.0.1","port":843,"class":"policy"}` + "\n", FormatJSONLines, "127.0.0.1:843"},
		{"empty", "", FormatList, ""},
	} {
		var got []string
		format, err := ReadResults(strings.NewReader(c.text), func(f Found) error {
			if f.Text != "" {
				got = append(got, f.Text)
			} else {
				got = append(got, f.Addr.String())
			}
			return nil
		})
		if err != nil || format != c.format || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s %v %v, want %s %s", c.name, format, got, err, c.format, c.want)
		}
	}
}

func TestDamagedResults(t *testing.T) {
	for _, text := range []string{
		`{"ip":"nonsense","ports":[{"port":843,"proto":"tcp"}]}`,
		`<?xml version="1.0"?><html/>`,
		"Host: nonsense ()\tPorts: 843/open/tcp//x///\n",
		"open tcp 99999 127.0.0.1 1\n",
		`{"v":1,"class":"policy"}`,
		`{"v":1,"ip":"127.0.0.1","port":843,"class":"policy"` + "\n",
	} {
		if _, err := ReadResults(strings.NewReader(text), func(Found) error { return nil }); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzReadResults(f *testing.F) {
	f.Add("[{\"ip\": \"127.0.0.1\",\"ports\":[{\"port\":843,\"proto\":\"tcp\"}]},{finished: 1}]")
	f.Add("saddr,sport\n127.0.0.1,843\n")
	f.Add("<nmaprun><host><address addr='::1'/></host></nmaprun>")
	f.Fuzz(func(t *testing.T, text string) {
		ReadResults(strings.NewReader(text), func(found Found) error {
			if found.Text == "" && !found.Addr.IsValid() {
				t.Error("nothing was found")
			}
			return nil
		})
	})
}
