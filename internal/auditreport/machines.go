package auditreport

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
)

// issue is one thing to report about a target: a fault, a finding, or its group.
type issue struct {
	rule     string
	severity survey.Severity
	text     string
	help     string
}

// issues lists what is to be reported about a record.
func issues(r *survey.Record) []issue {
	var out []issue
	for _, f := range r.Faults {
		severity := survey.Warning
		if f.Fatal() {
			severity = survey.Error
		}
		if f == audit.SharedPort || f == audit.OverTLS {
			severity = survey.Note
		}
		out = append(out, issue{"fault-" + string(f), severity, f.Explain(), ""})
	}
	for _, f := range r.Findings {
		out = append(out, issue{f.Code, f.Severity, f.Message, f.Hint})
	}
	switch g := GroupOf(r); g {
	case GroupAnyone:
		out = append(out, issue{"open-to-anyone", survey.Error, "allows " + strings.Join(ruleTexts(r.Policy), "; "), g.Explain()})
	case GroupAbandoned:
		out = append(out, issue{"abandoned", survey.Warning, g.Explain(), ""})
	case GroupDelays:
		out = append(out, issue{"delay", survey.Warning, r.Class.Explain(), g.Explain()})
	}
	return out
}

type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Results     []sarifResult     `json:"results"`
		Invocations []sarifInvocation `json:"invocations"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"semanticVersion,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string            `json:"ruleId"`
		Level     string            `json:"level"`
		Message   sarifText         `json:"message"`
		Locations []sarifLocation   `json:"locations"`
		Prints    map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
	}
	sarifInvocation struct {
		Successful  bool   `json:"executionSuccessful"`
		CommandLine string `json:"commandLine,omitempty"`
		Start       string `json:"startTimeUtc"`
		End         string `json:"endTimeUtc"`
	}
)

// writeSARIF writes SARIF 2.1.0: one result for each fault and finding.
func writeSARIF(w io.Writer, s *summary, m Meta) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "port843", Rules: []sarifRule{}}
	known := map[string]bool{}
	const stamp = "2006-01-02T15:04:05.000Z"
	run.Invocations = []sarifInvocation{{m.Complete, m.Command, m.Started.UTC().Format(stamp), m.Finished.UTC().Format(stamp)}}
	for _, g := range Groups() {
		records := s.sorted(g)
		for i := range records {
			r := &records[i]
			for _, each := range issues(r) {
				if !known[each.rule] {
					known[each.rule] = true
					short := each.help
					if short == "" {
						short = each.rule
					}
					run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{each.rule, sarifText{short}})
				}
				var at sarifLocation
				at.Physical.Artifact.URI = "xmlsocket://" + strings.SplitN(endpointText(r), " ", 2)[0]
				run.Results = append(run.Results, sarifResult{
					RuleID: each.rule, Level: string(each.severity), Message: sarifText{endpointText(r) + ": " + each.text},
					Locations: []sarifLocation{at}, Prints: map[string]string{"target/v1": each.rule + "@" + at.Physical.Artifact.URI},
				})
			}
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Stamp    string      `xml:"timestamp,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes one test case for each target that answered: it fails where
// there is something graver than a note to report.
func writeJUnit(w io.Writer, s *summary, m Meta) error {
	suite := junitSuite{Name: "port843 scan", Time: fmt.Sprintf("%.3f", m.Finished.Sub(m.Started).Seconds()), Stamp: m.Started.UTC().Format("2006-01-02T15:04:05")}
	for _, g := range Groups() {
		records := s.sorted(g)
		for i := range records {
			r := &records[i]
			c := junitCase{Class: string(r.Class), Name: endpointText(r), Time: fmt.Sprintf("%.3f", float64(r.Timing.Total)/1e9)}
			var lines []string
			for _, each := range issues(r) {
				if each.severity.Rank() > survey.Note.Rank() {
					lines = append(lines, string(each.severity)+" "+each.rule+": "+each.text)
				}
			}
			if len(lines) > 0 {
				suite.Failures++
				c.Failure = &junitFailure{g.String(), string(r.Class), strings.Join(lines, "\n")}
			}
			suite.Cases = append(suite.Cases, c)
		}
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
