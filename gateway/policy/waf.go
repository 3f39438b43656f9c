package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"portico/gateway/coding"
	"portico/gateway/waf"
	"portico/internal/entry"
)

// wafStep looks at requests by the OWASP Core Rule Set.
type wafStep struct {
	config entry.WAF
	rules  *waf.Set
}

const defaultWAFBody = 1 << 20

func newWAFStep(config entry.WAF, rules *waf.Set) *wafStep {
	if config.MaxBodyBytes == 0 {
		config.MaxBodyBytes = defaultWAFBody
	}
	go func() { _ = rules.Prepare(config.Paranoia) }() // the first request says why it failed
	return &wafStep{config, rules}
}

// Run implements Step. The body of a caller that waits to be asked for it is left
// to wafBodyStep: nobody is asked for one who may turn out to be nobody.
func (s *wafStep) Run(_ context.Context, ex *Exchange) error {
	return s.judge(ex, s.reads(ex) && !ex.Expects)
}

// besides implements accompanied.
func (s *wafStep) besides() (entry.Stage, Step) { return entry.Limit, wafBodyStep{s} }

// wafBodyStep looks at requests whose bodies the step before it did not ask for,
// as a whole, once it is known who calls and that it may.
type wafBodyStep struct{ *wafStep }

// Run implements Step.
func (s wafBodyStep) Run(_ context.Context, ex *Exchange) error {
	if ex.Expects && s.reads(ex) {
		return s.judge(ex, true)
	}
	if ex.Explain != nil {
		ex.Explain.Note = "the request was looked at before"
	}
	return nil
}

// besides implements accompanied: nothing is.
func (wafBodyStep) besides() (entry.Stage, Step) { return "", nil }

// judge refuses what looks like an attack.
func (s *wafStep) judge(ex *Exchange, body bool) error {
	found, score, err := s.look(ex, body)
	if ex.Explain != nil {
		ex.Explain.Note = wafText(found, score, s.config.Threshold)
	}
	switch {
	case err != nil:
		return err
	case score < s.config.Threshold || s.config.Mode != "block":
		return nil
	}
	return &Denied{
		Status: http.StatusForbidden, Code: "request_blocked",
		Detail: "This request looks like an attack and was not passed on. If it is none, tell the API's provider the request id.",
	}
}

// look returns what counts.
func (s *wafStep) look(ex *Exchange, body bool) (found []waf.Finding, score int, err error) {
	r := waf.Request{
		Client: ex.Client.String(), Method: ex.Method, Target: ex.Target, Proto: ex.Proto, Host: ex.Authority,
		Headers: func(add func(name, value string)) {
			for _, f := range ex.Header.Fields() {
				add(f.Name, f.Value)
			}
			switch {
			case ex.BodyLength > 0:
				add("Content-Length", strconv.FormatInt(ex.BodyLength, 10))
			case ex.BodyLength < 0:
				add("Transfer-Encoding", "chunked")
			case ex.Method == http.MethodPost || ex.Method == http.MethodPut || ex.Method == http.MethodPatch:
				add("Content-Length", "0")
			}
		},
	}
	if body {
		if r.Body, err = s.body(ex); err != nil {
			return nil, 0, err
		}
	}
	all, err := s.rules.Look(s.config.Paranoia, &r)
	if err != nil {
		return nil, 0, err
	}
	for _, f := range all {
		if s.counts(f) {
			found, score = append(found, f), score+f.Score
		}
	}
	return found, score, nil
}

// body returns the request's as its reader will see it: an attack that is packed
// is one too. What cannot be unpacked is refused, or in the mode observe looked at
// as it came.
func (s *wafStep) body(ex *Exchange) ([]byte, error) {
	data, err := ex.Body.Whole(s.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	list, known := codingsOf(&ex.Header)
	if known && len(list) == 0 {
		return data, nil
	}
	var plain []byte
	if known {
		source := io.Reader(bytes.NewReader(data))
		for _, c := range list {
			source = coding.Unpack(c, source, coding.Limits{Bytes: s.config.MaxBodyBytes, Ratio: mostRatio})
		}
		plain, err = io.ReadAll(source)
	}
	switch {
	case known && err == nil:
		return plain, nil
	case s.config.Mode != "block":
		return data, nil
	case !known:
		return nil, unknownCoding()
	case errors.Is(err, coding.ErrTooLarge):
		return nil, TooLarge(s.config.MaxBodyBytes)
	}
	return nil, BadRequest("The request's body is not packed as its Content-Encoding says, or not whole.")
}

// reads reports whether the body is looked at.
func (s *wafStep) reads(ex *Exchange) bool {
	if s.config.SkipBody || ex.Body == nil || ex.Upgrade != "" {
		return false
	}
	return !leavesGRPC(ex)
}

func (s *wafStep) counts(f waf.Finding) bool {
	if slices.Contains(s.config.ExcludeRules, f.Rule) {
		return false
	}
	if len(f.Arguments) == 0 {
		return true
	}
	return slices.ContainsFunc(f.Arguments, func(name string) bool { return !slices.Contains(s.config.ExcludeArguments, name) })
}

// wafText says what was found. Values are left out: they may be secrets.
func wafText(found []waf.Finding, score, threshold int) string {
	text := "score " + strconv.Itoa(score) + " of " + strconv.Itoa(threshold)
	for i, f := range found {
		if i == 5 {
			return text + ", and " + strconv.Itoa(len(found)-i) + " more"
		}
		text += ", " + strconv.Itoa(f.Rule) + " " + f.Message
		for _, name := range f.Arguments {
			text += " in " + name
		}
	}
	return text
}

func (s *wafStep) explain(ex *Exchange) string { return ex.Explain.Note }
