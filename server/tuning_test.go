package server_test

import (
	"testing"

	"github.com/port843/port843/server"
)

func TestParseEngine(t *testing.T) {
	for _, e := range []server.Engine{server.EngineAuto, server.EnginePortable, server.EngineNative} {
		if got, err := server.ParseEngine(e.String()); err != nil || got != e {
			t.Errorf("%s: %v, %v", e, got, err)
		}
	}
	if _, err := server.ParseEngine("steam"); err == nil {
		t.Error("an engine that does not exist is taken")
	}
}

func TestTuningSet(t *testing.T) {
	var got server.Tuning
	for _, name := range []string{"no-quick-close", "one-segment", "no-lazy-ack", "defer-accept", "no-low-water"} {
		if err := got.Set(name); err != nil {
			t.Error(err)
		}
	}
	if want := (server.Tuning{QuickClose: server.Off, OneSegment: server.On, LazyAck: server.Off, DeferAccept: server.On, LowWater: server.Off}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, name := range []string{"", "no-", "fast", "no-no-low-water"} {
		if err := got.Set(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}
