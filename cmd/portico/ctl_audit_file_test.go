package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exported is a terminal without a manager, and the rows of a log that was
// exported before it went.
func exported(t *testing.T) (*terminal, [][]byte) {
	t.Helper()
	tm := newTerminal(t)
	for i := range 4 {
		tm.ok("teams", "create", fmt.Sprintf("Team <%d> & \u2028 others", i), "--slug", fmt.Sprintf("team-%d", i), "--role", "provider")
	}
	file := filepath.Join(tm.dir, "audit.ndjson")
	tm.ok("audit", "export", "--out", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tm.env = map[string]string{"PORTICO_URL": "http://127.0.0.1:1"}
	rows := bytes.SplitAfter(text, []byte("\n"))
	return tm, rows[:len(rows)-1]
}

func hashOf(t *testing.T, row []byte) string {
	t.Helper()
	var r struct{ Hash string }
	if err := json.Unmarshal(row, &r); err != nil {
		t.Fatal(err)
	}
	return r.Hash
}

func (tm *terminal) verify(rows [][]byte, args ...string) (out string, code int) {
	tm.t.Helper()
	tm.in = string(bytes.Join(rows, nil))
	out, errs, code := tm.run(append([]string{"audit", "verify", "--file", "-"}, args...)...)
	return out + errs, code
}

func TestExportIsVerifiedWithoutAManager(t *testing.T) {
	tm, rows := exported(t)
	if len(rows) != 5 {
		t.Fatalf("got %d rows, want the making of the tenant and four teams", len(rows))
	}
	head := hashOf(t, rows[4])
	file := filepath.Join(tm.dir, "audit.ndjson")
	if out := tm.ok("audit", "verify", "--file", file); !strings.Contains(out, "all 5 rows fit, from the first") || !strings.Contains(out, "a file cannot tell") || !strings.Contains(out, head) {
		t.Errorf("got %s, want what cannot be known said", out)
	}
	for name, c := range map[string]struct {
		rows [][]byte
		args []string
		want string // part of what is said
		code int
	}{
		"a stretch":                   {rows[2:4], nil, "a stretch of the log: rows 3 to 4", 0},
		"its last row was noted":      {rows, []string{"--head", head}, "ends with the row that was noted", 0},
		"an earlier row was noted":    {rows, []string{"--head", hashOf(t, rows[2])}, "The row that was noted, 3, is in it, and 2 later ones", 0},
		"a row gone":                  {slices.Delete(slices.Clone(rows), 2, 3), nil, "row 4 (aud_", exitRefused},
		"a row gone, and which":       {slices.Delete(slices.Clone(rows), 2, 3), nil, "row 3 is missing before it. 2 rows before it do", exitRefused},
		"two rows in each other's":    {[][]byte{rows[0], rows[2], rows[1], rows[3], rows[4]}, nil, "row 2 is missing before it", exitRefused},
		"a row twice":                 {[][]byte{rows[0], rows[1], rows[1], rows[2]}, nil, "it stands where row 3 ought to", exitRefused},
		"the end cut":                 {rows[:4], nil, "a file cannot tell", 0},
		"the end cut, and it is told": {rows[:4], []string{"--head", head}, "its end was cut", exitRefused},
		"cut within a row":            {[][]byte{rows[0], rows[1][:40]}, nil, "line 2 does not fit", exitRefused},
		"nothing":                     {nil, nil, "holds no rows", exitRefused},
		"another thing altogether":    {[][]byte{[]byte("sequence,id,at\n")}, nil, "the file: line 1 does not fit", exitRefused},
	} {
		if out, code := tm.verify(c.rows, c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d %s, want %d %q", name, code, out, c.code, c.want)
		}
	}
	for _, args := range [][]string{{"--file", file, "--installation"}, {"--file", file, "--data", tm.dir}, {"--head", head}} {
		if _, errs, code := tm.run(append([]string{"audit", "verify"}, args...)...); code != exitUsage || !strings.Contains(errs, "--file") {
			t.Errorf("%v: got %d %s", args, code, errs)
		}
	}
	out := tm.ok("audit", "verify", "--file", file, "--json")
	var found struct{ Items []verified }
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found.Items) != 1 || found.Items[0].Head != head || found.Items[0].File.First != 1 || found.Items[0].File.Last != 5 {
		t.Errorf("got %s, %v", out, err)
	}
}

// No bit of an export can be turned without its being found out, in the row
// that it is in; one in a hundred is tried.
func TestTurnedBitInAnExportIsFound(t *testing.T) {
	tm, rows := exported(t)
	for i, row := range rows {
		for at := i; at < len(row)-1; at += 13 { // the line break is no row's content
			turned := slices.Clone(row)
			turned[at] ^= 1 << (at % 8)
			bad := slices.Clone(rows)
			bad[i] = turned
			out, code := tm.verify(bad)
			if code != exitRefused || !strings.Contains(out, fmt.Sprintf("%d rows before it do", i)) {
				t.Fatalf("row %d, byte %d, %s: exit %d %s", i+1, at, turned, code, out)
			}
		}
	}
}
