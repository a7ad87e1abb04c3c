package report

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/port843/port843/lint"
)

// sarifRenderer writes SARIF 2.1.0 (OASIS), which code scanning services read.
type sarifRenderer struct {
	w       io.Writer
	opt     Options
	results []sarifResult
}

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules,omitempty"`
}

type sarifRule struct {
	ID               string       `json:"id"`
	ShortDescription sarifMessage `json:"shortDescription"`
	FullDescription  sarifMessage `json:"fullDescription"`
	Help             sarifMessage `json:"help"`
	Default          sarifConfig  `json:"defaultConfiguration"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex *int            `json:"ruleIndex,omitempty"`
	Level     string          `json:"level"`
	Message   sarifMessage    `json:"message"`
	Locations []sarifLocation `json:"locations"`
	Fixes     []sarifFix      `json:"fixes,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine   int  `json:"startLine,omitempty"`
	StartColumn int  `json:"startColumn,omitempty"`
	EndLine     int  `json:"endLine,omitempty"`
	EndColumn   int  `json:"endColumn,omitempty"`
	ByteOffset  *int `json:"byteOffset,omitempty"`
	ByteLength  *int `json:"byteLength,omitempty"`
}

type sarifFix struct {
	Description sarifMessage  `json:"description"`
	Changes     []sarifChange `json:"artifactChanges"`
}

type sarifChange struct {
	Artifact     sarifArtifact      `json:"artifactLocation"`
	Replacements []sarifReplacement `json:"replacements"`
}

type sarifReplacement struct {
	Deleted  sarifRegion   `json:"deletedRegion"`
	Inserted *sarifMessage `json:"insertedContent,omitempty"`
}

func (r *sarifRenderer) Add(f Finding) error {
	artifact := sarifArtifact{sarifURI(f.Place)}
	result := sarifResult{RuleID: f.Code, Level: f.Severity.String(), Message: sarifMessage{f.Message}}
	if f.Hint != "" {
		result.Message.Text += "; " + f.Hint
	}
	if i := slices.IndexFunc(r.opt.Rules, func(x Rule) bool { return x.Code == f.Code }); i >= 0 {
		result.RuleIndex = &i
	}
	physical := sarifPhysical{Artifact: artifact}
	if f.Line > 0 {
		physical.Region = &sarifRegion{StartLine: f.Line, StartColumn: f.Column, EndLine: f.EndLine, EndColumn: f.EndCol}
	}
	result.Locations = []sarifLocation{{physical}}
	if f.Fix != nil {
		result.Fixes = []sarifFix{sarifFixOf(f.Fix, artifact)}
	}
	r.results = append(r.results, result)
	return nil
}

func sarifFixOf(f *lint.Fix, artifact sarifArtifact) sarifFix {
	change := sarifChange{Artifact: artifact}
	for _, e := range f.Edits {
		start, length := e.Start, e.End-e.Start
		x := sarifReplacement{Deleted: sarifRegion{ByteOffset: &start, ByteLength: &length}}
		if e.New != "" {
			x.Inserted = &sarifMessage{e.New}
		}
		change.Replacements = append(change.Replacements, x)
	}
	return sarifFix{sarifMessage{f.Message}, []sarifChange{change}}
}

func (r *sarifRenderer) Close(int) error {
	driver := sarifDriver{Name: "port843", Version: r.opt.Version, InformationURI: "https://github.com/port843/port843"}
	for _, x := range r.opt.Rules {
		driver.Rules = append(driver.Rules, sarifRule{
			ID: x.Code, ShortDescription: sarifMessage{x.Name}, FullDescription: sarifMessage{x.About},
			Help: sarifMessage{x.Help}, Default: sarifConfig{x.Severity.String()},
		})
	}
	if r.results == nil {
		r.results = []sarifResult{}
	}
	data, err := json.MarshalIndent(sarifLog{sarifSchema, "2.1.0", []sarifRun{{sarifTool{driver}, "unicodeCodePoints", r.results}}}, "", "  ")
	if err != nil {
		return err
	}
	_, err = r.w.Write(append(ascii(data), '\n'))
	return err
}

// sarifURI makes a URI of a place: relative for a relative path, so that a
// service finds the file in its checkout.
func sarifURI(place string) string {
	if strings.Contains(place, "://") {
		if u, err := url.Parse(place); err == nil {
			return u.String()
		}
	}
	if place == "-" {
		return "stdin"
	}
	u := url.URL{Path: filepath.ToSlash(place)}
	if filepath.IsAbs(place) {
		u.Scheme = "file"
		if !strings.HasPrefix(u.Path, "/") {
			u.Path = "/" + u.Path
		}
	}
	return u.String()
}
