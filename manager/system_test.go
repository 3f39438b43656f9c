package manager_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/system.txt")

// The system's scope spans tenants, so each use of it is listed in one file,
// which a review reads: a new line there is a place where tenants could mix.
func TestUsesOfTheSystemScopeAreListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			for _, method := range systemCalls(fn) {
				uses[fmt.Sprintf("%s %s: %s", name, fn.Name.Name, method)] = true
			}
		}
	}
	var lines []string
	for l := range uses {
		lines = append(lines, l)
	}
	slices.Sort(lines)
	got := "# Every use of the system's scope, by file and function.\n" + strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", "system.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the uses of the system's scope are not those of %s; look at each that is new and run with -update\ngot:\n%s", path, got)
	}
	if len(lines) < 40 {
		t.Errorf("got %d uses, want the test to find them", len(lines))
	}
}

// systemCalls names what a function asks of the system's scope: methods called
// on System(), and on a variable that holds it.
func systemCalls(fn *ast.FuncDecl) []string {
	holds := map[string]bool{}
	if fn.Type.Params != nil {
		for _, p := range fn.Type.Params.List {
			if sel, ok := p.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "System" {
				for _, n := range p.Names {
					holds[n.Name] = true
				}
			}
		}
	}
	var out []string
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if len(n.Lhs) == 1 && len(n.Rhs) == 1 && isSystem(n.Rhs[0]) {
				if id, ok := n.Lhs[0].(*ast.Ident); ok {
					holds[id.Name] = true
				}
			}
		case *ast.SelectorExpr:
			id, named := n.X.(*ast.Ident)
			if isSystem(n.X) || named && holds[id.Name] {
				out = append(out, n.Sel.Name)
			}
		}
		return true
	})
	return out
}

func isSystem(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "System"
}
