package console

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/ui"
)

// visit is one request with what every page needs of it.
type visit struct {
	c           *gin.Context
	h           *Console
	actor       apim.Actor
	now         time.Time
	memberships []manager.Membership
	page        *url.URL // that the answer shows; nil: what was asked for

	// Inside a tenant:
	tenant       apim.Tenant
	roles        []apim.Role
	links        links
	environments []apim.Environment
	environment  apim.Environment
	applied      apim.Applied // of the environment's newest change
	waiting      int          // requests in the inbox
}

const (
	visitKey          = "console.visit"
	environmentCookie = "portico_environment"
)

func (v *visit) ctx() context.Context { return v.c.Request.Context() }

func (v *visit) param(name string) string { return v.c.Param(name) }

func (v *visit) query(name string) string {
	if v.page != nil {
		return v.page.Query().Get(name)
	}
	return v.c.Query(name)
}

// comesFrom makes what answers a form the page that it came from: what that page's
// address asks for holds, and whatever leads back leads there. Where back is no
// address of home it is home.
func (v *visit) comesFrom(back, home string) {
	v.page, _ = url.Parse(home) // addresses are built here, of escaped parts
	if u, err := url.Parse(back); err == nil && u.Path == v.page.Path {
		v.page.RawQuery = u.RawQuery
	}
}

// url is the address of the page that the answer shows.
func (v *visit) url() *url.URL {
	if v.page != nil {
		return v.page
	}
	return v.c.Request.URL
}

func (v *visit) address() string { return v.actor.Address }

// session names who submits a form, for receipts.
func (v *visit) session() string { return string(v.actor.Person) }

func (v *visit) can(verb apim.Verb, object apim.Object, places ...apim.ID) bool {
	return v.h.Tenants.Can(v.ctx(), v.actor, v.tenant.ID, verb, object, places...)
}

// lookIn shows this page in the environment that a link names, whichever the
// person works in.
func (v *visit) lookIn(slug string) {
	for _, e := range v.environments {
		if e.Slug == slug {
			v.environment = e
		}
	}
}

// surroundings loads what the shell shows: environment, position, inbox.
func (v *visit) surroundings() error {
	var err error
	if v.environments, err = v.h.Fleet.Environments(v.ctx(), v.actor); err != nil {
		return err
	}
	chosen, _ := v.c.Cookie(environmentCookie) // "" when there is none
	for i, e := range v.environments {
		if i == 0 || e.Slug == chosen {
			v.environment = e
		}
	}
	if v.environment.Sequence > 0 {
		change := apim.Change{Environment: v.environment.Slug, Sequence: v.environment.Sequence}
		if v.applied, err = v.h.Fleet.Applied(v.ctx(), v.actor, change); err != nil {
			return err
		}
	}
	v.waiting, err = v.h.Access.Waiting(v.ctx(), v.actor, v.tenant.ID)
	if apim.KindOf(err) == apim.Forbidden {
		return nil // who may not see the inbox sees no count
	}
	return err
}

func (v *visit) render(status int, body templ.Component) error {
	web.Render(v.c, status, body)
	return nil
}

// again shows a form again, with what is wrong.
func (v *visit) again(f form, body templ.Component) error { return v.render(v.status(f), body) }

// status is the HTTP status of a form that is shown again.
func (v *visit) status(f form) int {
	if f.refused == nil {
		return http.StatusUnprocessableEntity
	}
	return web.ProblemOf(v.c, f.refused).Status
}

// fragment answers with a piece of a page.
func (v *visit) fragment(body templ.Component) error { return v.render(http.StatusOK, body) }

func (v *visit) redirect(to string) error {
	web.Redirect(v.c, to)
	return nil
}

// wantsDialog reports whether only a dialog is asked for.
func (v *visit) wantsDialog() bool { return ui.WantsDialog(v.c.Request) }

// flash keeps a sentence for the next page.
func (v *visit) flash(tone ui.Tone, text string) {
	v.h.Sessions.Flash(v.ctx(), string(tone)+"\n"+text)
}

// flashes are the sentences that were kept for this page.
func (v *visit) flashes() []ui.Toast {
	tone, text, ok := strings.Cut(v.h.Sessions.TakeFlash(v.ctx()), "\n")
	if !ok {
		return nil
	}
	return []ui.Toast{{Tone: ui.Tone(tone), Title: text}}
}

func (v *visit) theme() ui.Theme {
	back := v.url().RequestURI()
	if v.page == nil && v.c.Request.Method != http.MethodGet {
		back = v.c.Request.URL.Path
	}
	return ui.Theme{Chosen: web.Theme(v.c), Action: themePath, Back: back}
}

func (v *visit) keepEnvironment(slug string) {
	http.SetCookie(v.c.Writer, &http.Cookie{
		Name: environmentCookie, Value: slug, Path: "/", MaxAge: 365 * 24 * 3600,
		SameSite: http.SameSiteLaxMode, HttpOnly: true,
	})
}

func (v *visit) signIn(person apim.Person) error {
	if person.Theme != "" && web.Theme(v.c) == "" {
		web.SetTheme(v.c, person.Theme)
	}
	return v.h.Sessions.SignIn(v.ctx(), person.ID)
}

// form reads what was typed. What stands in the address is not part of it.
func (v *visit) form() (form, error) {
	r := v.c.Request
	err := r.ParseForm()
	if err == nil && strings.HasPrefix(v.c.ContentType(), "multipart/") {
		err = r.ParseMultipartForm(formMemory)
	}
	values := r.PostForm //nolint:forbidigo // a field of the request, not a call that goes out
	if r.MultipartForm != nil {
		values = r.MultipartForm.Value
	}
	if err != nil {
		return form{values: values}, formError(err)
	}
	return form{values: values, once: values.Get("once")}, nil
}

const formMemory = 16 << 20 // of a form with a file; what is larger goes to a temporary file

func formError(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return apim.Errorf(apim.TooLarge, "the form is larger than %s", bytesText(large.Limit))
	case errors.Is(err, multipart.ErrMessageTooLarge):
		return apim.Errorf(apim.TooLarge, "the text is too large for a form; upload it as a file")
	}
	return &apim.Error{Kind: apim.Invalid, Message: "the form could not be read", Cause: err}
}

// upload reads a form with a document in it. done removes what was kept of it.
func (v *visit) upload() (form, manager.Upload, func(), error) {
	f, err := v.form()
	done := func() {
		if m := v.c.Request.MultipartForm; m != nil {
			_ = m.RemoveAll() // temporary files; the system clears what is left
		}
	}
	if err != nil {
		if f.values == nil {
			f.values = filled("from", v.query("from")).values
		}
		if apim.KindOf(err) == apim.TooLarge {
			err = &apim.Error{Kind: apim.TooLarge, Fields: []apim.FieldError{{Field: "file", Detail: message(err)}}}
		}
		return f, manager.Upload{}, done, err
	}
	m := v.c.Request.MultipartForm
	if m == nil || len(m.File["file"]) == 0 || len(m.File["file"]) == 1 && m.File["file"][0].Size == 0 {
		return f, manager.Upload{}, done, nil
	}
	files := m.File["file"]
	var open io.Closer
	closing := func() {
		if open != nil {
			_ = open.Close() // it was only read
		}
	}
	return f, manager.Upload{Folder: func() (string, io.Reader, error) {
		closing()
		if len(files) == 0 {
			return "", nil, io.EOF
		}
		head := files[0]
		files = files[1:]
		file, err := head.Open()
		if err != nil {
			return "", nil, err
		}
		open = file
		return web.FilePath(head.Header, head.Filename), file, nil
	}}, func() { closing(); done() }, nil
}

// polls counts down how often a part of a page may still load itself again, so
// that a page that somebody left open does not keep its session alive: after
// the last one the part stays as it is until the page is used again.
func (v *visit) polls(most int) (left int, more bool) {
	left = most
	if n, err := strconv.Atoi(v.query("polls")); err == nil && n >= 0 && n < most {
		left = n
	}
	return left - 1, left > 0
}

// message is what a refusal says to the person; "" for an internal failure.
func message(err error) string {
	var e *apim.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}
