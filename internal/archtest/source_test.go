package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Budgets of size, in lines. They are generous: most functions and files are far below.
const (
	longFunction    = 60 // beyond it the function's comment must say why it is so long
	shortFunction   = 40 // 90 of 100 functions are not longer
	shortShare      = 90
	longFile        = 400
	longTestFile    = 600 // tables of cases
	root            = "../.."
	reasonForLength = "long"
)

// source is one parsed Go file that people have written.
type source struct {
	path string // from the module's root
	test bool
	file *ast.File
	fset *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (name == "node_modules" || name == "bin" || name == "testdata" || name[0] == '.') {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(file) {
			name, _ := filepath.Rel(root, path)
			all = append(all, source{path: filepath.ToSlash(name), test: strings.HasSuffix(path, "_test.go"), file: file, fset: fset})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// at names a place for a message.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

func (s source) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			all = append(all, f)
		}
	}
	return all
}

func (s source) imports(path string) bool {
	return slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+path+`"` })
}

func TestLongFunctionsSayWhy(t *testing.T) {
	t.Parallel()
	all, short := 0, 0
	for _, s := range sources(t) {
		for _, f := range s.functions() {
			n := s.lines(f)
			all++
			if n <= shortFunction {
				short++
			}
			if n > longFunction && !strings.Contains(f.Doc.Text(), reasonForLength) {
				t.Errorf("%s: %s has %d lines; split it, or say in its comment why it is long", s.at(f), f.Name.Name, n)
			}
		}
	}
	if short*100 < all*shortShare {
		t.Errorf("%d of %d functions have at most %d lines, less than %d %%", short, all, shortFunction, shortShare)
	}
}

func TestFilesAreNotTooLong(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		limit := longFile
		if s.test {
			limit = longTestFile
		}
		if n := s.fset.File(s.file.Pos()).LineCount(); n > limit {
			t.Errorf("%s has %d lines, more than %d", s.path, n, limit)
		}
	}
}

func TestWhatIsExportedIsDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", s.at(d), name)
			}
		}
	}
}

// undocumented returns the exported names of a declaration that have no comment. One comment serves a whole group of
// constants or variables, or the neighbours that it names.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && receiverIsExported(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		neighbours := ""
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				neighbours += v.Doc.Text()
			}
		}
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil && !strings.Contains(neighbours, name.Name) {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func receiverIsExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && !exported {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}

func TestNothingHappensAtImport(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, f := range s.functions() {
			if f.Name.Name == "init" && f.Recv == nil {
				t.Errorf("%s: func init", s.at(f))
			}
		}
	}
}

// variables are the package-level variables that change, each with its reason.
func variables() map[string]string {
	return map[string]string{
		"internal/store/storetest.shared": "a test function reaches the process's one server in no other way",
		"internal/apptest.shared":         "a test function reaches the process's one browser and binary in no other way",
	}
}

func TestPackageVariablesDoNotChange(t *testing.T) {
	t.Parallel()
	excused := variables()
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				name := filepath.ToSlash(filepath.Dir(s.path)) + "." + v.Names[0].Name
				if _, ok := excused[name]; ok {
					delete(excused, name)
				} else if !constant(g, v) {
					t.Errorf("%s: %s is a package variable; pass the value to who needs it", s.at(v), name)
				}
			}
		}
	}
	for name := range excused {
		t.Errorf("%s is excused and does not exist", name)
	}
}

// constant reports whether a variable is one only because Go has no constants of its type: an error, a compiled
// pattern, an embedded file, a value that is computed once, an assertion about a type.
func constant(g *ast.GenDecl, v *ast.ValueSpec) bool {
	if v.Names[0].Name == "_" || embedded(g.Doc) || embedded(v.Doc) {
		return true
	}
	if len(v.Values) != 1 {
		return false
	}
	call, ok := v.Values[0].(*ast.CallExpr)
	if !ok {
		return false
	}
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok { // sync.OnceValue[T]
		fun = index.X
	}
	return slices.Contains([]string{
		"errors.New", "fmt.Errorf", "worklog.Errorf", "Errorf", "regexp.MustCompile", "strings.NewReplacer", "netip.MustParsePrefix",
		"sync.OnceValue", "sync.OnceValues", "sync.OnceFunc",
	}, selector(fun))
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// selector writes pkg.Name of an expression that is one.
func selector(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return selector(e.X) + "." + e.Sel.Name
	}
	return ""
}

func TestOnlyCommandsReadTheEnvironmentAndExit(t *testing.T) {
	t.Parallel()
	banned := []string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.Setenv", "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "log.Panic"}
	for _, s := range sources(t) {
		if s.test || s.file.Name.Name == "main" || s.path == "internal/store/storetest/storetest.go" { // KEEPDB
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if e, ok := n.(*ast.SelectorExpr); ok && slices.Contains(banned, selector(e)) {
				t.Errorf("%s: %s belongs into a command", s.at(e), selector(e))
			}
			return true
		})
	}
}

func TestTestsNeitherSleepNorSkip(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			e, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch name := selector(e); {
			case name == "time.Sleep" && !s.imports("testing/synctest"): // there it moves a fake clock
				t.Errorf("%s: a test that sleeps is slow or flaky; wait for what it waits for", s.at(e))
			case slices.Contains([]string{"t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "f.Skip", "tb.Skip", "testing.Short"}, name):
				t.Errorf("%s: a skipped test proves nothing", s.at(e))
			}
			return true
		})
	}
}
