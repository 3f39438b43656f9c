package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"portico/internal/apim"
)

type ctlImport struct {
	ctlFlags
	ctlWait
	Source      string   `arg:"" help:"File, zip archive or folder of files that refer to one another, http or https address, or - for standard input."`
	Root        string   `help:"File that the document begins in, where there are several. Default: the only OpenAPI document among them."`
	API         string   `name:"api" help:"Add the version to this API (slug or id) instead of making one."`
	Name        string   `help:"Name of the API. Default: the document's title."`
	Slug        string   `help:"Slug of the API. Default: from its name."`
	Label       string   `help:"Label of the version; one that the API has gets a new draft, in which what was edited stays. Default: from the document."`
	Upstream    string   `help:"Address of the backend. Default: the document's server."`
	Mount       string   `help:"Base path on the gateway. Default: /{tenant}/{api}/{version}."`
	Access      string   `enum:"key,document," default:"" help:"key: every operation needs a key (default). document: what the document leaves open is public."`
	TakeNew     []string `name:"take-new" placeholder:"ID" help:"Conflicts with what was edited in the draft that the document is to win; they are listed when there are any."`
	Publish     bool     `help:"Publish the version too."`
	Environment string   `default:"production" help:"Where to publish."`
	Note        string   `help:"What changed, for the list of revisions."`
}

// imported is what is printed of a staged import.
type imported struct {
	ID       string
	Document struct {
		Title, Version, Spec string
		Operations           int
	}
	Files    []string
	Proposed struct{ Label string }
	Findings []struct {
		Code, Severity, Message, File string
		Line                          int
	}
}

// Run stages the document, shows what was found, and makes the version.
func (c *ctlImport) Run(ctx context.Context, io *ctlIO) error {
	if c.Wait && !c.Publish {
		return usagef("--wait needs --publish: a draft reaches no node")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/imports")
	if err != nil {
		return err
	}
	var staged imported
	stagedRaw, err := c.stage(ctx, s, path, &staged)
	if err != nil {
		return err
	}
	if !c.JSON {
		s.describe(staged)
	}
	body := map[string]any{}
	for name, value := range map[string]string{
		"api": c.API, "name": c.Name, "slug": c.Slug, "label": c.Label,
		"upstream": c.Upstream, "mount_path": c.Mount, "access": c.Access,
	} {
		if value != "" {
			body[name] = value
		}
	}
	if len(c.TakeNew) > 0 {
		body["take_new"] = c.TakeNew
	}
	if c.API != "" && !c.JSON {
		if err := c.compare(ctx, s, path, staged); err != nil {
			return err
		}
	}
	var version versionAnswer
	versionRaw, err := s.call(ctx, http.MethodPost, path+escaped("/%s/accept", staged.ID), nil, body, &version)
	if err != nil {
		return err
	}
	out := map[string]json.RawMessage{"import": stagedRaw, "version": versionRaw}
	if !c.JSON {
		s.say("Made %s %s (%s) as a draft.", version.API.Slug, version.Label, version.ID)
	}
	if c.Publish {
		if out["revision"], err = publishVersion(ctx, s, version, c.Environment, c.Note, c.ctlWait); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(io.Out, out)
	}
	return nil
}

// stage sends the document and returns the answer.
func (c *ctlImport) stage(ctx context.Context, s *session, path string, out any) ([]byte, error) {
	if strings.HasPrefix(c.Source, "http://") || strings.HasPrefix(c.Source, "https://") {
		return s.call(ctx, http.MethodPost, path, nil, map[string]string{"url": c.Source}, out)
	}
	name, body := "standard input", s.io.In
	if c.Source != "-" {
		file, err := os.Open(c.Source)
		if err != nil {
			return nil, usagef("open the document: %s", err)
		}
		defer file.Close()
		name, body = filepath.Base(c.Source), file
		info, err := file.Stat()
		if err != nil {
			return nil, usagef("open the document: %s", err)
		}
		if info.IsDir() {
			if name, body, err = zipped(c.Source); err != nil {
				return nil, usagef("read the folder: %s", err)
			}
		}
	}
	media, body, err := mediaOf(body)
	if err != nil {
		return nil, usagef("read the document: %s", err)
	}
	query := url.Values{"file_name": {name}}
	if c.Root != "" {
		query.Set("root", filepath.ToSlash(c.Root))
	}
	return s.send(ctx, http.MethodPost, path, query, media, body, out)
}

// zipped is an archive of the JSON and YAML files of a folder.
func zipped(folder string) (name string, body io.Reader, err error) {
	whole, err := filepath.Abs(folder)
	if err != nil {
		return "", nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	files := os.DirFS(folder)
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".json", ".yaml", ".yml":
		default:
			return nil
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		w, err := z.Create(path)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	})
	if err == nil {
		err = z.Close()
	}
	return filepath.Base(whole) + ".zip", &out, err
}

// changesAnswer is what is printed of what a document changes in a draft.
type changesAnswer struct {
	Added, Removed []struct{ Method, Path, Operation string }
	Changed        []struct {
		To   struct{ Method, Path, Operation string }
		What []string
	}
	Renamed []struct {
		From, To struct{ Method, Path, Operation string }
	}
	Kept      []string
	Conflicts []struct{ ID, Was, Mine, New string }
}

// compare says what the document changes in the draft that it is to replace.
func (c *ctlImport) compare(ctx context.Context, s *session, path string, staged imported) error {
	label := c.Label
	if label == "" {
		label = staged.Proposed.Label
	}
	tenant := strings.TrimSuffix(path, "/imports")
	var version versionAnswer
	_, err := s.call(ctx, http.MethodGet, tenant+escaped("/apis/%s/versions/%s", c.API, label), nil, nil, &version)
	var refused *refusal
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil // a new version; or no such API, which the acceptance says
	}
	if err != nil {
		return err
	}
	var d changesAnswer
	if _, err := s.call(ctx, http.MethodGet, path+escaped("/%s/changes/%s", staged.ID, version.ID), nil, nil, &d); err != nil {
		return err
	}
	s.say("Against the draft of %s %s: %d added, %d removed, %d changed, %d renamed; what was edited in %d stays.",
		version.API.Slug, version.Label, len(d.Added), len(d.Removed), len(d.Changed), len(d.Renamed), len(d.Kept))
	for _, r := range d.Removed {
		s.say("  removed: %s %s (%s)", r.Method, r.Path, r.Operation)
	}
	for _, r := range d.Renamed {
		s.say("  renamed: %s to %s", r.From.Operation, r.To.Operation)
	}
	for _, conflict := range d.Conflicts {
		winner := "the draft's stays; --take-new " + conflict.ID + " takes the document's"
		if slices.Contains(c.TakeNew, conflict.ID) {
			winner = "the document's is taken"
		}
		s.say("  conflict %s: was %s, is %s in the draft and %s in the document: %s", conflict.ID, conflict.Was, conflict.Mine, conflict.New, winner)
	}
	return nil
}

// mediaOf tells archives, JSON and YAML by the first characters that mean
// something.
func mediaOf(body io.Reader) (string, io.Reader, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", nil, err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), body)
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return "application/zip", whole, nil
	}
	if text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"); bytes.HasPrefix(text, []byte("{")) {
		return "application/json", whole, nil
	}
	return "application/yaml", whole, nil
}

// mostFindings is how many findings are shown; the rest is counted.
const mostFindings = 10

func (s *session) describe(staged imported) {
	d := staged.Document
	s.say("%s %s, %s, %d operations.", d.Title, d.Version, apim.Document{Spec: d.Spec}.SpecName(), d.Operations)
	if len(staged.Files) > 0 {
		s.say("In %d files; it begins in %s.", len(staged.Files), staged.Files[0])
	}
	counts := map[string]int{}
	shown := 0
	for _, f := range staged.Findings {
		counts[f.Severity]++
		if f.Severity == "info" || shown == mostFindings {
			continue
		}
		shown++
		where := ""
		if f.Line > 0 {
			where = fmt.Sprintf("line %d: ", f.Line)
			if f.File != "" {
				where = f.File + " " + where
			}
		}
		s.say("  %s: %s%s (%s)", f.Severity, where, f.Message, f.Code)
	}
	if len(staged.Findings) == 0 {
		s.say("The scan found nothing to mention.")
		return
	}
	parts := []string{}
	for _, s := range []struct{ severity, noun string }{{"error", "error"}, {"warning", "warning"}, {"info", "note"}} {
		switch n := counts[s.severity]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+s.noun)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, s.noun))
		}
	}
	s.say("Findings: %s.", strings.Join(parts, ", "))
}
