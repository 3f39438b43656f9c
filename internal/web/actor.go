package web

import (
	"context"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

type actorKey struct{}

// Actor returns who asks, with address and request id. It is anonymous outside
// a request and for who has not signed in.
func Actor(ctx context.Context) apim.Actor {
	a, _ := ctx.Value(actorKey{}).(apim.Actor)
	return a
}

// WithActor returns a context in which a asks.
func WithActor(ctx context.Context, a apim.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// identify finds out who asks: by bearer token where the edge takes them, else
// by session. A token that is not good is refused, never passed over.
func (e *edge) identify(c *gin.Context) {
	ctx := c.Request.Context()
	actor, err := e.actor(ctx, c.GetHeader("Authorization"))
	if err != nil {
		Fail(c, err)
		return
	}
	actor.Address, actor.Request = c.RemoteIP(), RequestID(ctx)
	c.Request = c.Request.WithContext(WithActor(ctx, actor))
}

func (e *edge) actor(ctx context.Context, authorization string) (apim.Actor, error) {
	if authorization != "" && e.Token != nil {
		scheme, text, _ := strings.Cut(authorization, " ")
		if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(text) == "" {
			return apim.Actor{}, apim.Errorf(apim.SignIn, "the Authorization header is not \"Bearer\" with an API token").WithCode("token_invalid")
		}
		return e.Token(ctx, strings.TrimSpace(text))
	}
	if e.Sessions == nil {
		return apim.Actor{}, nil
	}
	id := e.Sessions.Person(ctx)
	if id == "" {
		return apim.Actor{}, nil
	}
	person, err := e.Person(ctx, id)
	if apim.KindOf(err) == apim.NotFound {
		return apim.Actor{}, e.Sessions.SignOut(ctx)
	}
	if err != nil {
		return apim.Actor{}, err
	}
	return apim.Actor{Person: person.ID, Name: person.Name, Operator: person.Operator}, nil
}

// RequireActor refuses who has not signed in.
func RequireActor(c *gin.Context) {
	if Actor(c.Request.Context()).Anonymous() {
		Fail(c, apim.Errorf(apim.SignIn, "sign in, or send an API token"))
	}
}

// RequireSignIn sends who has not signed in to a page where they can, with
// the way back in return_to. Only GET pages can be returned to.
func RequireSignIn(path string) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !Actor(c.Request.Context()).Anonymous() {
			return
		}
		to := c.Request.URL.RequestURI()
		if c.Request.Method != "GET" || HX(c) {
			to = LocalPath(hxCurrent(c))
		}
		c.Abort()
		if to == "" || to == "/" {
			Redirect(c, path)
			return
		}
		Redirect(c, path+"?return_to="+url.QueryEscape(to))
	}
}
