package manager

import (
	"context"

	"portico/internal/apim"
)

// own refuses what only a person does for themself: a token that may not do all
// that its person may has no business with it.
func own(actor apim.Actor) error {
	if err := signedIn(actor); err != nil {
		return err
	}
	if actor.Person == "" {
		return apim.Errorf(apim.Forbidden, "this API token speaks for no person; sign in as one")
	}
	if !actor.Scopes.Allow(apim.Manage, "session") {
		return apim.Errorf(apim.Forbidden, "this API token may not see sessions; make one with the scope %q", "* *").WithCode("token_scope")
	}
	return nil
}

// Sessions lists where the actor has signed in, the latest used first.
func (t *Tenants) Sessions(ctx context.Context, actor apim.Actor) ([]apim.Session, error) {
	if err := own(actor); err != nil {
		return nil, err
	}
	return t.Store.System().SessionsOf(ctx, actor.Person, t.now())
}

// EndSession signs the actor out where they have signed in.
func (t *Tenants) EndSession(ctx context.Context, actor apim.Actor, id apim.ID) error {
	if err := own(actor); err != nil {
		return err
	}
	return t.write(ctx, actor, func(u *unit) error {
		if err := u.System().EndSession(ctx, actor.Person, id); err != nil {
			return err
		}
		return u.record(ctx, "", "session.end", id, "%s ended a session", who(actor))
	})
}

// EndSessions signs the actor out everywhere but in one session; "" spares none.
func (t *Tenants) EndSessions(ctx context.Context, actor apim.Actor, but apim.ID) (int, error) {
	if err := own(actor); err != nil {
		return 0, err
	}
	n := 0
	err := t.write(ctx, actor, func(u *unit) (err error) {
		if n, err = u.System().EndSessions(ctx, actor.Person, but); err != nil || n == 0 {
			return err
		}
		return u.record(ctx, "", "session.end", actor.Person, "%s ended %d sessions", who(actor), n)
	})
	return n, err
}
