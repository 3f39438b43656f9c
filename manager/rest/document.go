package rest

import (
	"mime"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
)

type document struct {
	ID         apim.ID        `json:"id"`
	Digest     string         `json:"digest"`
	Bytes      int64          `json:"bytes"`
	Format     string         `json:"format"`
	Spec       string         `json:"spec"`
	Title      string         `json:"title"`
	Version    string         `json:"version"`
	Source     string         `json:"source"`
	Operations int            `json:"operations"`
	State      apim.LoadState `json:"state,omitempty"`
	Stage      string         `json:"stage,omitempty"`
	Done       int            `json:"done"`
	Total      int            `json:"total"`
	Score      *int           `json:"score,omitempty"`
	Passed     int            `json:"passed"`
	Findings   int            `json:"findings"`
	CreatedAt  time.Time      `json:"created_at,omitzero"`
}

func documentOf(d apim.Document) document {
	return document{
		ID: d.ID, Digest: d.Digest, Bytes: d.Bytes, Format: d.Format, Spec: d.Spec, Title: d.Title, Version: d.Version,
		Source: d.Source, Operations: d.Operations, State: d.State, Stage: d.Stage, Done: d.Done, Total: d.Total,
		Score: scoreOf(d.Score), Passed: d.Passed, Findings: d.Findings, CreatedAt: d.CreatedAt.UTC(),
	}
}

// scoreOf leaves out a score that is not known yet.
func scoreOf(score int) *int {
	if score < 0 {
		return nil
	}
	return &score
}

type finding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	File     string `json:"file,omitempty"`
	Pointer  string `json:"pointer,omitempty"`
	Line     int    `json:"line,omitempty"`
}

func findingOf(f apim.Finding) finding { return finding(f) }

// versionDocument returns the document of the draft of the path's version.
func versionDocument(r *request) (apim.ID, error) {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return "", err
	}
	v, err := r.Catalog.Version(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return "", err
	}
	if v.Document.ID == "" {
		return "", apim.Errorf(apim.NotFound, "version %s has no document", v.Version.Label)
	}
	return v.Document.ID, nil
}

func listFindings(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	id, err := versionDocument(r)
	if err != nil {
		return err
	}
	findings, err := r.Catalog.Findings(r.ctx, r.actor, r.tenant.ID, id, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(findings, findingOf))
}

func downloadDocument(r *request) error {
	id, err := versionDocument(r)
	if err != nil {
		return err
	}
	d, body, err := r.Catalog.DocumentBytes(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	media, name := "application/json", "openapi.json"
	if d.Format == "yaml" {
		media, name = "application/yaml", "openapi.yaml"
	}
	r.c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	r.c.Header("ETag", `"`+d.Digest+`"`)
	r.c.Data(http.StatusOK, media, body)
	return nil
}
