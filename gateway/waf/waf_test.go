package waf_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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
			Input  vector `yaml:"input"`
			Output struct {
				Log struct {
					Expect []int `yaml:"expect_ids"`
					No     []int `yaml:"no_expect_ids"`
				} `yaml:"log"`
			} `yaml:"output"`
		} `yaml:"stages"`
	} `yaml:"tests"`
}

// vector is a request.
type vector struct {
	Headers  map[string]string `yaml:"headers"`
	Method   string            `yaml:"method"`
	URI      string            `yaml:"uri"`
	Data     string            `yaml:"data"`
	Version  *string           `yaml:"version"`
	Encoded  string            `yaml:"encoded_request"` // the whole, in base64
	Complete *bool             `yaml:"autocomplete_headers"`
}

// otherwise lists the tests that do not hold, "rule-test", by the reason.
func otherwise() map[string][]string {
	return map[string][]string{
		"whether all text is UTF-8 depends on the API: the rule set looks only where it is told to, and is not": {"920250-1", "920250-2", "920250-3", "920250-4"},
		"how many parameters there may be, and how long, depends on the API: the rule set bounds none unless it is told to; the policy size bounds queries and bodies as a whole": {
			"920360-1", "920370-1", "920380-1", "920390-1", "920400-1", "920410-1",
		},
		"the test is of a server that refuses a line's end in a header, so that no rule sees it: so does a node, and the rule would find it":          {"921140-1"},
		"the test is of a server that takes Content-Length away beside Transfer-Encoding: a node refuses both together, and the rule would find them": {"920181-1"},
		"the test is of a server that joins two Content-Type: a node shows both to the rules, which find them":                                        {"920620-1"},
		"the test says itself that its rule should find a body without a type, and does not for want of a length: by HTTP/2 none is needed":           {"920640-5"},
	}
}

// TestRegressionTestsOfTheRuleSet runs what stands in the rule set's module, at the
// highest level. What does not hold is listed above, with the reason; no test is
// listed without need. Tests of answers are left out, and of what follows from findings.
func TestRegressionTestsOfTheRuleSet(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/corazawaf/coraza-coreruleset/v4").Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for reason, names := range otherwise() {
		for _, name := range names {
			listed[name] = reason
		}
	}
	set := new(waf.Set)
	passed, all := 0, 0
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
			name := fmt.Sprintf("%s-%d", strings.TrimSuffix(filepath.Base(path), ".yaml"), test.ID)
			for _, stage := range test.Stages {
				want := stage.Output.Log
				if len(want.Expect)+len(want.No) == 0 {
					continue
				}
				all++
				ids := look(t, set, name, stage.Input)
				held := holds(ids, want.Expect, want.No)
				if held {
					passed++
				}
				reason, known := listed[name]
				delete(listed, name)
				switch {
				case held && known:
					t.Errorf("%s holds, and is listed as one that does not", name)
				case !held && !known:
					t.Errorf("%s: want %v and not %v, got %v", name, want.Expect, want.No, ids)
				case !held:
					t.Logf("%s does not hold: %s", name, reason)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("%s is listed, and is no test", name)
	}
	t.Logf("tests of the rule set 4.25.0: %d of %d", passed, all)
	if all < 4500 {
		t.Errorf("there are %d tests, want more than 4,500", all)
	}
}

// look returns the rules that find something in a request.
func look(t *testing.T, set *waf.Set, name string, in vector) (ids []int) {
	t.Helper()
	r := in.request()
	if in.Encoded != "" {
		r = encoded(t, in.Encoded)
	}
	found, err := set.Look(waf.Levels, &r)
	if err != nil {
		t.Logf("%s: %v", name, err)
	}
	for _, f := range found {
		ids = append(ids, f.Rule)
	}
	return ids
}

// request completes what the tests leave out, as the tool that they are written
// for does.
func (v *vector) request() waf.Request {
	r := waf.Request{Client: "127.0.0.1", Method: v.Method, Target: v.URI, Proto: "HTTP/1.1", Body: []byte(v.Data)}
	if r.Method == "" {
		r.Method = "GET"
	}
	if v.Version != nil {
		r.Proto = *v.Version
	}
	if r.Proto == "" {
		r.Proto = "HTTP/0.9"
	}
	r.Headers = func(add func(string, string)) {
		has := map[string]bool{}
		for name, value := range v.Headers {
			has[strings.ToLower(name)] = true
			add(name, value)
		}
		if v.Data == "" || v.Complete != nil && !*v.Complete {
			return
		}
		if !has["content-type"] {
			add("Content-Type", "application/x-www-form-urlencoded")
		}
		if !has["content-length"] {
			add("Content-Length", strconv.Itoa(len(v.Data)))
		}
	}
	return r
}

// encoded reads a request as it goes over the wire.
func encoded(t *testing.T, text string) waf.Request {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	first := strings.Fields(lines[0])
	r := waf.Request{Client: "127.0.0.1", Method: first[0], Target: first[1], Proto: first[2], Body: []byte(body)}
	r.Headers = func(add func(string, string)) {
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ":")
			add(name, strings.TrimSpace(value))
		}
	}
	if strings.Contains(head, "chunked") {
		if r.Body, err = io.ReadAll(httputil.NewChunkedReader(strings.NewReader(body))); err != nil {
			t.Fatal(err)
		}
	}
	return r
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
