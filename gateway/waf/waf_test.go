package waf_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"portico/gateway/waf"
)

// vectors are the rule set's own regression tests, which its module holds.
type vectors struct {
	Tests []struct {
		ID     int `yaml:"test_id"`
		Stages []struct {
			Input struct {
				Headers map[string]string `yaml:"headers"`
				Method  string            `yaml:"method"`
				URI     string            `yaml:"uri"`
				Data    string            `yaml:"data"`
				Version string            `yaml:"version"`
				Encoded string            `yaml:"encoded_request"`
				Stop    bool              `yaml:"stop_magic"`
			} `yaml:"input"`
			Output struct {
				Log struct {
					Expect []int `yaml:"expect_ids"`
					No     []int `yaml:"no_expect_ids"`
				} `yaml:"log"`
			} `yaml:"output"`
		} `yaml:"stages"`
	} `yaml:"tests"`
}

// TestRegressionTestsOfTheRuleSet runs what stands in the rule set's module. The
// score must not get worse; what a proxy never sees is left out (requests that our
// own parser refuses), and so are tests of answers.
func TestRegressionTestsOfTheRuleSet(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/corazawaf/coraza-coreruleset/v4").Output()
	if err != nil {
		t.Fatal(err)
	}
	set := new(waf.Set)
	passed, all := 0, 0
	failed := map[string]int{}
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(out)), "tests"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "REQUEST-9") || strings.Contains(path, "REQUEST-949") || filepath.Ext(path) != ".yaml" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v vectors
		if err := yaml.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, test := range v.Tests {
			for _, stage := range test.Stages {
				in, want := stage.Input, stage.Output.Log
				if in.Encoded != "" || len(want.Expect)+len(want.No) == 0 {
					continue
				}
				all++
				if ids := look(t, set, in.Method, in.URI, in.Version, in.Headers, in.Data); holds(ids, want.Expect, want.No) {
					passed++
				} else {
					failed[filepath.Base(filepath.Dir(path))]++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d", passed, all)
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		t.Logf("%s: %d not", name, failed[name])
	}
	if all < 1000 || passed < known {
		t.Errorf("%d of %d hold, want at least %d of more than 1,000", passed, all, known)
	}
}

// known is how many held when this was written.
const known = 4520

func look(t *testing.T, set *waf.Set, method, uri, proto string, headers map[string]string, data string) (ids []int) {
	t.Helper()
	r := waf.Request{Client: "127.0.0.1", Method: method, Target: uri, Proto: proto, Body: []byte(data), Headers: func(add func(string, string)) {
		for name, value := range headers {
			if !strings.EqualFold(name, "Host") {
				add(name, value)
			}
		}
		if data != "" && headers["Content-Type"] == "" && headers["content-type"] == "" {
			add("Content-Type", "application/x-www-form-urlencoded")
		}
		if data != "" && headers["Content-Length"] == "" {
			add("Content-Length", fmt.Sprint(len(data)))
		}
	}}
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Proto == "" {
		r.Proto = "HTTP/1.1"
	}
	r.Host = headers["Host"]
	found, err := set.Look(waf.Levels, &r)
	if err != nil {
		t.Logf("%s %s: %v", method, uri, err)
	}
	for _, f := range found {
		ids = append(ids, f.Rule)
	}
	return ids
}

func holds(ids, want, not []int) bool {
	for _, id := range want {
		if !slices.Contains(ids, id) {
			return false
		}
	}
	for _, id := range not {
		if slices.Contains(ids, id) {
			return false
		}
	}
	return true
}

func TestFindingsNameRuleScoreAndParameter(t *testing.T) {
	set := new(waf.Set)
	r := waf.Request{
		Client: "203.0.113.9", Method: "GET", Target: "/search?q=1%27%20OR%20%271%27%3D%271&page=2", Proto: "HTTP/1.1", Host: "api.example.com",
		Headers: func(add func(string, string)) { add("User-Agent", "test"); add("Accept", "*/*") },
	}
	found, err := set.Look(1, &r)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 || found[0].Score != 5 || found[0].Message == "" || !slices.Equal(found[0].Arguments, []string{"q"}) {
		t.Errorf("got %+v, want a critical finding in q", found)
	}
	r.Target = "/search?q=two+words&page=2"
	if found, err := set.Look(1, &r); err != nil || len(found) > 0 {
		t.Errorf("of a harmless request: got %+v %v", found, err)
	}
	if _, err := set.Look(5, &r); err == nil {
		t.Error("there is a level 5")
	}
}

func BenchmarkLook(b *testing.B) {
	set, body := new(waf.Set), bytes.Repeat([]byte("a=b&"), 50)
	r := waf.Request{
		Client: "203.0.113.9", Method: "POST", Target: "/orders?page=2", Proto: "HTTP/1.1", Host: "api.example.com", Body: body,
		Headers: func(add func(string, string)) {
			add("User-Agent", "test")
			add("Accept", "*/*")
			add("Content-Type", "application/x-www-form-urlencoded")
			add("Content-Length", fmt.Sprint(len(body)))
			add("Authorization", "Bearer "+base64.StdEncoding.EncodeToString(body[:30]))
		},
	}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := set.Look(1, &r); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}
