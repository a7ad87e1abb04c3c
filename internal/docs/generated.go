package docs

import (
	"fmt"
	"os"
	"regexp"
)

// Generated returns the page with text in place of what stands between the
// marks of its generated part of that name:
//
//	<!-- NAME: generated, see FILE -->
//	<!-- end of NAME -->
func Generated(page, name, text string) (string, error) {
	part := regexp.MustCompile(`(?s)(<!-- ` + regexp.QuoteMeta(name) + `: generated, see \S+ -->\n).*?(<!-- end of ` + regexp.QuoteMeta(name) + ` -->\n)`)
	if n := len(part.FindAllStringIndex(page, -1)); n != 1 {
		return "", fmt.Errorf("the page has %d generated parts %q, not one", n, name)
	}
	m := part.FindStringSubmatchIndex(page)
	return page[:m[3]] + text + page[m[4]:], nil
}

// WriteGenerated puts text into the generated part of the file, and tells
// whether that changed it. With write it writes the file, else it only looks.
func WriteGenerated(path, name, text string, write bool) (changed bool, err error) {
	have, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	want, err := Generated(string(have), name, text)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if changed = want != string(have); changed && write {
		err = os.WriteFile(path, []byte(want), 0o644)
	}
	return changed, err
}
