package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

type ctlImport struct {
	ctlFlags
	ctlWait
	Source      string `arg:"" help:"File, http or https address, or - for standard input."`
	API         string `name:"api" help:"Add the version to this API (slug or id) instead of making one."`
	Name        string `help:"Name of the API. Default: the document's title."`
	Slug        string `help:"Slug of the API. Default: from its name."`
	Label       string `help:"Label of the version. Default: from the document."`
	Upstream    string `help:"Address of the backend. Default: the document's server."`
	Mount       string `help:"Base path on the gateway. Default: /{tenant}/{api}/{version}."`
	Access      string `enum:"key,document," default:"" help:"key: every operation needs a key (default). document: what the document leaves open is public."`
	Publish     bool   `help:"Publish the version too."`
	Environment string `default:"production" help:"Where to publish."`
	Note        string `help:"What changed, for the list of revisions."`
}

// imported is what is printed of a staged import.
type imported struct {
	ID       string
	Document struct {
		Title, Version, Spec string
		Operations           int
	}
	Findings []struct {
		Code, Severity, Message string
		Line                    int
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
	body := map[string]string{}
	for name, value := range map[string]string{
		"api": c.API, "name": c.Name, "slug": c.Slug, "label": c.Label,
		"upstream": c.Upstream, "mount_path": c.Mount, "access": c.Access,
	} {
		if value != "" {
			body[name] = value
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
	}
	media, body, err := mediaOf(body)
	if err != nil {
		return nil, usagef("read the document: %s", err)
	}
	return s.send(ctx, http.MethodPost, path, url.Values{"file_name": {name}}, media, body, out)
}

// mediaOf tells JSON from YAML by the first character that means something.
func mediaOf(body io.Reader) (string, io.Reader, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", nil, err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), body)
	if text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"); bytes.HasPrefix(text, []byte("{")) {
		return "application/json", whole, nil
	}
	return "application/yaml", whole, nil
}

// mostFindings is how many findings are shown; the rest is counted.
const mostFindings = 10

func (s *session) describe(staged imported) {
	d := staged.Document
	s.say("%s %s, OpenAPI %s, %d operations.", d.Title, d.Version, d.Spec, d.Operations)
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
