package main

import (
	"regexp"
	"strings"
)

// quietHead stands at the top of the config that a package installs.
const quietHead = `# port843.toml: what the packaged service serves. As it stands it permits
# nothing, promptly. To change that, take the "#" away before a setting (a line
# that begins with "#" and no space); what follows "# " explains.
#
# Changes are in service within a second; a mistake changes nothing, and is in
# "journalctl -u port843". Check first: port843 serve --test --config FILE
`

// setting finds a line of the reference that sets something, whether it stands
// behind "# " already or not.
var setting = regexp.MustCompile(`^(?:# )?(?:[a-z_]+ *=|\[)`)

// kept is the one table that is there already, so that a setting of it counts
// as soon as its "#" is gone.
const kept = "[serve]\n"

// quiet returns the reference config with every setting commented out: "#" and
// no space, as against the "# " of an explanation.
func quiet(reference []byte) []byte {
	var b strings.Builder
	b.WriteString(quietHead)
	head := true
	for line := range strings.Lines(string(reference)) {
		if head { // the reference's own first paragraph
			head = strings.TrimSpace(line) != ""
			if head {
				continue
			}
		}
		if line != kept && setting.MatchString(line) {
			line = "#" + strings.TrimPrefix(line, "# ")
		}
		b.WriteString(line)
	}
	return []byte(b.String())
}
