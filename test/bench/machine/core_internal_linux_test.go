package machine

import "testing"

func TestACoreIsTakenFromAMask(t *testing.T) {
	for _, c := range []struct {
		mask string
		core int
		want string
	}{
		{"3\n", 0, "2"},
		{"3\n", 1, "1"},
		{"1\n", 0, ""},
		{"2\n", 0, "2"},
		{"ff,ffffffff\n", 33, "fd,ffffffff"},
		{"1,00000001\n", 0, "1,00000000"},
		{"00000001,00000001\n", 32, "1"},
	} {
		if got, err := without(c.mask, c.core); err != nil || got != c.want {
			t.Errorf("%q without core %d is %q, %v; want %q", c.mask, c.core, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "x", "-3"} {
		if got, err := without(bad, 0); err == nil {
			t.Errorf("%q was read, as %q", bad, got)
		}
	}
}
