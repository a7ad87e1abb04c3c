// Package auditreport writes what a scan found: as a table for people, as lines
// for programs, and as one page that can be handed to a customer.
//
// [New] makes a [Writer]; it takes records one at a time, and End closes the
// report. JSON lines, CSV and nmap's XML are written as they come and keep
// nothing. The others count everything and keep what listens, up to [MaxKept]
// records.
//
// Texts of strangers in a record are escaped already; here the formats' own
// rules are kept on top: no cell of a spreadsheet begins a formula, no page
// holds markup that is not ours, and nothing is loaded from anywhere.
package auditreport
