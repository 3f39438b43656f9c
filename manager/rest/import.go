package rest

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type stagedImport struct {
	ID        apim.ID           `json:"id"`
	Document  document          `json:"document"`
	Servers   []importServer    `json:"servers"`
	Routes    []apiRoute        `json:"routes"`
	Security  []securityMapping `json:"security"`
	Findings  []finding         `json:"findings"`
	Files     []string          `json:"files,omitempty"`
	Proposed  importProposal    `json:"proposed"`
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt time.Time         `json:"expires_at"`
}

type importServer struct {
	URL         string `json:"url"`
	Template    string `json:"template,omitempty"`
	Description string `json:"description,omitempty"`
	Usable      bool   `json:"usable"`
}

type importProposal struct {
	Name     string `json:"name"`
	Slug     string `json:"slug"`
	Label    string `json:"label"`
	Upstream string `json:"upstream,omitempty"`
	Mount    mount  `json:"mount"`
}

func stagedImportOf(i apim.Import) stagedImport {
	return stagedImport{
		ID: i.ID, Document: documentOf(i.Document), Routes: each(i.Routes, apiRouteOf),
		Servers:  each(i.Servers, func(s apim.ImportServer) importServer { return importServer(s) }),
		Security: each(i.Security, securityMappingOf), Findings: each(i.Findings, findingOf), Files: i.Files,
		Proposed: importProposal{
			Name: i.Proposed.Name, Slug: i.Proposed.Slug, Label: i.Proposed.Label,
			Upstream: i.Proposed.Upstream, Mount: mountOf(i.Proposed.Mount),
		},
		CreatedAt: i.CreatedAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(),
	}
}

func stageImport(r *request) error {
	up, err := upload(r)
	if err != nil {
		return err
	}
	staged, err := r.Catalog.StageImport(r.ctx, r.actor, r.tenant.ID, up)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return web.BodyError(err)
	}
	if err != nil {
		return err
	}
	return r.made("/imports/"+string(staged.ID), 0, stagedImportOf(staged))
}

// upload finds the document in the request: the body as it is, the files of a
// form, or the address in {"url": …}.
func upload(r *request) (manager.Upload, error) {
	media, _, _ := mime.ParseMediaType(r.c.GetHeader("Content-Type"))
	up := manager.Upload{FileName: r.c.Query("file_name"), Body: r.c.Request.Body, Root: r.c.Query("root")}
	switch media {
	case "application/json":
		return jsonUpload(r, up)
	case "application/yaml", "application/x-yaml", "text/yaml":
		if up.FileName == "" {
			up.FileName = "document.yaml"
		}
		return up, nil
	case "application/zip", "application/x-zip-compressed":
		if up.FileName == "" {
			up.FileName = "document.zip"
		}
		return up, nil
	case "multipart/form-data":
		return formUpload(r, up.Root)
	}
	return up, apim.Errorf(apim.Invalid, "send the document as application/json, application/yaml, application/zip or multipart/form-data").WithCode("unsupported_media_type")
}

// longestURLBody is the longest body that is looked at for {"url": …}.
const longestURLBody = 4 << 10

// jsonUpload tells an address from a document: a body that is nothing but
// {"url": …} can be no OpenAPI document.
func jsonUpload(r *request, up manager.Upload) (manager.Upload, error) {
	head := bufio.NewReaderSize(r.c.Request.Body, longestURLBody)
	body, err := head.Peek(longestURLBody)
	if errors.Is(err, io.EOF) {
		var in struct {
			URL string `json:"url"`
		}
		if web.ParseJSON(body, &in) == nil && in.URL != "" {
			if up.FileName != "" {
				return up, fieldf("file_name", "unknown_parameter", "means nothing beside a url")
			}
			return manager.Upload{URL: in.URL, Root: up.Root}, nil
		}
	} else if err != nil {
		return up, web.BodyError(err)
	}
	up.Body = head
	if up.FileName == "" {
		up.FileName = "document.json"
	}
	return up, nil
}

// formUpload reads the files of a form as they arrive: one document or archive,
// or a folder, whose files have paths.
func formUpload(r *request, root string) (manager.Upload, error) {
	parts, err := r.c.Request.MultipartReader()
	if err != nil {
		return manager.Upload{}, apim.Errorf(apim.Invalid, "the form cannot be read: %s", err).WithCode("malformed_json")
	}
	any := false
	return manager.Upload{Root: root, Folder: func() (string, io.Reader, error) {
		part, err := filePart(parts)
		if errors.Is(err, io.EOF) && !any {
			return "", nil, fieldf("file", "required", "needs the document")
		}
		if err != nil {
			return "", nil, err
		}
		any = true
		return web.FilePath(part.Header, "document"), part, nil
	}}, nil
}

// filePart is the next file of a form.
func filePart(parts *multipart.Reader) (*multipart.Part, error) {
	part, err := parts.NextPart()
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, web.BodyError(err)
	case part.FormName() != "file":
		return nil, fieldf(strings.ToValidUTF8(part.FormName(), "?"), "unknown_field", "is not a field here; there is file")
	}
	return part, nil
}

func showImport(r *request) error {
	id, err := r.id(apim.PrefixImport, "import")
	if err != nil {
		return err
	}
	staged, err := r.Catalog.StagedImport(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, stagedImportOf(staged))
}

type importChanges struct {
	Version   apim.ID          `json:"version"`
	Added     []apiRoute       `json:"added"`
	Removed   []apiRoute       `json:"removed"`
	Changed   []routeChange    `json:"changed"`
	Renamed   []routeChange    `json:"renamed"`
	Kept      []string         `json:"kept"`
	Conflicts []importConflict `json:"conflicts"`
	Upstream  []string         `json:"upstream"`
}

type routeChange struct {
	From apiRoute `json:"from"`
	To   apiRoute `json:"to"`
	What []string `json:"what"`
}

func routeChangeOf(c manager.RouteChange) routeChange {
	return routeChange{From: apiRouteOf(c.From), To: apiRouteOf(c.To), What: orEmpty(c.What)}
}

type importConflict struct {
	ID        string `json:"id"`
	Operation string `json:"operation,omitempty"`
	Was       string `json:"was"`
	Mine      string `json:"mine"`
	New       string `json:"new"`
}

// compareImport says what a staged import would change in a version's draft.
func compareImport(r *request) error {
	id, err := r.id(apim.PrefixImport, "import")
	if err != nil {
		return err
	}
	version, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	c, err := r.Catalog.CompareImport(r.ctx, r.actor, r.tenant.ID, id, version)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, importChanges{
		Version: c.Version.ID, Added: each(c.Added, apiRouteOf), Removed: each(c.Removed, apiRouteOf),
		Changed: each(c.Changed, routeChangeOf), Renamed: each(c.Renamed, routeChangeOf), Kept: orEmpty(c.Kept), Upstream: orEmpty(c.Upstream),
		Conflicts: each(c.Conflicts, func(c manager.ImportConflict) importConflict { return importConflict(c) }),
	})
}

func acceptImport(r *request) error {
	id, err := r.id(apim.PrefixImport, "import")
	if err != nil {
		return err
	}
	var in struct {
		API       string   `json:"api"`
		Name      string   `json:"name"`
		Slug      string   `json:"slug"`
		Label     string   `json:"label"`
		Upstream  string   `json:"upstream"`
		MountPath string   `json:"mount_path"`
		Access    string   `json:"access"`
		TakeNew   []string `json:"take_new"`
		Team      apim.ID  `json:"team"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	accept := manager.AcceptImport{
		Name: in.Name, Slug: in.Slug, Label: in.Label,
		Upstream: in.Upstream, MountPath: in.MountPath, Access: in.Access, TakeNew: in.TakeNew, Team: in.Team,
	}
	if in.API != "" {
		if accept.API, err = apiID(r, in.API); err != nil {
			return err
		}
	}
	version, err := r.Catalog.AcceptImport(r.ctx, r.actor, r.tenant.ID, id, accept)
	if err != nil {
		return err
	}
	return answerVersion(r, http.StatusCreated, version.ID, outcome{})
}
