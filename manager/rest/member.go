package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
)

type member struct {
	Person   apim.ID     `json:"person"`
	Name     string      `json:"name"`
	Email    string      `json:"email"`
	Roles    []apim.Role `json:"roles"`
	JoinedAt time.Time   `json:"joined_at"`
}

func memberOf(m apim.Member) member {
	return member{Person: m.Person, Name: m.Name, Email: m.Email, Roles: orEmpty(m.Roles), JoinedAt: m.JoinedAt.UTC()}
}

func listMembers(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	members, err := r.Tenants.Members(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(members, memberOf))
}
