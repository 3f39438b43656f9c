package arch_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "portico"

type pkg struct {
	ImportPath string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
}

// rule says what the packages under a path may import of ours. A path ends in
// "/..." to hold for all below. The first rule that fits a package counts.
type rule struct {
	path string
	may  []string // of ours, beside itself and what is below it
}

// leaves may be imported by either plane.
var leaves = []string{"internal/entry/...", "internal/secret/...", "internal/egress/...", "internal/telemetry/...", "internal/bus/..."}

func rules() []rule {
	control := slices.Concat(leaves, []string{"internal/apim/...", "internal/web/...", "openapi/...", "migrations/...", "ui/..."})
	return []rule{
		{"cmd/...", []string{"..."}},
		{"internal/apim", nil},
		{"internal/entry", nil},
		{"internal/entry/...", []string{"internal/entry/..."}},
		{"internal/secret/...", nil},
		{"internal/egress/...", nil},
		{"internal/telemetry/...", []string{"internal/secret"}},
		{"internal/bus/...", []string{"internal/entry/...", "internal/secret", "internal/telemetry"}},
		{"internal/web/...", []string{"internal/apim", "internal/secret", "internal/telemetry"}},
		{"openapi/...", []string{"openapi/..."}},
		{"migrations/...", nil},
		{"manager/store/...", []string{"internal/apim", "internal/entry/...", "internal/secret", "migrations/...", "openapi/..."}},
		{"manager/authz/...", []string{"internal/apim", "manager/store"}},
		{"manager/compile/...", []string{"internal/apim", "internal/entry/..."}},
		{"manager/publish/...", []string{"internal/apim", "internal/entry/...", "internal/bus", "internal/telemetry"}},
		{"manager/issuer/...", []string{"internal/apim", "internal/entry/..."}},
		{"manager/collect/...", []string{"internal/apim", "internal/entry/...", "internal/bus", "internal/telemetry"}},
		{"manager/rest/...", append(slices.Clone(control), "manager")},
		{"manager/console/...", append(slices.Clone(control), "manager")},
		{"manager", append(slices.Clone(control), "manager/store", "manager/authz", "manager/compile")},
		{"portal/...", append(slices.Clone(control), "manager")},
		{"ui/...", nil},
		{"gateway/...", append(slices.Clone(leaves), "gateway/...")},
		{"test/...", []string{"..."}},
	}
}

// homes names the only packages that may import a library of consequence.
func homes() map[string][]string {
	return map[string][]string{
		"gorm.io/":                      {"manager/store/..."},
		"modernc.org/sqlite":            {"manager/store/..."},
		"github.com/jackc/":             {"manager/store/...", "test/postgres/..."},
		"github.com/casbin/":            {"manager/authz/..."},
		"github.com/nats-io/":           {"internal/bus/..."},
		"github.com/getkin/kin-openapi": {"openapi/..."},
		"github.com/gin-gonic/gin":      {"internal/web/...", "manager/rest/...", "manager/console/...", "portal/..."},
		"github.com/a-h/templ":          {"manager/console/...", "portal/...", "ui/..."},
		"github.com/alexedwards/scs":    {"internal/web/...", "manager/store/..."},
		"github.com/tink-crypto/":       {"internal/secret/...", "gateway/..."},
		"github.com/pressly/goose":      {"manager/store/...", "migrations/..."},
		"github.com/prometheus/":        {"internal/telemetry/...", "gateway/...", "cmd/..."},
		"go.opentelemetry.io/":          {"gateway/trace/export", "test/fake"},
		"github.com/klauspost/compress": {"gateway/coding"},
		"github.com/andybalholm/brotli": {"gateway/coding"},
		"github.com/alecthomas/kong":    {"cmd/..."},
		"github.com/microcosm-cc/":      {"internal/web/...", "portal/...", "ui/...", "manager/console/..."},
		"github.com/yuin/goldmark":      {"internal/web/...", "portal/...", "ui/...", "manager/console/..."},
		"github.com/chromedp/":          {"test/..."},
		"golang.org/x/crypto/argon2":    {"manager/...", "internal/secret/..."},
		"go.yaml.in/":                   {"openapi/..."},
		"github.com/expr-lang/":         {"internal/entry/expression", "internal/entry/render"},
		"github.com/vektah/gqlparser":   {"gateway/graphql"},
		"github.com/tidwall/gjson":      {"internal/entry/tree"},
		"github.com/santhosh-tekuri/":   {}, // what our schemas are held to, in tests
		"gopkg.in/yaml":                 {},
		"github.com/golang-jwt/":        {"gateway/token", "gateway/identity", "manager/issuer", "test/fake"},
		"github.com/lestrrat-go/":       {"internal/entry/keyset"},
		"golang.org/x/oauth2":           {"gateway/clienttoken"},
	}
}

func TestPackagesImportOnlyWhatTheArchitectureAllows(t *testing.T) {
	for _, p := range packages(t) {
		name := relative(p.ImportPath)
		r, ok := ruleOf(name)
		if !ok {
			t.Errorf("%s: no rule names this package; ARCHITECTURE.md says where things go", name)
			continue
		}
		for _, imp := range p.Imports {
			if imp == module || strings.HasPrefix(imp, module+"/") {
				if !allowed(r, relative(imp)) {
					t.Errorf("%s imports %s: the rule for %s does not allow it", name, relative(imp), r.path)
				}
				continue
			}
			for lib, where := range homes() {
				if strings.HasPrefix(imp, lib) && !matchesAny(where, name) {
					t.Errorf("%s imports %s, whose home is %s", name, imp, strings.Join(where, ", "))
				}
			}
			if (name == "internal/apim" || name == "internal/entry") && strings.Contains(imp, ".") {
				t.Errorf("%s imports %s: only the standard library is allowed there", name, imp)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", relative(p.ImportPath))
		}
	}
}

func TestNothingRunsBeforeMainAndNothingBypassesTheGuard(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			if strings.HasSuffix(file, "_templ.go") {
				continue
			}
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range parsed.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: func init() at %s", relative(p.ImportPath), fset.Position(f.Pos()))
				}
			}
			if strings.HasPrefix(relative(p.ImportPath), "test") {
				continue
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "http" && sel.Sel.Name == "DefaultClient" {
					t.Errorf("http.DefaultClient at %s: calls go out through internal/egress", fset.Position(sel.Pos()))
				}
				return true
			})
		}
	}
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", module+"/...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func relative(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func ruleOf(name string) (rule, bool) {
	for _, r := range rules() {
		if matches(r.path, name) {
			return r, true
		}
	}
	return rule{}, false
}

func allowed(r rule, name string) bool {
	base := strings.TrimSuffix(r.path, "/...")
	if base != r.path && matches(r.path, name) {
		return true // within the rule's own packages
	}
	return matchesAny(r.may, name)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	base, all := strings.CutSuffix(pattern, "/...")
	return name == base || all && strings.HasPrefix(name, base+"/")
}
