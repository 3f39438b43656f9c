package portal

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/openapi"
)

// sampleView is a call in one language, with links to the others.
type sampleView struct {
	Title     string // "List parcels"
	URL       string // of the operation's page
	Languages []languageTab
	Tokens    []openapi.Token
	Answer    []openapi.Token // an example of what comes back, not copied
	Note      string
}

type languageTab struct {
	Name, Title, URL string
	Current          bool
}

const languageCookie = "portico_language"

// language returns the language of samples that the reader chose: in the
// address, which is then remembered, else in the cookie, else curl.
func language(c *gin.Context) string {
	known := map[string]bool{"curl": true, "javascript": true, "python": true, "go": true}
	if l := c.Query("lang"); known[l] {
		http.SetCookie(c.Writer, &http.Cookie{
			Name: languageCookie, Value: l, Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Request.TLS != nil,
		})
		return l
	}
	if l, err := c.Cookie(languageCookie); err == nil && known[l] {
		return l
	}
	return "curl"
}

// sampleAuth says where the samples of an API put the key.
func sampleAuth(places apim.CredentialPlaces, public bool) openapi.SampleAuth {
	switch {
	case public:
		return openapi.SampleAuth{}
	case places.Bearer:
		return openapi.SampleAuth{In: "bearer"}
	case places.Header != "":
		return openapi.SampleAuth{In: "header", Name: places.Header}
	case places.Query != "":
		return openapi.SampleAuth{In: "query", Name: places.Query}
	}
	return openapi.SampleAuth{}
}

// firstCall shows how to call the operation that is best to begin with, in
// curl. An empty key is $PORTICO_KEY. It is nil when there is none to show.
func (p *portal) firstCall(ctx context.Context, r *reader, provider string, v manager.OfferedVersion, lines []manager.OperationLine, key string) *sampleView {
	return p.call(ctx, r, provider, v, lines, func(ref openapi.Reference, target openapi.SampleTarget, public bool) (openapi.CodeSample, bool) {
		target.Auth, target.Key = sampleAuth(v.Credentials, public), key
		return openapi.Samples(ref, target)[0], true
	}, "")
}

// call is firstCall as it is written by write, which may find that it cannot.
func (p *portal) call(ctx context.Context, r *reader, provider string, v manager.OfferedVersion, lines []manager.OperationLine, write func(ref openapi.Reference, target openapi.SampleTarget, public bool) (openapi.CodeSample, bool), note string) *sampleView {
	line, ok := firstOperation(lines)
	if !ok || v.URL == "" {
		return nil
	}
	ref, _, err := p.Catalog.OfferedReference(ctx, r.Actor, r.Tenant.ID, v.Version, line.Operation)
	if err != nil {
		return nil // the page is whole without it
	}
	sample, ok := write(ref, openapi.SampleTarget{BaseURL: v.URL, Says: says(v.Asks)}, line.Public)
	if !ok {
		return nil
	}
	s := &sampleView{
		Title: title(line), Tokens: sample.Tokens, Note: note,
		URL: operationLink(provider, v.API.Slug, v.Label, slug(line)),
	}
	if e := answerExample(ref); e != nil {
		e.Text = head(e.Text, mostAnswerLines)
		s.Answer = exampleTokens(e)
	}
	return s
}

// productSample is the first call of a product's first API, in one of the
// environments that a key or a subscription is for, and the address of that
// API's reference.
func (p *portal) productSample(ctx context.Context, r *reader, provider, product, key string, only []string) (sample *sampleView, reference string) {
	offer, err := p.Catalog.Offer(ctx, r.Actor, r.Tenant.ID, provider, product)
	if err != nil {
		return nil, "" // no longer listed: the subscription's page is whole without it
	}
	for _, v := range offer.Versions {
		if reference == "" {
			reference = referenceLink(provider, v.API.Slug, v.Label)
		}
		lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, v.Version)
		if err != nil {
			continue
		}
		v = in(v, preferred(v, only))
		if s := p.firstCall(ctx, r, provider, v, lines, key); s != nil {
			if key == "" && len(v.Places) > 1 {
				s.Note = keyNote(v)
			}
			return s, reference
		}
	}
	return nil, reference
}

// mostAnswerLines is how much of an example stands under a first call.
const mostAnswerLines = 7

// head returns the first lines of a text, with a sign where it goes on.
func head(text string, most int) string {
	lines := strings.Split(text, "\n")
	if len(lines) <= most {
		return text
	}
	return strings.Join(lines[:most], "\n") + "\n  …"
}

// listing writes code with its colours and nothing around it.
func listing(id string, tokens []openapi.Token) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		b := []byte(`<pre tabindex="0"><code id="` + templ.EscapeString(id) + `">`)
		for _, t := range tokens {
			text := templ.EscapeString(t.Text)
			if t.Class == "" {
				b = append(b, text...)
				continue
			}
			b = append(b, `<span class="`...)
			b = append(b, templ.EscapeString(t.Class)...)
			b = append(b, `">`...)
			b = append(b, text...)
			b = append(b, `</span>`...)
		}
		b = append(b, `</code></pre>`...)
		_, err := w.Write(b)
		return err
	})
}
