package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager/store"
	"portico/test/postgres"
)

// raced are sessions that somebody ends in the very moment before one is
// written back.
type raced struct {
	*store.Sessions
	end func(ctx context.Context) error // nil: nobody
}

func (r *raced) CommitSession(ctx context.Context, token string, data []byte, expires time.Time, shown apim.Session) error {
	if r.end != nil {
		if err := r.end(ctx); err != nil {
			return err
		}
	}
	return r.Sessions.CommitSession(ctx, token, data, expires, shown)
}

func (r *raced) KeepSession(ctx context.Context, token string, data []byte, expires time.Time, shown apim.Session) error {
	if r.end != nil {
		if err := r.end(ctx); err != nil {
			return err
		}
	}
	return r.Sessions.KeepSession(ctx, token, data, expires, shown)
}

// Somebody who has a stolen cookie may send one request after another while its
// person signs out everywhere: none of them brings the session back.
func TestSessionEndedWhileItIsWrittenStaysEnded(t *testing.T) {
	postgres.Both(t, testSessionEndedWhileItIsWrittenStaysEnded)
}

func testSessionEndedWhileItIsWrittenStaysEnded(t *testing.T, place postgres.Place) {
	db, err := store.Open(t.Context(), place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	ada := apim.Person{ID: apim.NewID(apim.PrefixPerson, time.Now()), Email: "ada@shop.example", Name: "Ada", CreatedAt: time.Now(), Lock: 1}
	if err := db.Write(t.Context(), func(tx *store.Tx) error { return tx.System().InsertPerson(t.Context(), ada, "") }); err != nil {
		t.Fatal(err)
	}
	kept := &raced{Sessions: db.Sessions("console", time.Now)}
	sessions := web.NewSessions("console", "http://localhost", kept, time.Now)
	engine := web.New(web.Config{Name: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sessions: sessions, Person: db.System().Person})
	engine.POST("/in", func(c *gin.Context) {
		if err := sessions.SignIn(c.Request.Context(), ada.ID); err != nil {
			web.Fail(c, err)
		}
	})
	engine.POST("/flash", func(c *gin.Context) { sessions.Flash(c.Request.Context(), "a sentence") })
	engine.GET("/who", func(c *gin.Context) { c.String(http.StatusOK, "%s", web.Actor(c.Request.Context()).Person) })
	var cookie *http.Cookie
	send := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		return w
	}
	cookie = send("POST", "/in").Result().Cookies()[0]
	send("POST", "/flash")
	if got := send("GET", "/who").Body.String(); got != string(ada.ID) {
		t.Fatalf("got %q, want Ada", got)
	}
	kept.end = func(ctx context.Context) error {
		return db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.System().EndSessions(ctx, ada.ID, "")
			return err
		})
	}
	send("POST", "/flash")
	kept.end = nil
	if got := send("GET", "/who").Body.String(); got != "" {
		t.Errorf("the session that was ended lets %q in", got)
	}
}
