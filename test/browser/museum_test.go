package browser_test

import (
	"archive/zip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"portico/test/process"
)

// museum is the API that the walk imports: a published document where one lies
// beside the repository, else a small one of our own, with an upstream behind it.
type museum struct {
	path     string
	document string
	title    string
	upstream string
	close    func()

	mu   sync.Mutex // guards seen
	seen []http.Request
}

func newMuseum(t *testing.T) *museum {
	t.Helper()
	m := standingMuseum(t)
	t.Cleanup(m.close)
	return m
}

// standingMuseum is one that outlives the test: whoever has it closes it.
func standingMuseum(t *testing.T) *museum {
	t.Helper()
	m := &museum{path: filepath.Join(process.Root(), "..", "shared", "specs", "redocly-museum.yaml")}
	raw, err := os.ReadFile(m.path)
	if os.IsNotExist(err) {
		m.path = "testdata/museum.yaml"
		raw, err = os.ReadFile(m.path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.path, err = filepath.Abs(m.path); err != nil {
		t.Fatal(err)
	}
	var doc struct{ Info struct{ Title string } }
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	m.document, m.title = string(raw), doc.Info.Title
	server := httptest.NewServer(m)
	m.upstream, m.close = server.URL, server.Close
	return m
}

// archive is a file of a museum's document in two files, one of which leads to
// a third that is not there.
func (m *museum) archive(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "museum.zip")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z := zip.NewWriter(file)
	for path, text := range map[string]string{
		"api/openapi.yaml":     "openapi: 3.1.0\ninfo: {title: Museum in parts, version: 1.0.0}\nservers: [{url: '" + m.upstream + "'}]\npaths:\n  /museum-hours: {$ref: parts/hours.yaml}\n  /lost: {$ref: parts/lost.yaml}\n",
		"api/parts/hours.yaml": "get:\n  operationId: hours\n  summary: When it is open\n  responses: {'200': {description: Hours}}\n",
	} {
		w, err := z.Create(path)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// changed is the document with an operation opened, one renamed and one more.
func (m *museum) changed() string {
	return strings.NewReplacer(
		"operationId: getMuseumHours", "operationId: getMuseumHours\n      security: []\n      deprecated: true",
		"operationId: listSpecialEvents", "operationId: listEvents",
		"\npaths:\n", "\npaths:\n  /guides:\n    get: {operationId: listGuides, summary: Who guides, responses: {'200': {description: Guides}}}\n").Replace(m.document)
}

// ServeHTTP answers as the museum, and gives its document out.
func (m *museum) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.seen = append(m.seen, *r)
	m.mu.Unlock()
	switch r.URL.Path {
	case "/openapi.yaml":
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write([]byte(m.document))
	case "/museum-hours":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode([]map[string]string{{"date": "2026-11-23", "timeOpen": "09:00", "timeClose": "18:00"}})
	default:
		http.NotFound(w, r)
	}
}

// last is the newest call that came through to the museum.
func (m *museum) last(t *testing.T) http.Request {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) == 0 {
		t.Fatal("no call came through to the upstream")
	}
	return m.seen[len(m.seen)-1]
}
