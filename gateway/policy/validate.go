package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"portico/gateway/coding"
	"portico/gateway/contract"
	"portico/internal/entry"
)

// Reported counts what validation has found and let pass. The zero value is
// ready.
type Reported struct{ requests, answers [Shards]reportedShard }

type reportedShard struct {
	n atomic.Uint64
	_ [56]byte // to a cache line
}

// Counts returns how many requests and answers were not as their document says,
// and passed.
func (r *Reported) Counts() (requests, answers uint64) {
	for i := range r.requests {
		requests += r.requests[i].n.Load()
		answers += r.answers[i].n.Load()
	}
	return requests, answers
}

// validateStep is the policy "validate".
type validateStep struct {
	contract *contract.Contract
	request  string // "refuse", "report" or "off"
	answer   string
	pass     bool // larger bodies pass
	most     int64
	how      contract.Strictness
	reported *Reported // nil: nobody counts
}

// defaultValidated is how large a body is read to be validated, where a policy
// does not say.
const defaultValidated = 1 << 20

func newValidateStep(v entry.Validate, c *contract.Contract, reported *Reported) Step {
	if c == nil {
		return undescribedStep{}
	}
	s := &validateStep{
		contract: c, request: orText(v.Request, "refuse"), answer: orText(v.Answer, "off"), pass: v.Large == "pass",
		most: v.MaxBytes, how: contract.Strictness{Unknown: v.RefuseUnknown, Directed: v.Strict}, reported: reported,
	}
	if s.most == 0 {
		s.most = defaultValidated
	}
	if s.answer == "off" {
		return s
	}
	return &validateBothStep{s}
}

// undescribedStep refuses every call of a route that has nothing to be held to.
// What is published has.
type undescribedStep struct{}

// Run implements Step.
func (undescribedStep) Run(context.Context, *Exchange) error {
	return errors.New("the route's contract is missing")
}

// Run implements Step.
func (s *validateStep) Run(_ context.Context, ex *Exchange) error {
	if s.request == "off" {
		return nil
	}
	wrong := s.contract.Parameters(head{ex}, s.how)
	status := http.StatusBadRequest
	if len(wrong) < contract.MaxErrors && !leavesGRPC(ex) {
		more, known, err := s.body(ex)
		if err != nil {
			return err
		}
		if !known && len(wrong) == 0 {
			status = http.StatusUnsupportedMediaType
		}
		if wrong = append(wrong, more...); len(wrong) > contract.MaxErrors {
			wrong = wrong[:contract.MaxErrors]
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	ex.Wrong = wrong
	if s.request == "report" {
		if s.reported != nil {
			s.reported.requests[ex.Shard%Shards].n.Add(1)
		}
		return nil
	}
	denied := &Denied{
		Status: status, Code: "request_invalid", Errors: wrong,
		Detail: "The request is not as the API's document says: " + wrong[0].String() + ". Correct what \"errors\" lists and send it again.",
	}
	if status == http.StatusUnsupportedMediaType {
		denied.Code = "media_type_not_supported"
		denied.Detail = "The API's document describes no request body of this Content-Type. Send one of those that it names."
	}
	return denied
}

// body holds the request's to the contract. It reads it only where it is looked
// at.
func (s *validateStep) body(ex *Exchange) (wrong []contract.Wrong, known bool, err error) {
	if !s.contract.HasBody() || ex.Upgrade != "" {
		return nil, true, nil
	}
	contentType, _ := ex.Header.Value("Content-Type")
	if ex.Body == nil || ex.BodyLength == 0 {
		wrong, known = s.contract.Body(contentType, nil, s.how)
		return wrong, known, nil
	}
	if !s.contract.ChecksBody(contentType) {
		return nil, true, nil
	}
	if ex.BodyLength > s.most {
		return s.tooLarge(), true, nil
	}
	data, whole, err := ex.Body.Peek(s.most)
	if err != nil {
		return nil, true, err
	}
	if !whole {
		return s.tooLarge(), true, nil
	}
	ex.SetBody(data)
	if data, err = decoded(&ex.Header, data, s.most); err != nil {
		if s.pass && errors.Is(err, ErrAnswerTooLarge) {
			return nil, true, nil
		}
		return []contract.Wrong{{In: "body", Reason: "cannot be read: its Content-Encoding is unknown, broken, or hides more than " + bytesText(s.most)}}, true, nil
	}
	wrong, known = s.contract.Body(contentType, data, s.how)
	return wrong, known, nil
}

func (s *validateStep) tooLarge() []contract.Wrong {
	if s.pass {
		return nil
	}
	return []contract.Wrong{{In: "body", Reason: "is larger than the " + bytesText(s.most) + " that are validated"}}
}

// decoded undoes the content codings that a head names, within a limit.
func decoded(h *Header, data []byte, most int64) ([]byte, error) {
	list, known := codingsOf(h)
	switch {
	case !known:
		return nil, errors.New("an unknown content coding")
	case len(list) == 0:
		return data, nil
	}
	source := io.Reader(bytes.NewReader(data))
	for _, c := range list {
		source = coding.Unpack(c, source, coding.Limits{Bytes: most, Ratio: most})
	}
	out, err := io.ReadAll(source)
	if errors.Is(err, coding.ErrTooLarge) {
		err = ErrAnswerTooLarge
	}
	return out, err
}

func (s *validateStep) explain(ex *Exchange) string {
	if s.request == "off" {
		return "requests are not looked at"
	}
	return wrongText(ex.Wrong, "the request is as the document says")
}

func wrongText(wrong []contract.Wrong, none string) string {
	if len(wrong) == 0 {
		return none
	}
	text := strconv.Itoa(len(wrong)) + " wrong"
	for i, w := range wrong {
		if i == 3 {
			return text + "; …"
		}
		// Where and not what: a value may be a secret, a reason names none.
		text += "; " + w.String()
	}
	return text
}

// validateBothStep has a word about the answer as well.
type validateBothStep struct{ *validateStep }

// Run implements Step. An answer must come in a coding that can be undone.
func (s *validateBothStep) Run(ctx context.Context, ex *Exchange) error {
	if s.answer == "refuse" {
		ex.AskWhole() // nobody could tell of a part whether it is as described
	}
	if err := s.validateStep.Run(ctx, ex); err != nil {
		return err
	}
	ex.AskReadable()
	return nil
}

// Answer implements Answerer.
func (s *validateBothStep) Answer(_ context.Context, ex *Exchange) error {
	a := &ex.Answer
	if a.Status < 200 || a.Tunnel != nil || isGRPC(&a.Header) || ex.Code != "" {
		return nil
	}
	began := time.Time{}
	if ex.Explain != nil {
		began = time.Now()
	}
	wrong, err := s.looked(ex)
	if err == nil && len(wrong) > 0 {
		switch {
		case s.answer == "refuse":
			err = &Denied{
				Status: http.StatusBadGateway, Code: "answer_invalid", Errors: wrong,
				Detail: "The API's answer is not as its document says, and was held back. Tell its provider, with the request id.",
			}
		case s.reported != nil:
			s.reported.answers[ex.Shard%Shards].n.Add(1)
		}
	}
	if ex.Explain != nil {
		ex.Explain.Add(string(entry.PolicyValidate), entry.Answer, began, wrongText(wrong, "the answer is as the document says"), err)
	}
	return err
}

func (s *validateBothStep) looked(ex *Exchange) ([]contract.Wrong, error) {
	a := &ex.Answer
	contentType, _ := a.Header.Value("Content-Type")
	bare := a.Body == nil || a.Length == 0 || ex.Method == http.MethodHead || a.Status == http.StatusNoContent || a.Status == http.StatusNotModified
	if a.Status == http.StatusNotModified {
		return nil, nil // it speaks of an answer that was described before
	}
	wrong := s.contract.AnswerHead(a.Status, contentType, bare, a.Header.Joined)
	if bare || len(wrong) >= contract.MaxErrors || !s.contract.ChecksAnswer(a.Status, contentType) || a.Status == http.StatusPartialContent {
		return wrong, nil
	}
	if a.Length > s.most {
		return append(wrong, s.tooLarge()...), nil
	}
	data, err := io.ReadAll(io.LimitReader(a.Body, s.most+1))
	if err != nil {
		return nil, &Denied{
			Status: http.StatusBadGateway, Code: "upstream_unreachable", Cause: err,
			Detail: "The API's answer broke off. Call again.",
		}
	}
	if int64(len(data)) > s.most {
		a.Body = &resumed{Reader: io.MultiReader(bytes.NewReader(data), a.Body), Closer: a.Body}
		return append(wrong, s.tooLarge()...), nil
	}
	ex.SetAnswer(data)
	if data, err = decoded(&a.Header, data, s.most); err != nil {
		if s.pass && errors.Is(err, ErrAnswerTooLarge) {
			return wrong, nil
		}
		return append(wrong, contract.Wrong{In: "body", Reason: "cannot be read: its Content-Encoding is unknown, broken, or hides more than " + bytesText(s.most)}), nil
	}
	if wrong = append(wrong, s.contract.AnswerBody(a.Status, contentType, data, s.how)...); len(wrong) > contract.MaxErrors {
		wrong = wrong[:contract.MaxErrors]
	}
	return wrong, nil
}

// Joined returns the values of all fields of a name, joined by commas.
func (h *Header) Joined(name string) (value string, ok bool) {
	for i := range h.fields {
		if !FoldEqual(h.fields[i].Name, name) {
			continue
		}
		if ok {
			value += "," + h.fields[i].Value
		} else {
			value, ok = h.fields[i].Value, true
		}
	}
	return value, ok
}

// head shows a contract the head of a request.
type head struct{ ex *Exchange }

// PathValue implements contract.Head.
func (h head) PathValue(name string) (string, bool) { return h.ex.Params.Value(name) }

// Query implements contract.Head.
func (h head) Query() string { return h.ex.Query }

// Header implements contract.Head.
func (h head) Header(name string) (string, bool) { return h.ex.Header.Joined(name) }

// Cookies implements contract.Head.
func (h head) Cookies() string {
	all := ""
	for _, f := range h.ex.Header.Fields() {
		if FoldEqual(f.Name, "Cookie") {
			all += f.Value + ";"
		}
	}
	return all
}
