//go:build !linux

package server

// SystemAdvice looks at the settings of this system that bound what a policy
// server can bear. It knows those of Linux; elsewhere there is none.
func SystemAdvice() []Advice { return nil }
