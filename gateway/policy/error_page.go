package policy

import (
	"context"
	"net/http"
	"slices"

	"portico/internal/entry"
	"portico/internal/entry/render"
	"portico/internal/entry/tree"
)

// maxPage bounds a page that is made.
const maxPage = 256 << 10

// errorPageStep is the policy "error_page".
type errorPageStep struct {
	config           entry.ErrorPage
	statuses         *statuses
	rank             uint8 // of where it is declared
	json, html, text *render.Template
}

// Ranks of pages: the greater one's page is kept.
const (
	ofEnvironment uint8 = iota + 1
	ofAPI
	ofRoute
)

// newErrorPageStep compiles what entry/check has passed.
func newErrorPageStep(p *entry.ErrorPage, at site) Step {
	s := &errorPageStep{config: *p, statuses: newStatuses(p.Statuses), rank: ofAPI}
	switch {
	case at.own:
		s.rank = ofRoute
	case at.route.Operation == "":
		s.rank = ofEnvironment
	}
	if len(p.JSON) > 0 {
		s.json, _ = render.JSON(p.JSON, render.OfProblem)
	}
	if p.HTML != "" {
		s.html, _ = render.HTML(p.HTML, render.OfProblem)
	}
	if p.Text != "" {
		s.text, _ = render.Text(p.Text, render.OfProblem)
	}
	return s
}

// Run implements Step. It is of the stage answer and never asked.
func (s *errorPageStep) Run(context.Context, *Exchange) error { return nil }

// Answer implements Answerer.
func (s *errorPageStep) Answer(_ context.Context, ex *Exchange) error {
	a := &ex.Answer
	if ex.page >= s.rank || a.Tunnel != nil || a.Told != 0 || isGRPC(&ex.Header) || isGRPC(&a.Header) || !s.fits(ex) {
		return nil
	}
	problem := s.problem(ex)
	media, body, err := s.make(ex, problem)
	if err != nil {
		return nil // the answer as it is says more than none
	}
	if ex.page == 0 {
		ex.pageStatus = a.Status
	}
	ex.page = s.rank
	h := &a.Header
	dropDigests(h)
	for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges"} {
		h.Del(name)
	}
	a.Trailer.Reset()
	a.Status = problem.Status
	ex.SetAnswer(body)
	h.Set("Content-Type", media)
	h.Set("X-Content-Type-Options", "nosniff")
	varies(h, "Accept")
	return nil
}

// fits reports whether the answer is one that gets the page. One that has a page
// already is judged by what it was before.
func (s *errorPageStep) fits(ex *Exchange) bool {
	status := ex.Answer.Status
	if ex.page != 0 {
		status = ex.pageStatus
	}
	if !s.statuses.has(status) {
		return false
	}
	if ex.Denied == nil {
		return s.config.Upstream && len(s.config.Codes) == 0
	}
	return len(s.config.Codes) == 0 || slices.Contains(s.config.Codes, ex.Denied.Code)
}

func (s *errorPageStep) problem(ex *Exchange) render.Problem {
	p := render.Problem{
		Status: ex.Answer.Status, Code: "upstream_answered",
		Detail: "The service behind this API could not do what was asked for.", RequestID: ex.RequestID,
	}
	if ex.page != 0 {
		p.Status = ex.pageStatus
	}
	if ex.Denied != nil {
		p.Code, p.Detail = ex.Denied.Code, ex.Denied.Detail
	}
	if s.config.Status != 0 {
		p.Status = s.config.Status
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// make makes the page that the caller likes best.
func (s *errorPageStep) make(ex *Exchange, problem render.Problem) (media string, body []byte, err error) {
	offers := []string{"application/json", "application/problem+json"}
	pages := []*render.Template{s.json, s.json}
	if s.html != nil {
		offers, pages = append(offers, "text/html"), append(pages, s.html)
	}
	if s.text != nil {
		offers, pages = append(offers, "text/plain"), append(pages, s.text)
	}
	choice := max(accepted(&ex.Header, offers...), 0)
	page := pages[choice]
	if page == nil {
		body, err = problemJSON(ex, problem)
		return "application/problem+json", body, err
	}
	in := inputsOf(ex, page)
	in.Problem = problem
	if choice < 2 {
		body, err = page.Append(nil, in, maxPage)
		return "application/json", body, err
	}
	text, err := page.String(in, maxPage)
	return offers[choice] + "; charset=utf-8", []byte(text), err
}

// problemJSON is the gateway's own form of a problem. Members that it has beside
// those of every problem stay.
func problemJSON(ex *Exchange, p render.Problem) ([]byte, error) {
	members := map[string]any{"type": "about:blank"}
	if ex.Denied != nil && ex.page == 0 && FoldEqual(mediaType(&ex.Answer.Header), "application/problem+json") {
		if data, err := ex.WholeAnswer(maxPage); err == nil {
			if v, err := tree.Decode(data); err == nil {
				if own, ok := v.(map[string]any); ok {
					members = own
				}
			}
		}
	}
	members["title"], members["status"], members["detail"], members["code"], members["request_id"] = p.Title, p.Status, p.Detail, p.Code, p.RequestID
	return tree.Append(nil, members, maxPage)
}

// varies adds a name to Vary.
func varies(h *Header, name string) {
	value, ok := h.Value("Vary")
	switch {
	case !ok:
		h.Set("Vary", name)
	case value != "*" && !FoldEqual(value, name):
		h.Set("Vary", value+", "+name)
	}
}
