package main

import "github.com/port843/port843/audit/survey"

// scanLint is what finds fault with the policies of a scan.
var scanLint survey.Linter = survey.Grammar
