package portal

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type signInView struct {
	frame
	Email, Next string
	SignUp      string // address of the sign-up page, "" where it is closed
	Errors      fieldErrors
	Why         string // what brought the reader here
}

type signUpView struct {
	frame
	Name, Email, Organisation, Next string
	SignIn                          string
	Nonce                           string
	Errors                          fieldErrors
}

func (p *portal) signInForm(c *gin.Context, r *reader) error {
	next := web.ReturnTo(c, catalogPath)
	if !r.Actor.Anonymous() {
		return p.seeOther(c, next)
	}
	v := signInView{Next: next}
	if next != catalogPath {
		v.Why = "Sign in to go on. You come back to where you were."
	}
	return p.showSignIn(c, r, http.StatusOK, v)
}

func (p *portal) showSignIn(c *gin.Context, r *reader, status int, v signInView) error {
	v.frame = r.frame("Sign in", nowhere)
	if p.Tenants.OpenSignUp {
		v.SignUp = with(signUpPath, "return_to", v.Next)
	}
	return p.render(c, status, signInPageOf(v))
}

func (p *portal) signIn(c *gin.Context, r *reader) error {
	v := signInView{Email: strings.TrimSpace(c.PostForm("email")), Next: web.ReturnTo(c, catalogPath)}
	person, err := p.Tenants.SignIn(c.Request.Context(), v.Email, c.PostForm("password"), r.Actor.Address)
	if apim.KindOf(err) == apim.SignIn || apim.KindOf(err) == apim.Forbidden {
		v.Errors = fieldErrors{Message: "That e-mail address and password do not go together. Check both and try again."}
		return p.showSignIn(c, r, http.StatusUnprocessableEntity, v)
	}
	if errs, ok := fieldsOf(err, "email", "password"); ok {
		v.Errors = errs
		return p.showSignIn(c, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	if err := p.Sessions.SignIn(c.Request.Context(), person.ID); err != nil {
		return err
	}
	return p.seeOther(c, v.Next)
}

func (p *portal) signUpForm(c *gin.Context, r *reader) error {
	next := web.ReturnTo(c, catalogPath)
	if !p.Tenants.OpenSignUp {
		return apim.Errorf(apim.NotFound, "accounts are made by invitation here; ask whoever runs this portal")
	}
	if !r.Actor.Anonymous() {
		return p.seeOther(c, next)
	}
	return p.showSignUp(c, r, http.StatusOK, signUpView{Next: next})
}

func (p *portal) showSignUp(c *gin.Context, r *reader, status int, v signUpView) error {
	v.frame = r.frame("Create an account", nowhere)
	v.SignIn = signInTo(v.Next)
	if v.Nonce == "" {
		v.Nonce = newNonce()
	}
	return p.render(c, status, signUpPageOf(v))
}

func (p *portal) signUp(c *gin.Context, r *reader) error {
	if !p.Tenants.OpenSignUp {
		return apim.Errorf(apim.NotFound, "accounts are made by invitation here; ask whoever runs this portal")
	}
	v := signUpView{
		Name: strings.TrimSpace(c.PostForm("name")), Email: strings.TrimSpace(c.PostForm("email")),
		Organisation: strings.TrimSpace(c.PostForm("organisation")), Next: web.ReturnTo(c, catalogPath), Nonce: c.PostForm("nonce"),
	}
	if !r.Actor.Anonymous() {
		return p.seeOther(c, v.Next) // the second click of a double one
	}
	ctx, password := c.Request.Context(), c.PostForm("password")
	var person apim.Person
	_, again, err := p.once.Do("sign-up", v.Nonce, func() (string, error) {
		var err error
		person, err = p.Tenants.SignUp(ctx, manager.SignUp{Name: v.Name, Email: v.Email, Password: password, Organisation: v.Organisation}, r.Actor.Address)
		return v.Next, err
	})
	if err == nil && again { // a double click: the account is there, and this post knows its password
		person, err = p.Tenants.SignIn(ctx, v.Email, password, r.Actor.Address)
	}
	if errs, ok := fieldsOf(err, "name", "email", "password", "organisation"); ok {
		v.Errors = errs
		return p.showSignUp(c, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	if err := p.Sessions.SignIn(c.Request.Context(), person.ID); err != nil {
		return err
	}
	return p.seeOther(c, v.Next)
}

func (p *portal) signOut(c *gin.Context, r *reader) error {
	if err := p.Sessions.SignOut(c.Request.Context()); err != nil {
		return err
	}
	return p.seeOther(c, web.ReturnTo(c, catalogPath))
}

// setTheme keeps the theme: in a cookie for this browser, and with the person.
func (p *portal) setTheme(c *gin.Context, r *reader) error {
	theme := c.PostForm("theme")
	if theme != "light" && theme != "dark" && theme != "" {
		return &apim.Error{Kind: apim.Invalid, Message: "no such theme", Fields: []apim.FieldError{{Field: "theme", Code: "unknown", Detail: "use light, dark or nothing"}}}
	}
	web.SetTheme(c, theme)
	if r.Actor.Person != "" {
		if err := p.Tenants.SetTheme(c.Request.Context(), r.Actor, theme); err != nil {
			return err
		}
	}
	return p.seeOther(c, backOr(c, catalogPath))
}

// chooseTenant makes one of the reader's tenants the one they act for.
func (p *portal) chooseTenant(c *gin.Context, r *reader) error {
	tenant, err := p.Tenants.Tenant(c.Request.Context(), r.Actor, c.PostForm("tenant"))
	if err != nil {
		return err
	}
	p.keepTenant(c, tenant.ID)
	return p.seeOther(c, backOr(c, applicationsPath))
}

// backOr is where a small form of the bar leads: back to its page.
func backOr(c *gin.Context, fallback string) string {
	if back := web.LocalPath(c.PostForm("back")); back != "" {
		return back
	}
	return fallback
}
