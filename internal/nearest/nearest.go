// Package nearest guesses which known word a mistyped one was meant to be.
package nearest

import "strings"

// Word returns the word that name was probably meant to be, or "": one that is
// at most two letters from it, or that begins with it or it with that. Of
// several the nearest counts, then the first.
func Word(name string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		d := distance(name, w)
		if name != "" && (strings.HasPrefix(w, name) || strings.HasPrefix(name, w)) {
			d = min(d, 2)
		}
		if d < least && d < len(w) {
			best, least = w, d
		}
	}
	return best
}

// maxLength bounds the work for a name that a stranger has written.
const maxLength = 64

// distance is the number of letters to put in, take out or change (Levenshtein).
func distance(a, b string) int {
	if len(a) > maxLength {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
