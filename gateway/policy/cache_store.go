package policy

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"portico/gateway/cache"
)

// answerHead is what the head of an answer says that concerns a cache.
type answerHead struct {
	control    cache.Control
	date       time.Time // when it was made; that of its arrival where it says none
	age        time.Duration
	doubtful   bool // how old it is cannot be told
	expires    time.Time
	expiresSet bool
	vary       []string // lower case
	etag       string
	modified   string
	unfit      bool // not to be stored for another reason
	shown      string
	coded      bool
	arrived    time.Time
}

func (s *cacheStep) head(ex *Exchange, now int64) *answerHead {
	h := &answerHead{arrived: ex.Now.Add(time.Duration(now - ex.Mono))}
	h.Reset(ex.Answer.Header.Fields())
	return h
}

// Reset reads the fields anew.
func (h *answerHead) Reset(fields []Field) {
	*h = answerHead{arrived: h.arrived, date: h.arrived, control: cache.NewControl()}
	aged := false
	for _, f := range fields {
		switch {
		case FoldEqual(f.Name, "Cache-Control"):
			h.control.Add(f.Value)
		case FoldEqual(f.Name, "Date"):
			if t, err := http.ParseTime(f.Value); err == nil {
				h.date = t
			}
		case FoldEqual(f.Name, "Age"):
			d := cache.Seconds(f.Value) // a list is doubtful too, though RFC 9111 section 5.1 would have its first
			h.doubtful = h.doubtful || d == cache.Unsaid || aged
			aged, h.age = true, max(d, 0)
		case FoldEqual(f.Name, "Expires"):
			t, err := http.ParseTime(f.Value)
			if err != nil || h.expiresSet && t.After(h.expires) {
				t = time.Time{}
			}
			h.expires, h.expiresSet = t, true
		case FoldEqual(f.Name, "Vary"):
			for name := range strings.SplitSeq(f.Value, ",") {
				if name = strings.ToLower(strings.Trim(name, " \t")); name != "" {
					h.vary = append(h.vary, name)
				}
			}
		case FoldEqual(f.Name, "ETag"):
			h.etag = f.Value
		case FoldEqual(f.Name, "Last-Modified"):
			h.modified = f.Value
		case FoldEqual(f.Name, "Set-Cookie"):
			h.unfit = true
		case FoldEqual(f.Name, "Content-Type"):
			kind, _, _ := strings.Cut(strings.ToLower(f.Value), ";")
			kind = strings.Trim(kind, " \t")
			h.unfit = h.unfit || kind == "text/event-stream" || kind == "multipart/x-mixed-replace" || strings.HasPrefix(kind, GRPC)
		case FoldEqual(f.Name, "Content-Encoding"):
			h.coded = true
		case FoldEqual(f.Name, "Access-Control-Allow-Origin"):
			h.shown = f.Value
		}
	}
}

// byDefault tells the statuses that may be kept though they do not say so
// (RFC 9110 section 15.1).
func byDefault(status int) bool {
	switch status {
	case http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNoContent, http.StatusMultipleChoices, http.StatusMovedPermanently,
		http.StatusPermanentRedirect, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusRequestURITooLong, http.StatusNotImplemented:
		return true
	}
	return false
}

// storable returns what is to be stored of the upstream's answer, but for its
// body; nil for nothing (RFC 9111 section 3).
func (s *cacheStep) storable(ex *Exchange, now int64) *cache.Answer {
	c, a := &ex.cached, &ex.Answer
	switch a.Status {
	case http.StatusPartialContent, http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
		return nil
	}
	if a.Local || a.Tunnel != nil || a.Told != 0 || a.Status < 200 || a.Length > s.limit || len(a.Trailer.Fields()) > 0 {
		return nil
	}
	h := s.head(ex, now)
	control := &h.control
	understood := control.MustUnderstand && http.StatusText(a.Status) != ""
	switch {
	case h.unfit, control.Private, control.NoStore && !understood, control.MustUnderstand && !understood, slices.Contains(h.vary, "*"):
		return nil
	case c.asked.authorization && !control.Public && control.SMaxAge < 0 && !control.MustRevalidate:
		return nil
	}
	made := &cache.Answer{Status: a.Status, Path: strings.Clone(ex.Path.Wire)}
	made.Tags = takeTags(&a.Header, made.Tags)
	dated := false
	for _, f := range a.Header.Fields() {
		if Hop(f.Name) || FoldEqual(f.Name, "Age") || FoldEqual(f.Name, "Cache-Status") || FoldEqual(f.Name, "X-Request-Id") {
			continue
		}
		dated = dated || FoldEqual(f.Name, "Date")
		made.Fields = append(made.Fields, cache.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
	}
	if !dated {
		made.Fields = append(made.Fields, cache.Field{Name: "Date", Value: h.arrived.UTC().Format(http.TimeFormat)})
	}
	s.describe(made, h, ex, now)
	if made.Fresh == 0 && made.ETag == "" && made.Modified == "" {
		return nil
	}
	if !s.lasts(h, a.Status) {
		return nil
	}
	return made
}

// lasts reports whether an answer says, or the policy, for how long it is fresh;
// or may be validated at each use.
func (s *cacheStep) lasts(h *answerHead, status int) bool {
	c := &h.control
	return c.SMaxAge >= 0 || c.MaxAge >= 0 || h.expiresSet || c.NoCache && (h.etag != "" || h.modified != "") ||
		s.config.DefaultTTLMS > 0 && byDefault(status) && (!c.Any || c.Public) ||
		s.guessed(h) > 0 && (c.Public || byDefault(status) && !c.Any)
}

// maxGuess is the longest that an answer counts as fresh because of its age.
const maxGuess = 24 * time.Hour

// guessed returns for how long an answer that does not say so is fresh, going by
// how long it had been as it is (RFC 9111 section 4.2.2); 0 for no guess.
func (s *cacheStep) guessed(h *answerHead) time.Duration {
	if s.config.HeuristicPercent == 0 {
		return 0
	}
	modified, err := http.ParseTime(h.modified)
	if err != nil || !modified.Before(h.date) {
		return 0
	}
	return min(h.date.Sub(modified)/100*time.Duration(s.config.HeuristicPercent), maxGuess)
}

// describe fills in what a stored answer's head means.
func (s *cacheStep) describe(a *cache.Answer, h *answerHead, ex *Exchange, now int64) {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	c := &h.control
	a.Taken = now
	a.InitialAge = max(h.arrived.Sub(h.date), h.age+ex.Waited, 0)
	if h.age == 0 && a.InitialAge < time.Second { // Date has no fractions
		a.InitialAge = 0
	}
	a.Fresh = ms(s.config.DefaultTTLMS)
	switch {
	case c.SMaxAge >= 0:
		a.Fresh = c.SMaxAge
	case c.MaxAge >= 0:
		a.Fresh = c.MaxAge
	case h.expiresSet:
		a.Fresh = max(h.expires.Sub(h.date), 0)
	default:
		if guess := s.guessed(h); guess > 0 {
			a.Fresh = guess
		}
	}
	if limit := ms(s.config.MaxTTLMS); limit > 0 {
		a.Fresh = min(a.Fresh, limit)
	}
	if h.doubtful {
		a.Fresh = 0
	}
	a.Validate = c.NoCache
	a.Strict = c.MustRevalidate || c.ProxyRevalidate
	a.StaleWhile, a.StaleIf = max(c.StaleWhile, 0), max(c.StaleIf, 0)
	if c.SMaxAge < 0 { // it asks to be validated, unless the answer itself says more
		if c.StaleWhile < 0 {
			a.StaleWhile = ms(s.config.StaleWhileRevalidateMS)
		}
		if c.StaleIf < 0 {
			a.StaleIf = ms(s.config.StaleIfErrorMS)
		}
	} else if c.StaleWhile < 0 && c.StaleIf < 0 {
		a.Strict = true
	}
	a.ETag, a.Modified, a.ModifiedTime = strings.Clone(h.etag), strings.Clone(h.modified), h.date
	if t, err := http.ParseTime(h.modified); err == nil {
		a.ModifiedTime = t
	} else {
		a.Modified = ""
	}
	a.Vary = s.varied(h, ex.cached.request)
}

// takeTags removes the headers that name an answer for purges, and appends the
// names.
func takeTags(h *Header, tags []string) []string {
	const most = 64
	found := false
	for _, f := range h.Fields() {
		if !FoldEqual(f.Name, "Cache-Tag") && !FoldEqual(f.Name, "Surrogate-Key") {
			continue
		}
		found = true
		for tag := range strings.FieldsFuncSeq(f.Value, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
			if len(tags) < most && len(tag) <= 256 {
				tags = append(tags, strings.Clone(tag))
			}
		}
	}
	if found {
		h.Del("Cache-Tag")
		h.Del("Surrogate-Key")
	}
	return tags
}

// merged returns stored fields as a 304 has updated them (RFC 9111 section 3.2).
func merged(old []cache.Field, fields []Field) []cache.Field {
	replaced := func(name string) bool {
		return !Hop(name) && !FoldEqual(name, "Content-Length") && !FoldEqual(name, "Content-Encoding") && !FoldEqual(name, "ETag") && !FoldEqual(name, "Content-MD5") &&
			!FoldEqual(name, "Content-Range") && !FoldEqual(name, "Age") && !FoldEqual(name, "Cache-Status") && !FoldEqual(name, "X-Request-Id") &&
			!FoldEqual(name, "Set-Cookie") && !FoldEqual(name, "Cache-Tag") && !FoldEqual(name, "Surrogate-Key")
	}
	var out []cache.Field
	for _, f := range old {
		if !replaced(f.Name) || !slices.ContainsFunc(fields, func(g Field) bool { return FoldEqual(f.Name, g.Name) }) {
			out = append(out, f)
		}
	}
	for _, f := range fields {
		if replaced(f.Name) || FoldEqual(f.Name, "ETag") && !slices.ContainsFunc(old, func(g cache.Field) bool { return FoldEqual(f.Name, g.Name) }) {
			out = append(out, cache.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
		}
	}
	return out
}

func fieldsOf(fields []cache.Field) []Field {
	out := make([]Field, len(fields))
	for i, f := range fields {
		out[i] = Field(f)
	}
	return out
}
