package manager

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/openapi"
)

// mainUpstream is the upstream of every operation without servers of its own.
const mainUpstream = "main"

// stagedFor is how long a staged import waits to be accepted.
const stagedFor = 24 * time.Hour

// StageImport takes a document in and scans it. The result is kept for 24 h.
func (c *Catalog) StageImport(ctx context.Context, actor apim.Actor, tenant apim.ID, up Upload) (apim.Import, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return apim.Import{}, err
	}
	done, err := c.incoming.begin(tenant)
	if err != nil {
		return apim.Import{}, err
	}
	defer done()
	doc, err := c.take(ctx, up)
	if err != nil {
		return apim.Import{}, err
	}
	outline, err := openapi.Scan(ctx, doc.raw, openapi.ScanOptions{SourceURL: doc.base})
	if err != nil {
		return apim.Import{}, refusedDocument(err)
	}
	owner, err := c.Store.System().Tenant(ctx, string(tenant))
	if err != nil {
		return apim.Import{}, err
	}
	compressed, err := store.Compress(doc.raw)
	if err != nil {
		return apim.Import{}, err
	}
	var out apim.Import
	err = c.write(ctx, actor, func(u *unit) error {
		out = staged(outline, owner, u.now)
		sum := sha256.Sum256(doc.raw)
		out.Document.Digest, out.Document.Bytes, out.Document.Source = hex.EncodeToString(sum[:]), int64(len(doc.raw)), doc.source
		if len(doc.files) > 1 {
			out.Files = doc.files
		}
		t := u.Tenant(tenant)
		if err := t.InsertDocument(ctx, out.Document, compressed); err != nil {
			return err
		}
		if err := t.SetFindings(ctx, out.Document.ID, out.Findings); err != nil {
			return err
		}
		if err := t.InsertImport(ctx, out); err != nil {
			return err
		}
		return u.record(ctx, tenant, "import.stage", out.ID, "document %q with %d operations staged", short(out.Document.Title), out.Document.Operations)
	})
	return out, err
}

// refusedDocument turns the scan's refusal into one that names the line.
func refusedDocument(err error) error {
	var refused *openapi.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("scan document: %w", err)
	}
	kind := apim.Invalid
	if refused.Code == openapi.ErrTooLarge {
		kind = apim.TooLarge
	}
	field := "document"
	if refused.File != "" {
		field = refused.File
	}
	if refused.Line > 0 {
		field = fmt.Sprintf("%s:%d", field, refused.Line)
	}
	return &apim.Error{
		Kind: kind, Code: refused.Code, Message: "the document cannot be imported",
		Fields: []apim.FieldError{{Field: field, Code: refused.Code, Detail: refused.Message}},
	}
}

// staged turns an outline into what an import shows.
func staged(o *openapi.Outline, tenant apim.Tenant, now time.Time) apim.Import {
	out := apim.Import{
		ID: apim.NewID(apim.PrefixImport, now), Tenant: tenant.ID, CreatedAt: now, ExpiresAt: now.Add(stagedFor),
		Findings: findings(o.Findings), Security: securityMapping(o),
		Document: apim.Document{
			ID: apim.NewID(apim.PrefixDocument, now), Tenant: tenant.ID, Format: strings.ToLower(string(o.Format)), Spec: o.SpecVersion,
			Title: o.Title, Version: o.Version, Operations: len(o.Operations), Score: -1,
			Findings: len(o.Findings) + o.FindingsOmitted, CreatedAt: now,
		},
	}
	for _, s := range o.Servers {
		out.Servers = append(out.Servers, importServers(s)...)
	}
	out.Routes, out.Upstreams = routes(o)
	label := proposedLabel(o.Version)
	slug := apim.Slugify(o.Title)
	out.Proposed = apim.ImportProposal{
		Name: short(o.Title), Slug: slug, Label: label, Description: clipped(o.Description, 20_000), Upstream: usable(o.Servers), Mount: defaultMount(tenant.Slug, slug, label),
	}
	return out
}

// mostServers bounds what one server's variables are expanded to.
const mostServers = 20

// importServers are the addresses that a server of a document may be: its
// variables' defaults, then each other value that one of them may have.
func importServers(s openapi.Server) []apim.ImportServer {
	usable := func(address string) bool { return address != "" && targetURL(address) == nil }
	out := []apim.ImportServer{{URL: s.URL, Template: s.Template, Description: s.Description, Usable: usable(s.URL)}}
	seen := map[string]bool{s.URL: true}
	for _, v := range s.Variables {
		for _, value := range v.Enum {
			address := s.Expand(map[string]string{v.Name: value})
			if seen[address] || !usable(address) || len(out) == mostServers {
				continue
			}
			seen[address] = true
			out = append(out, apim.ImportServer{URL: address, Template: s.Template, Description: short(v.Name + " " + value), Usable: true})
		}
	}
	return out
}

// clipped returns at most the first characters of a text.
func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func defaultMount(tenant, api, label string) apim.Mount {
	return apim.Mount{BasePath: "/" + tenant + "/" + api + "/" + label}
}

// proposedLabel is "v2" for a document of version 2.3.1, "2024-06" for one
// that is dated, else "v1".
func proposedLabel(version string) string {
	version = strings.ToLower(strings.TrimSpace(version))
	digits := strings.TrimPrefix(version, "v")
	major, _, _ := strings.Cut(digits, ".")
	if len(major) > 0 && len(major) <= 3 && strings.Trim(major, "0123456789") == "" && major != "0" {
		return "v" + major
	}
	if len(version) == len("2024-06") || len(version) == len("2024-06-30") {
		if _, err := time.Parse("2006-01-02"[:len(version)], version); err == nil {
			return version
		}
	}
	return "v1"
}

func usable(servers []openapi.Server) string {
	if s, ok := openapi.Upstream(servers); ok && targetURL(s.URL) == nil {
		return s.URL
	}
	return ""
}

// routes turns operations into routes. Operations with servers of their own
// get an upstream of their own, shared by those with the same one.
func routes(o *openapi.Outline) ([]apim.Route, []apim.Upstream) {
	out := make([]apim.Route, len(o.Operations))
	var upstreams []apim.Upstream
	byURL := map[string]string{usable(o.Servers): mainUpstream}
	for i, op := range o.Operations {
		r := apim.Route{
			Operation: op.ID, Slug: op.Slug, Method: op.Method, Path: op.Path, Summary: short(op.Summary), Deprecated: op.Deprecated,
			Upstream: mainUpstream, Public: op.Public, Off: op.DocumentationOnly,
		}
		if len(op.Tags) > 0 {
			r.Tag = op.Tags[0]
		}
		for _, p := range op.Predicates {
			r.Predicates = append(r.Predicates, apim.RoutePredicate{In: p.In, Name: p.Name, Value: p.Value})
		}
		if own := usable(op.Servers); own != "" {
			name, known := byURL[own]
			if !known {
				name = fmt.Sprintf("server-%d", len(upstreams)+2)
				byURL[own] = name
				upstreams = append(upstreams, apim.Upstream{Name: name, URLs: []string{own}})
			}
			r.Upstream = name
		}
		out[i] = r
	}
	return out, upstreams
}

// securityMapping counts what the document asks of callers, one row a scheme
// and one for operations that ask for nothing.
func securityMapping(o *openapi.Outline) []apim.SecurityMapping {
	asked := map[string]int{}
	open := 0
	for _, op := range o.Operations {
		if op.Public {
			open++
		}
		seen := map[string]bool{}
		for _, one := range op.Security {
			for _, r := range one {
				if !seen[r.Scheme] {
					seen[r.Scheme] = true
					asked[r.Scheme]++
				}
			}
		}
	}
	var out []apim.SecurityMapping
	for _, s := range o.SecuritySchemes {
		out = append(out, apim.SecurityMapping{Scheme: s.ID, Kind: schemeKind(s), Operations: asked[s.ID], Becomes: "key"})
	}
	if open > 0 {
		out = append(out, apim.SecurityMapping{Kind: "nothing", Operations: open, Becomes: "public"})
	}
	return out
}

func schemeKind(s openapi.SecurityScheme) string {
	switch s.Kind {
	case "apiKey":
		return "API key in " + s.In + " " + s.Name
	case "http":
		return "HTTP " + s.Scheme
	case "oauth2":
		return "OAuth 2.0"
	case "openIdConnect":
		return "OpenID Connect"
	case "mutualTLS":
		return "client certificate"
	}
	return s.Kind
}

// findings turns the document's findings into ours, errors first.
func findings(list []openapi.Finding) []apim.Finding {
	out := make([]apim.Finding, len(list))
	for i, f := range list {
		out[i] = apim.Finding{Code: f.Code, Severity: string(f.Severity), Message: f.Message, Hint: f.Hint, File: f.File, Pointer: f.Pointer, Line: f.Line}
	}
	rank := map[string]int{"error": 0, "warning": 1, "info": 2}
	slices.SortStableFunc(out, func(a, b apim.Finding) int { return rank[a.Severity] - rank[b.Severity] })
	return out
}

// short cuts text of a document to what a row of a page can hold.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return s
}

// StagedImport returns a staged import of the tenant.
func (c *Catalog) StagedImport(ctx context.Context, actor apim.Actor, tenant, id apim.ID) (apim.Import, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return apim.Import{}, err
	}
	i, _, err := c.Store.Tenant(tenant).Import(ctx, id, c.now())
	return i, err
}

// DocumentBytes returns a document of the tenant as it was imported, in one file.
func (c *Catalog) DocumentBytes(ctx context.Context, actor apim.Actor, tenant, document apim.ID) (apim.Document, []byte, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return apim.Document{}, nil, err
	}
	t := c.Store.Tenant(tenant)
	d, err := t.Document(ctx, document)
	if err != nil {
		return apim.Document{}, nil, err
	}
	if err := c.allowDocument(ctx, t, actor, tenant, document); err != nil {
		return apim.Document{}, nil, err
	}
	raw, err := t.DocumentBody(ctx, d.Digest)
	if err != nil {
		return d, nil, err
	}
	return oneFile(d, raw)
}

// oneFile is a document as it is handed out: as it was imported, but for one in
// several files, which are put together as JSON.
func oneFile(d apim.Document, raw []byte) (apim.Document, []byte, error) {
	if !openapi.IsArchive(raw) {
		return d, raw, nil
	}
	text, err := openapi.Single(raw)
	if err != nil {
		return d, nil, fmt.Errorf("put the files of document %s together: %w", d.ID, err)
	}
	d.Format, d.Bytes = "json", int64(len(text))
	return d, text, nil
}

// Findings lists what the scan and the lint found in a document, errors first.
func (c *Catalog) Findings(ctx context.Context, actor apim.Actor, tenant, document apim.ID, page apim.Page) (apim.List[apim.Finding], error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return apim.List[apim.Finding]{}, err
	}
	if _, err := c.Store.Tenant(tenant).Document(ctx, document); err != nil {
		return apim.List[apim.Finding]{}, err
	}
	if err := c.allowDocument(ctx, c.Store.Tenant(tenant), actor, tenant, document); err != nil {
		return apim.List[apim.Finding]{}, err
	}
	return c.Store.Tenant(tenant).Findings(ctx, document, page)
}

// Revisions lists a version's revisions, newest first, without their runtime.
func (c *Catalog) Revisions(ctx context.Context, actor apim.Actor, tenant, version apim.ID, page apim.Page) (apim.List[apim.Revision], error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return apim.List[apim.Revision]{}, err
	}
	t := c.Store.Tenant(tenant)
	lines, err := t.VersionLinesByID(ctx, []apim.ID{version})
	if err == nil && len(lines) == 0 {
		err = apim.Errorf(apim.NotFound, "no such version")
	}
	if err == nil {
		err = c.allowVersion(ctx, t, actor, apim.Read, lines[0].API)
	}
	if err != nil {
		return apim.List[apim.Revision]{}, err
	}
	return t.Revisions(ctx, version, page)
}
