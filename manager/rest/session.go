package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
)

type session struct {
	ID        apim.ID   `json:"id"`
	Use       string    `json:"use"`
	Address   string    `json:"address"`
	Agent     string    `json:"agent"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Current   bool      `json:"current"`
}

// current returns the id of the session that the request came with, "" for one
// with a token.
func (r *request) current() apim.ID {
	if r.actor.Token != "" || r.Sessions == nil {
		return ""
	}
	return r.Sessions.ID(r.ctx)
}

func listSessions(r *request) error {
	all, err := r.Tenants.Sessions(r.ctx, r.actor)
	if err != nil {
		return err
	}
	current := r.current()
	return r.answer(http.StatusOK, 0, list[session]{Items: each(all, func(s apim.Session) session {
		return session{
			ID: s.ID, Use: s.Use, Address: s.Address, Agent: s.Agent, StartedAt: s.StartedAt.UTC(), SeenAt: s.SeenAt.UTC(),
			ExpiresAt: s.ExpiresAt.UTC(), Current: s.ID == current,
		}
	})})
}

func endSession(r *request) error {
	id, err := r.id(apim.PrefixSession, "session")
	if err != nil {
		return err
	}
	if err := r.Tenants.EndSession(r.ctx, r.actor, id); err != nil {
		return err
	}
	return r.gone()
}

func endSessions(r *request) error {
	if _, err := r.Tenants.EndSessions(r.ctx, r.actor, r.current()); err != nil {
		return err
	}
	return r.gone()
}
