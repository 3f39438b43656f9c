package process

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNetworkIsServedInOrder holds what the product is built with to what
// deploy/in-order promises. A Go that keeps the order by itself, or has another loop,
// is a reason to look at it again.
func TestNetworkIsServedInOrder(t *testing.T) {
	dir := t.TempDir()
	overlay, err := inOrder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "["
	for i := range 16 {
		want += fmt.Sprintf("%d ", i)
	}
	want = want[:len(want)-1] + "]\n"
	for name, flags := range map[string][]string{"overlay": {"-overlay", overlay}, "plain": nil} {
		bin := filepath.Join(dir, name)
		if err := build(t.Context(), bin, "./test/process/testdata/inorder", flags...); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), bin).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		switch got := string(out); {
		case name == "overlay" && got != want:
			t.Errorf("woken in the order %s, want %s", got, want)
		case name == "plain" && got == want:
			t.Error("this Go keeps the order by itself: deploy/in-order is not needed any more")
		}
	}
}
