// Package aggregate builds the policies of a machine out of what its owners
// say.
package aggregate
