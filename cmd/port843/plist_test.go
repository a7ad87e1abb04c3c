package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/port843/port843/internal/need"
)

const plist = "../../contrib/launchd/io.github.port843.plist"

// launchdKeys are the keys of launchd.plist(5) that the list may have, with
// the kind of their value. launchd ignores a key that it does not know, and a
// value of another kind, in silence.
var launchdKeys = map[string]string{
	"Label": "string", "ProgramArguments": "[]interface {}", "RunAtLoad": "bool", "KeepAlive": "bool",
	"ThrottleInterval": "int", "ExitTimeOut": "int", "StandardErrorPath": "string",
	"SoftResourceLimits": "map[string]interface {}", "HardResourceLimits": "map[string]interface {}",
}

// TestLaunchdList reads the list by the grammar of property lists, and looks
// each key and its kind up.
func TestLaunchdList(t *testing.T) {
	values := readPlist(t)
	for key, v := range values {
		if kind := fmt.Sprintf("%T", v); launchdKeys[key] != kind {
			t.Errorf("%s is of the kind %s; launchd wants %q", key, kind, launchdKeys[key])
		}
	}
	if label, _ := values["Label"].(string); label+".plist" != filepath.Base(plist) {
		t.Errorf("the label is %q, the file %s", label, filepath.Base(plist))
	}
	soft, _ := values["SoftResourceLimits"].(map[string]any)
	hard, _ := values["HardResourceLimits"].(map[string]any)
	if n, _ := soft["NumberOfFiles"].(int); n < 1024 || len(soft) != 1 || hard["NumberOfFiles"] != n {
		t.Errorf("the limits are %v and %v", soft, hard)
	}
	if keep, _ := values["KeepAlive"].(bool); !keep || len(values) != len(launchdKeys) {
		t.Errorf("the list is %v", values)
	}
}

// TestPlistsThatAreNone holds the reader to its word.
func TestPlistsThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "<plist>", "<plist version=\"1.0\"/>", "<dict/>", "<plist version=\"1.0\"><array/></plist>",
		"<plist version=\"1.0\"><dict><string>a</string></dict></plist>",
		"<plist version=\"1.0\"><dict><key>a</key></dict></plist>",
		"<plist version=\"1.0\"><dict><key>a</key><key>b</key></dict></plist>",
		"<plist version=\"1.0\"><dict><key>a</key><true/><key>a</key><true/></dict></plist>",
		"<plist version=\"1.0\"><dict><key>a</key><integer>x</integer></dict></plist>",
		"<plist version=\"1.0\"><dict><key>a</key><true>yes</true></dict></plist>",
		"<plist version=\"1.0\"><dict>text<key>a</key><true/></dict></plist>",
		"<plist version=\"1.0\"><dict/></plist><plist/>",
	} {
		if got, err := decodePlist(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestPlistutil has a program read the list that knows them from Apple's own
// devices.
func TestPlistutil(t *testing.T) {
	tool := need.Tool(t, "plistutil")
	want := readPlist(t)
	binary := filepath.Join(t.TempDir(), "list")
	if out, err := exec.Command(tool, "-f", "bin", "-i", plist, "-o", binary).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := exec.Command(tool, "-f", "xml", "-i", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodePlist(string(text))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("plistutil reads %v, %v\nwe read %v", got, err, want)
	}
}

func readPlist(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile(plist)
	if err != nil {
		t.Fatal(err)
	}
	values, err := decodePlist(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// decodePlist reads a property list whose root is a dictionary.
func decodePlist(text string) (map[string]any, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	root, err := nextElement(d)
	if err != nil {
		return nil, err
	}
	if root == nil || root.Name.Local != "plist" || len(root.Attr) != 1 || root.Attr[0].Value != "1.0" {
		return nil, errors.New("the root is no plist of version 1.0")
	}
	first, err := nextElement(d)
	if err != nil || first == nil {
		return nil, errors.Join(errors.New("the list is empty"), err)
	}
	v, err := plistValue(d, first)
	if err != nil {
		return nil, err
	}
	dict, ok := v.(map[string]any)
	if more, err := nextElement(d); !ok || more != nil || err != nil {
		return nil, errors.Join(errors.New("the list is not one dictionary"), err)
	}
	if more, err := nextElement(d); more != nil || !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("something is behind the list"), err)
	}
	return dict, nil
}

// nextElement returns the next element, or nil at the end of the one around it.
func nextElement(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch x := token.(type) {
		case xml.StartElement:
			return &x, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if strings.TrimSpace(string(x)) != "" {
				return nil, fmt.Errorf("text between elements: %q", x)
			}
		}
	}
}

func plistValue(d *xml.Decoder, e *xml.StartElement) (any, error) {
	switch e.Name.Local {
	case "dict":
		return plistDict(d)
	case "array":
		list := []any{}
		for {
			e, err := nextElement(d)
			if err != nil || e == nil {
				return list, err
			}
			v, err := plistValue(d, e)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	}
	var text string
	if err := d.DecodeElement(&text, e); err != nil {
		return nil, err
	}
	switch name := e.Name.Local; {
	case name == "string":
		return text, nil
	case name == "integer":
		return strconv.Atoi(text)
	case (name == "true" || name == "false") && text == "":
		return name == "true", nil
	}
	return nil, fmt.Errorf("an element %s with %q is no value", e.Name.Local, text)
}

func plistDict(d *xml.Decoder) (map[string]any, error) {
	out := map[string]any{}
	for {
		e, err := nextElement(d)
		if err != nil || e == nil {
			return out, err
		}
		var key string
		if e.Name.Local != "key" {
			return nil, fmt.Errorf("%s where a key has to be", e.Name.Local)
		}
		if err := d.DecodeElement(&key, e); err != nil {
			return nil, err
		}
		value, err := nextElement(d)
		if err != nil || value == nil {
			return nil, errors.Join(fmt.Errorf("the key %q has no value", key), err)
		}
		v, err := plistValue(d, value)
		if err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("the key %q stands there twice", key)
		}
		out[key] = v
	}
}
