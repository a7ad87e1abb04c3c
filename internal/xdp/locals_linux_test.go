//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64

package xdp

import (
	"reflect"
	"testing"
)

func TestParseVLANs(t *testing.T) {
	got := parseVLANs(`VLAN Dev name	 | VLAN ID
Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD
eth0.5         | 5  | eth0
inner          | 4094  | eth0.5
broken         | 5000  | eth0
`)
	want := map[string]vlan{"eth0.5": {5, "eth0"}, "inner": {4094, "eth0.5"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTagsOfVLANs(t *testing.T) {
	vlans := map[string]vlan{"eth0.5": {5, "eth0"}, "inner": {7, "eth0.5"}, "deeper": {9, "inner"}, "eth1.5": {5, "eth1"}}
	got := tagsAbove("eth0", vlans)
	want := map[string]uint32{"eth0": 0, "eth0.5": 5, "inner": 5 | 7<<16}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
