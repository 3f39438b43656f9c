package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

// Component renders itself; templ's components do.
type Component interface {
	Render(ctx context.Context, w io.Writer) error
}

// Render answers with a page or a piece of one. It is rendered whole before
// the first byte goes out, so that a failure is a clean 500.
func Render(c *gin.Context, status int, page Component) {
	var b bytes.Buffer
	if err := page.Render(c.Request.Context(), &b); err != nil {
		if c.GetBool(failingKey) {
			c.String(http.StatusInternalServerError, "something failed inside Portico, and it is in the log under request %s\n", RequestID(c.Request.Context()))
			return
		}
		c.Set(failingKey, true) // the error page may fail for the same reason
		Fail(c, fmt.Errorf("render page: %w", err))
		return
	}
	c.Data(status, "text/html; charset=utf-8", b.Bytes())
}

const failingKey = "web.failing"

// HX reports whether htmx sent the request and wants a piece of a page. A
// boosted link or a restored history entry wants the whole page.
func HX(c *gin.Context) bool {
	return c.GetHeader("HX-Request") == "true" && c.GetHeader("HX-Boosted") != "true" &&
		c.GetHeader("HX-History-Restore-Request") != "true"
}

// Redirect sends the browser to a path after a form (303), also when htmx sent
// the form.
func Redirect(c *gin.Context, path string) {
	if HX(c) {
		c.Header("HX-Redirect", path)
		c.Status(http.StatusOK)
		return
	}
	c.Redirect(http.StatusSeeOther, path)
}

// hxCurrent returns the path and query of the page that htmx sent a request
// from, "" when it does not say.
func hxCurrent(c *gin.Context) string {
	u, err := url.Parse(c.GetHeader("HX-Current-URL"))
	if err != nil || u.Host != c.Request.Host {
		return ""
	}
	return u.RequestURI()
}

// LocalPath returns s when it is a path of this site, "" when it is anything
// that a browser could take for another one.
func LocalPath(s string) string {
	if len(s) > 2048 || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsRune(s, '\\') {
		return ""
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return ""
	}
	return s
}

// ReturnTo returns where a form or link wants to go back to: its return_to
// when that is a path of this site, else fallback.
func ReturnTo(c *gin.Context, fallback string) string {
	to := c.PostForm("return_to")
	if to == "" {
		to = c.Query("return_to")
	}
	if to = LocalPath(to); to == "" {
		return fallback
	}
	return to
}

const themeCookie = "portico_theme"

// Theme returns the browser's theme: "light", "dark", or "" for what the
// system prefers.
func Theme(c *gin.Context) string {
	switch v, _ := c.Cookie(themeCookie); v {
	case "light", "dark":
		return v
	}
	return ""
}

// SetTheme keeps a theme in the browser for a year; "" or an unknown one
// forgets it.
func SetTheme(c *gin.Context, theme string) {
	cookie := &http.Cookie{
		Name: themeCookie, Value: theme, Path: "/", MaxAge: 365 * 24 * 3600,
		SameSite: http.SameSiteLaxMode, HttpOnly: true,
	}
	if theme != "light" && theme != "dark" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(c.Writer, cookie)
}
