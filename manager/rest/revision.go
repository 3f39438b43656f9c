package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type revision struct {
	ID        apim.ID   `json:"id"`
	Version   apim.ID   `json:"version"`
	Number    int       `json:"number"`
	Document  apim.ID   `json:"document,omitempty"`
	Note      string    `json:"note"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	outcome
}

func revisionOf(r apim.Revision) revision {
	return revision{
		ID: r.ID, Version: r.Version, Number: r.Number, Document: r.Document,
		Note: r.Note, By: r.By, CreatedAt: r.CreatedAt.UTC(),
	}
}

func answerRevision(r *request, result manager.PublishResult) error {
	out := revisionOf(result.Revision)
	out.outcome = r.settle(result.Change)
	return r.answer(http.StatusOK, 0, out)
}

func publish(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Environment string `json:"environment"`
		Note        string `json:"note"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	result, err := r.Catalog.Publish(r.ctx, r.actor, r.tenant.ID, id, in.Environment, in.Note)
	if err != nil {
		return err
	}
	return answerRevision(r, result)
}

func rollBack(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Environment string `json:"environment"`
		Revision    int    `json:"revision"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	result, err := r.Catalog.RollBack(r.ctx, r.actor, r.tenant.ID, id, in.Environment, in.Revision)
	if err != nil {
		return err
	}
	return answerRevision(r, result)
}

func listRevisions(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	revisions, err := r.Catalog.Revisions(r.ctx, r.actor, r.tenant.ID, id, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(revisions, revisionOf))
}
