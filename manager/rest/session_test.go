package rest_test

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
)

// sessionCookie signs a person in as the console does, and returns the cookie.
func sessionCookie(t *testing.T, w *world, person apim.ID) string {
	t.Helper()
	console := web.New(web.Config{Name: "console", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sessions: w.sessions, Person: w.edge.Tenants.Person})
	console.POST("/sign-in", func(c *gin.Context) {
		if err := w.sessions.SignIn(c.Request.Context(), person); err != nil {
			web.Fail(c, err)
			return
		}
		c.Status(204)
	})
	rec := httptest.NewRecorder()
	console.ServeHTTP(rec, httptest.NewRequest("POST", "/sign-in", nil))
	cookies := rec.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("signing in gave %d with cookies %v", rec.Code, cookies)
	}
	return cookies[0].Name + "=" + cookies[0].Value
}
