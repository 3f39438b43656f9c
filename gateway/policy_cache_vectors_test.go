package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

// cacheVector is one of the http-cache-tests, see testdata/http-cache-tests.
type cacheVector struct {
	ID, Suite, Name string
	Kind            string // "required", "optimal" or, of what caches may do either way, "check"
	Requests        []cacheVectorStep
}

// cacheVectorStep is a request, the origin's answer, and what comes of them.
type cacheVectorStep struct {
	Setup      bool
	SetupTests []string `json:"setup_tests"` // the expectations that others depend on
	PauseAfter bool     `json:"pause_after"` // for three seconds

	Filename       string
	QueryArg       string        `json:"query_arg"`
	RequestMethod  string        `json:"request_method"`
	RequestHeaders []vectorField `json:"request_headers"`
	RequestBody    string        `json:"request_body"`
	MagicIMS       bool          `json:"magic_ims"` // If-Modified-Since counts from the answer before

	ResponseStatus  []any         `json:"response_status"`
	ResponseHeaders []vectorField `json:"response_headers"`
	ResponseBody    *string       `json:"response_body"`
	Disconnect      bool
	MagicLocations  bool     `json:"magic_locations"`
	RFC850Date      []string `json:"rfc850date"`

	ExpectedType           string          `json:"expected_type"`
	ExpectedStatus         int             `json:"expected_status"`
	ExpectedHeaders        []vectorField   `json:"expected_response_headers"`
	ExpectedMissing        []vectorField   `json:"expected_response_headers_missing"`
	ExpectedText           json.RawMessage `json:"expected_response_text"`
	CheckBody              *bool           `json:"check_body"`
	ExpectedMethod         string          `json:"expected_method"`
	ExpectedRequestHeaders []vectorField   `json:"expected_request_headers"`
}

// vectorField is a name, or a name with a value; what stands after that depends on
// whose it is. Times are numbers, of seconds from now.
type vectorField []any

// UnmarshalJSON implements json.Unmarshaler.
func (f *vectorField) UnmarshalJSON(raw []byte) error {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		*f = vectorField{name}
		return nil
	}
	return json.Unmarshal(raw, (*[]any)(f))
}

func (f vectorField) name() string { return f[0].(string) }

// value returns the second part as it is written.
func (f vectorField) value(s *cacheVectorStep, now time.Time, base string) string {
	folded := strings.ToLower(f.name())
	if seconds, ok := f[1].(float64); ok {
		at := now.Add(time.Duration(seconds) * time.Second).UTC()
		if slices.Contains(s.RFC850Date, folded) {
			return at.Format("Monday, 02-Jan-06 15:04:05 GMT")
		}
		return at.Format(http.TimeFormat)
	}
	text := f[1].(string)
	if s.MagicLocations && (folded == "location" || folded == "content-location") {
		if text == "" {
			return base
		}
		return base + "/" + text
	}
	return text
}

// vectorOrigin is the server of the tests: it answers as the one under way says.
type vectorOrigin struct {
	listener net.Listener
	time     *clock
	group    sync.WaitGroup

	mu    sync.Mutex
	test  *cacheVector
	token string
	seen  []vectorCall
	conns map[net.Conn]bool
}

// vectorCall is what the origin saw of a call, and what it answered that is to
// come to the caller.
type vectorCall struct {
	number int
	method string
	header http.Header
	saved  http.Header
}

func newVectorOrigin(t *testing.T, time *clock) *vectorOrigin {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &vectorOrigin{listener: listener, time: time, conns: map[net.Conn]bool{}}
	o.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.conns[conn] = true
			o.mu.Unlock()
			o.group.Go(func() { o.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		o.mu.Lock()
		for conn := range o.conns {
			_ = conn.Close()
		}
		o.mu.Unlock()
		o.group.Wait()
	})
	return o
}

// begin makes a test the one under way.
func (o *vectorOrigin) begin(test *cacheVector, token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.test, o.token, o.seen = test, token, nil
}

// calls returns what the origin has seen of the test under way.
func (o *vectorOrigin) calls() []vectorCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.seen)
}

func (o *vectorOrigin) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		o.mu.Lock()
		delete(o.conns, conn)
		o.mu.Unlock()
	}()
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		answer := o.answer(req)
		if answer == "" {
			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// answer writes it, as the tests' own server does; "" to break off.
func (o *vectorOrigin) answer(req *http.Request) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	number, _ := strconv.Atoi(req.Header.Get("Req-Num"))
	if number == 0 {
		number = len(o.seen) + 1
	}
	if !strings.Contains(req.URL.Path, o.token) || number > len(o.test.Requests) {
		return "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n"
	}
	s, now := &o.test.Requests[number-1], o.time.now()
	status := http.StatusOK
	if len(s.ResponseStatus) > 0 {
		status = int(s.ResponseStatus[0].(float64))
	}
	if strings.HasSuffix(s.ExpectedType, "validated") {
		status = 999 // "304 not generated"
		for _, f := range o.test.Requests[number-2].ResponseHeaders {
			switch strings.ToLower(f.name()) {
			case "last-modified":
				if req.Header.Get("If-Modified-Since") == o.seen[len(o.seen)-1].saved.Get("Last-Modified") {
					status = http.StatusNotModified
				}
			case "etag":
				if req.Header.Get("If-None-Match") == f[1] {
					status = http.StatusNotModified
				}
			}
		}
	}
	call := vectorCall{number, req.Method, req.Header, http.Header{}}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d Text\r\n", status)
	fmt.Fprintf(&b, "Server-Base-Url: %s\r\nServer-Request-Count: %d\r\nServer-Now: %d\r\n", req.URL.RequestURI(), len(o.seen)+1, now.UnixMilli())
	told := map[string]bool{}
	for _, f := range s.ResponseHeaders {
		value := f.value(s, now, req.URL.RequestURI())
		fmt.Fprintf(&b, "%s: %s\r\n", f.name(), value)
		told[strings.ToLower(f.name())] = true
		if len(f) < 3 || f[2] == true {
			call.saved.Add(f.name(), value)
		}
	}
	o.seen = append(o.seen, call)
	if !told["content-type"] {
		b.WriteString("Content-Type: text/plain\r\n")
	}
	if !told["date"] {
		fmt.Fprintf(&b, "Date: %s\r\n", now.UTC().Format(http.TimeFormat))
	}
	b.WriteString("Request-Numbers:")
	for _, c := range o.seen {
		fmt.Fprintf(&b, " %d", c.number)
	}
	b.WriteString("\r\n")
	body := o.token
	if s.ResponseBody != nil {
		body = *s.ResponseBody
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		body = ""
	} else if !told["content-length"] && !told["transfer-encoding"] {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	if s.Disconnect {
		return ""
	}
	b.WriteString("\r\n")
	if req.Method != http.MethodHead {
		b.WriteString(body)
	}
	return b.String()
}

// vectorFault is why a test does not hold. Where it is of the setting up, the test
// says nothing.
type vectorFault struct {
	setup bool
	text  string
}

func (f vectorFault) Error() string {
	if f.setup {
		return "setting up: " + f.text
	}
	return f.text
}

// expect returns a fault unless something holds.
func (s *cacheVectorStep) expect(what string, holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return vectorFault{what == "" || s.Setup || slices.Contains(s.SetupTests, what), fmt.Sprintf(format, args...)}
}

// try runs a test through a node.
func (v *cacheVector) try(t *testing.T, r *running, o *vectorOrigin, token string) error {
	o.begin(v, token)
	var answers []reply
	for i := range v.Requests {
		s := &v.Requests[i]
		path := "/demo/orders/v1/test/" + token
		if s.Filename != "" {
			path += "/" + s.Filename
		}
		if s.QueryArg != "" {
			path += "?" + s.QueryArg
		}
		method, headers := "GET", []string{"Req-Num: " + strconv.Itoa(i+1), "Test-ID: " + v.ID}
		if s.RequestMethod != "" {
			method = s.RequestMethod
		}
		now := o.time.now()
		if i > 0 && s.MagicIMS {
			if ms, err := strconv.ParseInt(answers[i-1].header.Get("Server-Now"), 10, 64); err == nil {
				now = time.UnixMilli(ms)
			}
		}
		for _, f := range s.RequestHeaders {
			headers = append(headers, f.name()+": "+f.value(s, now, ""))
		}
		got := r.call(t, method, path, s.RequestBody, headers...)
		answers = append(answers, got)
		if err := s.answered(i+1, got, token, method); err != nil {
			return err
		}
		if s.PauseAfter {
			o.time.pass(3 * second)
		}
	}
	return v.asked(answers, o.calls())
}

// answered tells whether an answer is the one that is expected.
func (s *cacheVectorStep) answered(number int, got reply, token, method string) error {
	count, err := strconv.Atoi(got.header.Get("Server-Request-Count"))
	counted := err == nil
	var seen []string
	for n := range strings.FieldsSeq(got.header.Get("Request-Numbers")) {
		if slices.Contains(seen, n) {
			return vectorFault{true, "retry"}
		}
		seen = append(seen, n)
	}
	var faults []error
	check := func(what string, holds bool, format string, args ...any) {
		if err := s.expect(what, holds, format, args...); err != nil {
			faults = append(faults, err)
		}
	}
	if _, ours := got.header["Server-Now"]; !ours && got.status >= http.StatusInternalServerError && got.status != s.ExpectedStatus {
		check(map[bool]string{true: "", false: "expected_type"}[s.ExpectedType != "not_cached"], false, "answer %d is the gateway's: %d", number, got.status)
	}
	switch s.ExpectedType {
	case "cached":
		check("expected_type", got.status == http.StatusNotModified && !counted || counted && count < number, "answer %d does not come from the cache", number)
	case "not_cached":
		check("expected_type", count == number, "answer %d comes from the cache", number)
	}
	switch {
	case s.ExpectedStatus != 0:
		check("expected_status", got.status == s.ExpectedStatus, "answer %d: status %d, want %d", number, got.status, s.ExpectedStatus)
	case len(s.ResponseStatus) > 0:
		check("", float64(got.status) == s.ResponseStatus[0], "answer %d: status %d, want %v", number, got.status, s.ResponseStatus[0])
	case got.status == 999:
		check("expected_type", false, "request %d should have been conditional", number)
	default:
		check("", got.status == http.StatusOK, "answer %d: status %d, want 200", number, got.status)
	}
	for _, f := range s.ExpectedHeaders {
		value, there := got.all(f.name())
		switch {
		case len(f) == 1:
			check("expected_response_headers", there, "answer %d has no %s", number, f.name())
		case len(f) > 2 && f[1] == "=":
			other, _ := got.all(f[2].(string))
			check("expected_response_headers", there && value == other, "answer %d: %s is %q, want %q", number, f.name(), value, other)
		case len(f) > 2:
			n, err := strconv.ParseFloat(value, 64)
			check("expected_response_headers", err == nil && n > f[2].(float64), "answer %d: %s is %q, want more than %v", number, f.name(), value, f[2])
		default:
			ms, _ := strconv.ParseInt(got.header.Get("Server-Now"), 10, 64)
			want := f.value(s, time.UnixMilli(ms), got.header.Get("Server-Base-Url"))
			check("expected_response_headers", there && value == want, "answer %d: %s is %q, want %q", number, f.name(), value, want)
		}
	}
	for _, f := range s.ExpectedMissing {
		value, there := got.all(f.name())
		check("expected_response_headers_missing", !there || len(f) > 1 && !strings.Contains(value, f[1].(string)), "answer %d has %s: %q", number, f.name(), value)
	}
	want := token
	switch {
	case s.CheckBody != nil && !*s.CheckBody, string(s.ExpectedText) == "null":
		return first(faults)
	case s.ExpectedText != nil:
		_ = json.Unmarshal(s.ExpectedText, &want)
		check("expected_response_text", got.body == want, "answer %d: body %q, want %q", number, got.body, want)
	case s.ResponseBody != nil:
		check("", got.body == *s.ResponseBody, "answer %d: body %q, want %q", number, got.body, *s.ResponseBody)
	case got.status != http.StatusNoContent && got.status != http.StatusNotModified && method != http.MethodHead:
		check("", got.body == want, "answer %d: body %q, want %q", number, got.body, want)
	}
	return first(faults)
}

func first(faults []error) error {
	if len(faults) == 0 {
		return nil
	}
	return faults[0]
}

// all returns the values of a header, joined.
func (r reply) all(name string) (value string, there bool) {
	values := r.header.Values(name)
	return strings.Join(values, ", "), len(values) > 0
}

// asked tells whether the origin saw the calls that are expected, and the callers
// what it answered.
func (v *cacheVector) asked(answers []reply, calls []vectorCall) error {
	at := 0
	for i := range v.Requests {
		s, number := &v.Requests[i], i+1
		if s.ExpectedType == "cached" {
			continue
		}
		if at >= len(calls) {
			if err := s.expect("expected_type", s.ExpectedType == "" && s.ExpectedMethod == "" && len(s.ExpectedRequestHeaders) == 0, "request %d did not come to the origin", number); err != nil {
				return err
			}
			continue
		}
		call := calls[at]
		at++
		var faults []error
		check := func(what string, holds bool, format string, args ...any) {
			if err := s.expect(what, holds, format, args...); err != nil {
				faults = append(faults, err)
			}
		}
		switch s.ExpectedType {
		case "not_cached":
			check("expected_type", call.number == number, "answer %d comes from the cache", number)
		case "etag_validated":
			check("expected_type", call.header.Get("If-None-Match") != "", "request %d has no If-None-Match", number)
		case "lm_validated":
			check("expected_type", call.header.Get("If-Modified-Since") != "", "request %d has no If-Modified-Since", number)
		}
		for _, f := range s.ExpectedRequestHeaders {
			value := strings.Join(call.header.Values(f.name()), ", ")
			if len(f) == 1 {
				check("expected_request_headers", value != "", "request %d has no %s", number, f.name())
			} else {
				check("expected_request_headers", value == f[1], "request %d: %s is %q, want %q", number, f.name(), value, f[1])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(call.saved)) {
			got, _ := answers[i].all(name)
			want := strings.Join(call.saved.Values(name), ", ")
			check("", name == "Date" || got == want, "answer %d: %s is %q, want %q", number, name, got, want)
		}
		check("expected_method", s.ExpectedMethod == "" || call.method == s.ExpectedMethod, "request %d: method %s, want %s", number, call.method, s.ExpectedMethod)
		if err := first(faults); err != nil {
			return err
		}
	}
	return nil
}

// otherwise is what some tests do not get, and why.
type otherwise struct {
	ids    []string
	fault  string
	reason string
}

// otherwises lists the tests that do not hold.
func otherwises() []otherwise {
	const fetched, whole = "answer 2 does not come from the cache", "answer 2: status 200, want 304"
	return []otherwise{
		// Required.
		{[]string{"age-parse-prefix"}, fetched, "a list of ages is stale, as the name of this test wants it too, and the tests of 0,0 and 7200,0 do; its data says the contrary"},
		{
			[]string{"stale-close-must-revalidate", "stale-close-proxy-revalidate", "stale-close-no-cache", "stale-close-s-maxage=2"},
			"answer 2 is the gateway's: 502", "the origin breaks off, so that no answer is the one that the test looks for: the right one is a refusal",
		},
		{
			[]string{"headers-store-Set-Cookie"},
			"setting up: " + fetched, "what sets a cookie is for one caller, whatever it says of its freshness",
		},
		{
			[]string{"304-etag-update-response-Set-Cookie"},
			"setting up: answer 2 is the gateway's: 502", "what sets a cookie is not stored, so that there is nothing to be validated",
		},
		{
			[]string{"headers-store-Transfer-Encoding"},
			"setting up: answer 1 is the gateway's: 502", "an answer with a transfer coding that does not exist has no certain end, and is refused",
		},
		// Optimal.
		{[]string{"other-set-cookie"}, fetched, "what sets a cookie is for one caller, whatever it says of its freshness"},
		{[]string{"other-cookie"}, fetched, "an answer may depend on cookies, unless the policy says otherwise (ignore_cookies)"},
		{[]string{"method-POST"}, fetched, "an answer to a POST is made of a body, which is no part of the key"},
		{[]string{"vary-normalise-lang-order"}, fetched, "many upstreams take the order of languages for one of preference (RFC 9110 section 12.5.4)"},
		{[]string{"vary-normalise-space"}, fetched, "of a field that is not known nobody can tell whether white space makes a difference"},
		{[]string{"vary-normalise-lang-select"}, fetched, "which language is the best one is the upstream's to choose: it may have one that was not asked for yet"},
		{[]string{"conditional-lm-fresh-no-lm"}, whole, "the answer is of later than the caller's, so that the caller must get it (RFC 9111 section 4.3.2)"},
		{
			[]string{"partial-store-partial-reuse-partial", "partial-store-partial-reuse-partial-byterange", "partial-store-partial-reuse-partial-absent", "partial-store-partial-reuse-partial-suffix"},
			fetched, "parts are given, but never stored: what is stored is whole, so that nothing is put together of two versions",
		},
		{[]string{"partial-store-partial-complete"}, "request 2: range is", "as no parts are stored, there is none to be completed"},
	}
}

// TestPublicVectorsOfCaches drives the http-cache-tests through a node, one after
// another, on a clock of their own. What does not hold is listed above, with the
// reason; no test is listed without need.
func TestPublicVectorsOfCaches(t *testing.T) {
	raw, err := os.ReadFile("testdata/http-cache-tests/tests.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []cacheVector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	inEachLane(t, func(t *testing.T, lane change) { tryAll(t, lane, vectors) })
}

// tryAll drives all by one lane.
func tryAll(t *testing.T, lane change, vectors []cacheVector) {
	t.Helper()
	o := newVectorOrigin(t, new(clock))
	r := governed(t, func(c *gateway.Config) { lane(c); c.Now = o.time.now }, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = "http://" + o.listener.Addr().String() + "/demo/orders/v1"
		api.Policies = []entry.Policy{{Config: &entry.CachePolicy{Public: true, HeuristicPercent: 10}}}
		api.Routes = nil
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "M-SEARCH"} {
			api.Routes = append(api.Routes, entry.Route{Operation: "test " + method, Method: method, Path: "/test/{rest...}", Upstream: "main", Public: true})
		}
	})
	listed := map[string]otherwise{}
	for _, o := range otherwises() {
		for _, id := range o.ids {
			listed[id] = o
		}
	}
	holds, all := map[string]int{}, map[string]int{}
	for i := range vectors {
		v := &vectors[i]
		err := v.try(t, r, o, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		all[v.Kind]++
		if err == nil {
			holds[v.Kind]++
		}
		if v.Kind == "check" { // caches may do either
			continue
		}
		other, known := listed[v.ID]
		delete(listed, v.ID)
		switch {
		case err == nil && known:
			t.Errorf("%s holds, and is listed as one that does not", v.ID)
		case err != nil && (!known || !strings.HasPrefix(err.Error(), other.fault)):
			t.Errorf("%s, %s (%s: %s): %v", v.ID, v.Kind, v.Suite, v.Name, err)
		case err != nil:
			t.Logf("%s, %s: %v: %s", v.ID, v.Kind, err, other.reason)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("%s is listed, and is no test", id)
	}
	for _, kind := range []string{"required", "optimal", "check"} {
		t.Logf("http-cache-tests 0.4.5, %s: %d of %d", kind, holds[kind], all[kind])
	}
}
