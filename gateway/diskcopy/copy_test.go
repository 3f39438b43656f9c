package diskcopy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/gateway/diskcopy"
	"portico/internal/entry"
)

func key(n int) entry.Key { return entry.Key(fmt.Sprintf("terms.%032x", n)) }

func item(n int, sequence uint64, text string) entry.Item {
	body, _ := json.Marshal(entry.Terms{Plan: fmt.Sprintf("%032x", n), Name: text})
	return entry.Item{Key: key(n), Envelope: entry.Envelope{
		Schema: entry.Schema, Kind: entry.KindTerms,
		Position: entry.Position{Epoch: 1, Sequence: sequence}, Body: body,
	}}
}

var secret = [32]byte{7}

// open reads a copy into a map of the newest values.
func open(t testing.TB, dir string, key [32]byte) (*diskcopy.Copy, map[entry.Key]uint64, string) {
	t.Helper()
	var said bytes.Buffer
	got := map[entry.Key]uint64{}
	c, err := diskcopy.Open(dir, key, "production", slog.New(slog.NewTextHandler(&said, nil)), func(items []entry.Item) {
		for _, it := range items {
			got[it.Key] = it.Sequence
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, got, said.String()
}

// session appends to a copy as one process would, and ends it.
func session(t testing.TB, dir string, writes func(c *diskcopy.Copy, flush func())) {
	t.Helper()
	c, _, _ := open(t, dir, secret)
	writes(c, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := c.Run(ctx); err != nil { // writes once more when it ends
			t.Fatal(err)
		}
	})
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "config-*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWhatWasAppendedIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(1, 1, "a"), item(2, 1, "b")}, true)
		c.Append([]entry.Item{item(1, 2, "c")}, true)
		flush()
	})
	_, got, _ := open(t, dir, secret)
	if len(got) != 2 || got[key(1)] != 2 || got[key(2)] != 1 {
		t.Errorf("got %v", got)
	}
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(2, 3, "d")}, true)
		flush()
	})
	_, got, _ = open(t, dir, secret)
	if len(got) != 2 || got[key(1)] != 2 || got[key(2)] != 3 {
		t.Errorf("after a second session: got %v", got)
	}
}

func TestNothingOnDiskIsReadable(t *testing.T) {
	dir := t.TempDir()
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(1, 1, "the canary")}, true)
		flush()
	})
	for _, f := range files(t, dir) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("canary")) || bytes.Contains(raw, []byte("terms")) {
			t.Errorf("%s holds text in clear", filepath.Base(f))
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
	}
	if _, got, said := open(t, dir, [32]byte{8}); len(got) != 0 || !strings.Contains(said, "another key") {
		t.Errorf("with another key: got %v, said %s", got, said)
	}
	c, err := diskcopy.Open(dir, secret, "sandbox", slog.New(slog.NewTextHandler(io.Discard, nil)), func(items []entry.Item) {
		t.Errorf("another environment read %d entries", len(items))
	})
	if err != nil || !c.HeardAt().IsZero() {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestWhatDoesNotBelongTogetherIsNotRead(t *testing.T) {
	dir := t.TempDir()
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(1, 1, "whole")}, true)
		flush()
	})
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(1, 2, "half"), item(3, 2, "half")}, false)
		flush()
	})
	if _, got, _ := open(t, dir, secret); len(got) != 1 || got[key(1)] != 1 {
		t.Errorf("got %v, want what was whole", got)
	}
}

// TestDamageNeverGivesHalfAConfiguration cuts and flips files at every kind of
// place. What is read must be one of the states that were committed, or nothing.
func TestDamageNeverGivesHalfAConfiguration(t *testing.T) {
	pristine := t.TempDir()
	states := []string{"map[]"}
	for s := range 4 { // each session begins a new generation
		session(t, pristine, func(c *diskcopy.Copy, flush func()) {
			var items []entry.Item
			for n := range 3 {
				items = append(items, item(n, uint64(s+1), strings.Repeat("x", 200)))
			}
			c.Append(items, true)
			flush()
		})
		_, got, _ := open(t, pristine, secret)
		states = append(states, fmt.Sprint(got))
	}
	names := files(t, pristine)
	if len(names) != 2 {
		t.Fatalf("got %d generations, want this and the one before", len(names))
	}
	newest, err := os.ReadFile(names[1])
	if err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		damaged := bytes.Clone(newest)
		at := rapid.IntRange(0, len(damaged)-1).Draw(t, "at")
		kind := rapid.SampledFrom([]string{"truncate", "flip", "empty", "zeros", "repeat", "swap"}).Draw(t, "damage")
		switch kind {
		case "truncate":
			damaged = damaged[:at]
		case "flip":
			damaged[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "empty":
			damaged = nil
		case "zeros":
			clear(damaged[at:])
		case "repeat":
			damaged = append(damaged, damaged[at:]...)
		case "swap":
			damaged = older
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(names[0])), older, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(names[1])), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		got := map[entry.Key]uint64{}
		_, err := diskcopy.Open(dir, secret, "production", slog.New(slog.NewTextHandler(io.Discard, nil)), func(items []entry.Item) {
			for _, it := range items {
				got[it.Key] = it.Sequence
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(got)
		for _, s := range states[3:] { // the older generation's last state, or a newer one
			if s == text {
				return
			}
		}
		t.Fatalf("%s at %d: got %s, want one of %v", kind, at, text, states[3:])
	})
}

func TestUnreadableFolderIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := diskcopy.Open(file, secret, "production", slog.New(slog.NewTextHandler(io.Discard, nil)), nil); err == nil {
		t.Error("got no error")
	}
}

func TestChangesCostWhatTheyAreAndTheLogIsFolded(t *testing.T) {
	dir := t.TempDir()
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		var items []entry.Item
		for n := range 2000 {
			items = append(items, item(n, 1, strings.Repeat("x", 1000)))
		}
		c.Append(items, true)
		flush()
	})
	size := func() (total int64) {
		for _, f := range files(t, dir) {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			total += info.Size()
		}
		return total
	}
	last := uint64(2)
	session(t, dir, func(c *diskcopy.Copy, _ func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		first, deadline := files(t, dir)[0], time.Now().Add(20*time.Second)
		for files(t, dir)[0] == first || last < 20 { // until older generations are given up
			if time.Now().After(deadline) {
				t.Fatal("the log is never folded")
			}
			var items []entry.Item
			for n := range 90 {
				items = append(items, item(n, last+1, strings.Repeat("z", 100_000)))
			}
			last++
			c.Append(items, true)
			time.Sleep(time.Millisecond)
		}
		// Small again, as the first were.
		for n := range 90 {
			c.Append([]entry.Item{item(n, last+1, "z")}, true)
		}
		last++
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(90, 2, "z")}, true)
		flush()
	})
	session(t, dir, func(c *diskcopy.Copy, flush func()) {
		c.Append([]entry.Item{item(90, 3, "z")}, true)
		flush()
	})
	if got := size(); got > 12<<20 {
		t.Errorf("2 MB of entries take %d bytes", got)
	}
	if n := len(files(t, dir)); n != 2 {
		t.Errorf("got %d generations, want 2", n)
	}
	_, got, _ := open(t, dir, secret)
	if len(got) != 2000 || got[key(5)] != last || got[key(1999)] != 1 {
		t.Errorf("got %d entries, %d, %d", len(got), got[key(5)], got[key(1999)])
	}
}
