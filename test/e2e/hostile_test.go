package e2e_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/test/process"
)

const docHead = `{"openapi":"3.0.0","info":{"title":"Hostile","version":"1"},"servers":[{"url":"https://hostile.example"}],`

// refsTo is a document of n schemas, each of which is what each returns.
func refsTo(n int, each func(i int) string) string {
	var b strings.Builder
	b.WriteString(docHead + `"paths":{"/a":{"get":{"responses":{"200":{"description":"x","content":{"application/json":{"schema":{"$ref":"#/components/schemas/S0"}}}}}}}},"components":{"schemas":{`)
	for i := range n {
		fmt.Fprintf(&b, `"S%d":%s,`, i, each(i))
	}
	return b.String() + `"Last":{"type":"string"}}}}`
}

func ref(i int) string { return fmt.Sprintf(`{"$ref":"#/components/schemas/S%d"}`, i) }

func aliasBomb() string {
	var b strings.Builder
	b.WriteString("openapi: 3.0.0\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", "))
	}
	return b.String()
}

// zipOf is an archive of one file.
func zipOf(t *testing.T, name, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func zipBomb(t *testing.T) string {
	return zipOf(t, "bomb.yaml", docHead+strings.Repeat(" ", 65<<20))
}

// TestHostileDocumentsAreRefusedPlainlyInBoundedMemory: each with what is wrong
// and where, and the process goes on.
func TestHostileDocumentsAreRefusedPlainlyInBoundedMemory(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	whole := process.MinimalDocument("Whole", "https://whole.example", 50)
	const jsonType, yamlType = "application/json", "application/yaml"
	before, peak := p.ResidentMB(), 0.0
	for _, c := range []struct {
		name, media, document string
		status                int
		says                  []string
	}{
		{"nothing", jsonType, " \n", 422, []string{"empty"}},
		{"a web page", yamlType, "<!doctype html><html><body>Not found</body></html>", 422, []string{"not_a_document"}},
		{"a picture", jsonType, "\x89PNG\r\n\x1a\n\x00\x00", 422, []string{"document"}},
		{"half an archive", yamlType, "PK\x03\x04\x14\x00\x00\x00", 422, []string{"archive"}},
		{"an archive that unpacks to 65 MiB", "application/zip", zipBomb(t), 413, []string{"too_large", "bomb.yaml"}},
		{"an archive with a way out of it", "application/zip", zipOf(t, "../openapi.yaml", docHead+`"paths":{}}`), 422, []string{"archive", "leads out"}},
		{"JSON of another kind", jsonType, `{"name":"portico","version":"1"}`, 422, []string{"not_openapi"}},
		{"a list", jsonType, `[1,2,3]`, 422, []string{"not_openapi"}},
		{"half a document", jsonType, whole[:len(whole)/2], 422, []string{"truncated", "document:1"}},
		{"half a YAML document", yamlType, ownYAML[:len(ownYAML)/3] + "\n  bad: [1, 2", 422, []string{"document:"}},
		{"JSON with a slip", jsonType, strings.Replace(whole, `"get":`, `"get"`, 1), 422, []string{"malformed", "document:1"}},
		{"YAML with a tab", yamlType, "openapi: 3.0.0\ninfo:\n\ttitle: x\n", 422, []string{"document:3"}},
		{"an alias bomb", yamlType, aliasBomb(), 422, []string{"alias_bomb", "document:"}},
		{"a schema 20,000 deep", jsonType, docHead + `"paths":{"/a":{"get":{}}},"components":{"schemas":{"A":` + strings.Repeat(`{"properties":{"a":`, 20_000) + "{}" + strings.Repeat("}}", 20_000) + "}}}", 422, []string{"too_deep", "document:1"}},
		{"a ring of 4,000 schemas", jsonType, refsTo(4000, func(i int) string { return `{"type":"object","properties":{"next":` + ref((i+1)%4000) + `}}` }), 422, []string{"ref_chain_too_long"}},
		{"a chain of 4,000 references", jsonType, refsTo(4000, func(i int) string {
			if i == 3999 {
				return `{"type":"string"}`
			}
			return ref(i + 1)
		}), 422, []string{"ref_chain_too_long"}},
		{"no operation", jsonType, docHead + `"paths":{}}`, 422, []string{"no_operations"}},
		{"another version", jsonType, `{"openapi":"4.0.0","info":{"title":"x","version":"1"},"paths":{"/a":{"get":{}}}}`, 422, []string{"version_unknown"}},
		{"65 MiB", jsonType, docHead + strings.Repeat(" ", 65<<20) + `"paths":{"/a":{"get":{}}}}`, 413, []string{"large"}},
		{"another content type", "text/csv", "a,b\n", 415, []string{"application/json", "multipart/form-data"}},
		{"no content type", "", "openapi: 3.0.0", 415, []string{"application/yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			got := api{t, a.API}.send("POST", imports, c.media, c.document)
			refusal := got.problem(t)
			if got.status != c.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
			for _, want := range c.says {
				if !refusal.says(want) {
					t.Errorf("got %s, want it to say %q", got.body, want)
				}
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("took %v", took)
			}
			peak = max(peak, p.ResidentMB())
		})
	}
	t.Logf("resident memory: %.0f MB before, %.0f MB at most after a refusal", before, peak)
	if peak > before+150 {
		t.Errorf("resident memory went from %.0f to %.0f MB, want at most 150 more", before, peak)
	}
	if status, _ := call(t, p.Gateway+"/demo/parcels/v1/parcels", p.Key); status != http.StatusOK {
		t.Errorf("the demo after all this: got %d", status)
	}
}

// A document whose references point only at one another still has operations
// that work: it is taken, with a finding, and reading it ends.
func TestReferencesThatPointOnlyAtOneAnotherAreAFinding(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	before := p.ResidentMB()
	for name, n := range map[string]int{"itself": 1, "each-other": 2, "a-ring": 4000} {
		var in struct {
			ID       string
			Findings []struct{ Code, Message, Pointer string }
		}
		a.send("POST", imports, "application/json", refsTo(n, func(i int) string { return ref((i + 1) % n) })).into(t, &in)
		found := false
		for _, f := range in.Findings {
			found = found || strings.Contains(f.Code, "ref") && strings.HasPrefix(f.Pointer, "/")
		}
		if !found {
			t.Errorf("%s: got findings %v, want one that points at the reference", name, in.Findings)
		}
		version := a.do("POST", imports+"/"+in.ID+"/accept", map[string]any{"slug": name})
		var v struct{ Document struct{ State string } }
		eventually(t, "reading it ends", 30*time.Second, func() bool {
			a.read("/tenants/demo/versions/"+version.ID, &v)
			return v.Document.State == "loaded" || v.Document.State == "failed"
		})
		t.Logf("%s: %s", name, v.Document.State)
	}
	if after := p.ResidentMB(); after > before+150 {
		t.Errorf("resident memory went from %.0f to %.0f MB", before, after)
	}
}

// TestReferencesOutOfADocumentReachNothing: a document may be imported with
// them, and no file and no address of another machine is read for it.
func TestReferencesOutOfADocumentReachNothing(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	asked := make(chan string, 100)
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		fmt.Fprint(w, `{"type":"string","description":"canary-7f3a"}`)
	}))
	defer secret.Close()
	for i, target := range []string{"file:///etc/passwd", "/etc/passwd", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/x.json", secret.URL + "/schema.json", "gopher://x/1"} {
		t.Run(target, func(t *testing.T) {
			a := api{t, a.API}
			slug := fmt.Sprintf("refs-%d", i)
			got := a.send("POST", imports, "application/json", docHead+`"paths":{"/a":{"get":{"operationId":"a","responses":{"200":{"description":"x","content":{"application/json":{"schema":{"$ref":"`+target+`#/a"}}}}}}}}}`)
			if got.status == http.StatusUnprocessableEntity {
				if !got.problem(t).says("ref") {
					t.Errorf("got %s, want it to name the reference", got.body)
				}
				return
			}
			var in struct {
				ID       string
				Findings []struct{ Code, Message, Pointer string }
			}
			got.into(t, &in)
			version := a.do("POST", imports+"/"+in.ID+"/accept", map[string]any{"slug": slug})
			var v struct{ Document struct{ State string } }
			eventually(t, "it is loaded", 20*time.Second, func() bool {
				a.read("/tenants/demo/versions/"+version.ID, &v)
				return v.Document.State == "loaded" || v.Document.State == "failed"
			})
			all := a.send("GET", "/tenants/demo/versions/"+version.ID+"/findings", "", "").body
			if !strings.Contains(all, "ref") {
				t.Errorf("no finding names the reference: %s", all)
			}
			for _, canary := range []string{"root:", "canary-7f3a"} {
				if strings.Contains(all, canary) {
					t.Errorf("%s stands in %s", canary, all)
				}
			}
		})
	}
	select {
	case path := <-asked:
		t.Errorf("%s was asked for", path)
	default:
	}
}

func TestDocumentsAreNotFetchedFromWhereTheyMayNotBe(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	steps := 0
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case "/private":
			http.Redirect(w, r, "http://10.1.2.3/openapi.json", http.StatusTemporaryRedirect)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/loop":
			steps++
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/gone":
			http.Error(w, "no", http.StatusNotFound)
		case "/page":
			fmt.Fprint(w, "<html>sign in</html>")
		}
	}))
	defer away.Close()
	for _, c := range []struct{ name, address, field string }{
		{"metadata", "http://169.254.169.254/latest/meta-data/", "url"},
		{"metadata by IPv6", "http://[fd00:ec2::254]/", "url"},
		{"metadata as mapped IPv6", "http://[::ffff:169.254.169.254]/", "url"},
		{"metadata as one number", "http://2852039166/", "url"},
		{"private", "http://192.168.0.1/openapi.json", "url"},
		{"CGNAT", "http://100.64.0.1/openapi.json", "url"},
		{"redirect to metadata", away.URL + "/metadata", "url"},
		{"redirect to a private address", away.URL + "/private", "url"},
		{"redirect to a file", away.URL + "/file", "url"},
		{"redirects without end", away.URL + "/loop", "url"},
		{"a file", "file:///etc/passwd", "url"},
		{"another scheme", "gopher://127.0.0.1/", "url"},
		{"with a password", strings.Replace(away.URL, "http://", "http://user:secret@", 1) + "/page", "url"},
		{"no host", "http:///x", "url"},
		{"not found", away.URL + "/gone", "url"},
		{"a page", away.URL + "/page", "document"},
		{"nobody there", "http://127.0.0.1:1/openapi.json", "url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refusal := api{t, a.API}.byURL(c.address).problem(t)
			if refusal.Status != http.StatusUnprocessableEntity || len(refusal.Errors) == 0 || !strings.HasPrefix(refusal.Errors[0].Field, c.field) {
				t.Errorf("got %+v, want 422 of the field %s", refusal, c.field)
			}
			if refusal.says("secret@") || refusal.says("root:") {
				t.Errorf("got %+v, which tells too much", refusal)
			}
		})
	}
	if steps > 4 {
		t.Errorf("followed %d redirects, want at most 3", steps-1)
	}
}
