package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
)

type auditRow struct {
	ID        apim.ID   `json:"id"`
	At        time.Time `json:"at"`
	Actor     auditor   `json:"actor"`
	Action    string    `json:"action"`
	Object    apim.ID   `json:"object,omitempty"`
	Summary   string    `json:"summary"`
	RequestID string    `json:"request_id,omitempty"`
}

// auditor is who did something.
type auditor struct {
	Name    string  `json:"name"`
	Person  apim.ID `json:"person,omitempty"`
	Token   apim.ID `json:"token,omitempty"`
	System  bool    `json:"system,omitempty"`
	Address string  `json:"address,omitempty"`
}

func auditRowOf(a apim.Audit) auditRow {
	return auditRow{
		ID: a.ID, At: a.At.UTC(), Action: a.Action, Object: a.Object, Summary: a.Summary, RequestID: a.Actor.Request,
		Actor: auditor{Name: a.Actor.Name, Person: a.Actor.Person, Token: a.Actor.Token, System: a.Actor.System, Address: a.Actor.Address},
	}
}

func listAudit(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	rows, err := r.Tenants.AuditLog(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(rows, auditRowOf))
}
