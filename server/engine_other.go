//go:build !linux

package server

import (
	"net"
	"os"
)

// There is no native engine on this system: the types stand for it, and none
// of them is ever made.

type engine struct{}

func (*engine) end()      {}
func (*engine) closeAll() {}

type native struct{ tuning Tuning }

func (*native) addStats(*Stats)                             {}
func (*native) stop()                                       {}
func (*native) duplicate() (*os.File, error)                { return nil, ErrNotNative }
func (s *Server) startNative(*Listener, net.Listener) error { return ErrNotNative }
