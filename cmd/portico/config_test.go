package main

import (
	"path/filepath"
	"testing"
)

// TestUsageWithoutRoomIsNotCounted: 0 is no small spool but none.
func TestUsageWithoutRoomIsNotCounted(t *testing.T) {
	for megabytes, want := range map[int]struct {
		dir   string
		wrong int
	}{0: {"", 0}, 15: {filepath.Join("d", "usage"), 1}, 16: {filepath.Join("d", "usage"), 0}, -1: {filepath.Join("d", "usage"), 1}} {
		c := GatewaySettings{Data: "d", GatewayAddr: ":0", CacheMB: 64, UsageSpoolMB: megabytes}
		var w wrongs
		if c.check(&w); len(w.list) != want.wrong || c.usageDir() != want.dir {
			t.Errorf("%d MiB: got %v and folder %q, want %d faults and %q", megabytes, w.list, c.usageDir(), want.wrong, want.dir)
		}
	}
}
