package fault_test

import (
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// settled waits until a node's copy on disk holds what it has applied: the
// files no longer change.
func (w *world) settled(n *node) {
	w.t.Helper()
	eventually(w.t, "the copy is on the disk", func() bool {
		files := w.copies(n.Status().Name)
		return len(files) > 0 && size(w.t, files[0]) > 1000
	})
}

// copies are a node's generations, newest first.
func (w *world) copies(name string) []string {
	found, err := filepath.Glob(filepath.Join(w.copyDir(name), "config-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(found)
	slices.Reverse(found)
	return found
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestDamagedCopyIsUsedWholeOrNotAtAll damages the copy of a node that then
// starts alone. With two generations the older one serves; with one there is
// nothing, and the node says so. Never is half of it there.
func TestDamagedCopyIsUsedWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	w.settled(n)
	if err := n.end(); err != nil {
		t.Fatal(err)
	}
	// A second generation: what the first run left, and more.
	second, key := w.caller("second")
	w.approve(second)
	n = w.node("gw-1", w.connect())
	eventually(t, "the second approval is in force", func() bool { return n.status("orders", key) == http.StatusOK })
	eventually(t, "there are two generations", func() bool { return len(w.copies("gw-1")) == 2 })
	if err := n.end(); err != nil {
		t.Fatal(err)
	}
	w.stopManager()
	line := w.connect()
	w.server.Stop()

	original := map[string][]byte{}
	for _, file := range w.copies("gw-1") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		original[filepath.Base(file)] = raw
	}
	t.Logf("generations: %v", sizes(original))
	newest := slices.Max(keysOf(original))
	for damage, do := range map[string]func([]byte) []byte{
		"nothing":             func(b []byte) []byte { return b },
		"empty":               func([]byte) []byte { return nil },
		"cut to the header":   func(b []byte) []byte { return b[:16] },
		"cut in the middle":   func(b []byte) []byte { return b[:len(b)/2] },
		"cut by a byte":       func(b []byte) []byte { return b[:len(b)-1] },
		"a bit in the header": func(b []byte) []byte { return flip(b, 20) },
		"a bit early":         func(b []byte) []byte { return flip(b, 60) },
		"a bit in the middle": func(b []byte) []byte { return flip(b, len(b)/2) },
		"a bit at the end":    func(b []byte) []byte { return flip(b, len(b)-3) },
		"noise":               func(b []byte) []byte { return []byte(rand.Text() + strings.Repeat("x", len(b))) },
		"twice":               func(b []byte) []byte { return append(slices.Clone(b), b...) },
	} {
		for _, both := range []bool{false, true} {
			name := damage + ", newest"
			if both {
				name = damage + ", both"
			}
			t.Run(name, func(t *testing.T) {
				for file, raw := range original {
					if both || file == newest {
						raw = do(raw)
					}
					if err := os.WriteFile(filepath.Join(w.copyDir("gw-1"), file), raw, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				alone := w.node("gw-1", line)
				defer alone.end()
				code, body := alone.ready()
				status, answer := alone.call("orders", w.key)
				t.Logf("ready %d, call %d", code, status)
				switch code {
				case http.StatusOK:
					if status != http.StatusOK {
						t.Errorf("it is ready and the known key gets %d %s", status, answer)
					}
				case http.StatusServiceUnavailable:
					if status != http.StatusServiceUnavailable {
						t.Errorf("it is not ready and the known key gets %d %s", status, answer)
					}
					if !both {
						t.Errorf("with a whole older copy: got %d %s, want 200", code, body)
					}
				default:
					t.Errorf("/readyz: got %d %s", code, body)
				}
				if damage == "nothing" && alone.status("orders", key) != http.StatusOK {
					t.Error("undamaged, the newest approval is not there")
				}
			})
		}
	}
}

func TestUnreadableCopyIsSaidAndNotServed(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	w.settled(n)
	if err := n.end(); err != nil {
		t.Fatal(err)
	}
	for _, file := range w.copies("gw-1") { // a folder in its place: unreadable for every user
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	line := w.connect()
	w.server.Stop()
	alone := w.node("gw-1", line)
	if code, body := alone.ready(); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz: got %d %s, want 503", code, body)
	}
	if err := w.server.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it serves once the bus is there", func() bool { return alone.status("orders", w.key) == http.StatusOK })
}

// The copy holds what callers present only as hashes, and nothing in clear.
func TestCopyTellsNothing(t *testing.T) {
	w := newWorld(t)
	w.settled(w.readyNode("gw-1"))
	for _, file := range w.copies("gw-1") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{"orders", "127.0.0.1", "subscription", w.key, w.tenant.ID.UUID()} {
			if strings.Contains(string(raw), canary) {
				t.Errorf("%s stands in clear in %s", canary, filepath.Base(file))
			}
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
		}
	}
}

func flip(b []byte, at int) []byte {
	out := slices.Clone(b)
	out[at] ^= 4
	return out
}

func keysOf(m map[string][]byte) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

func sizes(m map[string][]byte) map[string]int {
	out := map[string]int{}
	for k, v := range m {
		out[k] = len(v)
	}
	return out
}
