package policy

import (
	"context"
	"net/http"

	"portico/internal/entry"
	"portico/internal/entry/xmljson"
)

// xmlJSONStep is the policy "xml_json", as far as it concerns the request: its
// body is turned, and the upstream is asked for what xmlJSONAnswer reads.
type xmlJSONStep struct {
	config     entry.XMLJSON
	convention *xmljson.Convention
	limit      int64
	answer     *xmlJSONAnswer // nil where answers stay as they are
}

func newXMLJSONStep(p *entry.XMLJSON) Step {
	s := &xmlJSONStep{config: *p, convention: xmljson.New(p.Root, p.Arrays), limit: p.MaxBytes}
	if s.limit == 0 {
		s.limit = entry.JSONBodyMaxBytes
	}
	if s.config.XMLType == "" {
		s.config.XMLType = "application/xml"
	}
	if p.Answer == entry.ToXML || p.Answer == entry.ToJSON {
		root := p.AnswerRoot
		if root == "" {
			root = p.Root
		}
		s.answer = &xmlJSONAnswer{s, xmljson.New(root, p.Arrays)}
	}
	return s
}

// Run implements Step.
func (s *xmlJSONStep) Run(_ context.Context, ex *Exchange) error {
	if s.answer != nil {
		ex.AskPlain()
	}
	if leavesGRPC(ex) || ex.Upgrade != "" {
		return nil
	}
	if s.answer != nil {
		if s.config.Answer == entry.ToJSON {
			ex.askMedia(s.config.XMLType)
		} else {
			ex.askMedia("application/json")
		}
	}
	if !hasBody(ex) || s.config.Request != entry.ToXML && s.config.Request != entry.ToJSON {
		return nil
	}
	if !s.reads(s.config.Request, &ex.Header) {
		if s.config.OtherTypes == "pass" {
			return nil
		}
		want := "JSON here. Send Content-Type: application/json"
		if s.config.Request == entry.ToJSON {
			want = "XML here. Send Content-Type: " + s.config.XMLType
		}
		return &Denied{
			Status: http.StatusUnsupportedMediaType, Code: "media_type_not_supported",
			Detail: "This API reads bodies of " + want + " and a body of that type.",
		}
	}
	data, err := wholeRequest(ex, s.limit)
	if err != nil || len(data) == 0 {
		return err
	}
	if data, err = s.turn(s.config.Request, s.convention, data); err != nil {
		return unreadableBody(err.Error())
	}
	replaceBody(ex, data)
	ex.Header.Set("Content-Type", s.writes(s.config.Request))
	return nil
}

func (s *xmlJSONStep) explain(ex *Exchange) string {
	if !hasBody(ex) {
		return "no body"
	}
	return "the body that goes on is of " + mediaType(&ex.Header) + ", " + bytesText(ex.BodyLength)
}

// reads reports whether a body is what is to be turned.
func (s *xmlJSONStep) reads(way string, h *Header) bool {
	media := mediaType(h)
	if way == entry.ToJSON {
		return FoldEqual(media, "application/xml") || FoldEqual(media, "text/xml") || hasSuffixFold(media, "+xml")
	}
	return isJSON(media)
}

func (s *xmlJSONStep) writes(way string) string {
	if way == entry.ToJSON {
		return "application/json"
	}
	return s.config.XMLType
}

func (s *xmlJSONStep) turn(way string, convention *xmljson.Convention, data []byte) ([]byte, error) {
	if way == entry.ToJSON {
		return convention.JSON(data, int(s.limit))
	}
	return convention.XML(data, int(s.limit))
}

// besides implements accompanied.
func (s *xmlJSONStep) besides() (entry.Stage, Step) {
	if s.answer == nil {
		return "", nil
	}
	return entry.Answer, s.answer
}

// xmlJSONAnswer turns answers.
type xmlJSONAnswer struct {
	*xmlJSONStep
	convention *xmljson.Convention
}

// Answer implements Answerer.
func (s *xmlJSONAnswer) Answer(_ context.Context, ex *Exchange) error {
	a, way := &ex.Answer, s.config.Answer
	if ex.Code != "" || !changeable(ex) || !s.reads(way, &a.Header) {
		return nil
	}
	if ex.Method == http.MethodHead {
		a.Length = -1 // nobody knows how long the body would be
		remade(ex)
		a.Header.Set("Content-Type", s.writes(way))
		return nil
	}
	data, whole, err := wholeAnswer(ex, s.limit)
	if err == nil && len(data) > 0 {
		if data, err = s.turn(way, s.convention, data); err == nil {
			replaceAnswer(ex, data)
			a.Header.Set("Content-Type", s.writes(way))
			return nil
		}
		data = []byte{} // the answer still has what was read
	}
	if err == nil || s.config.Unreadable == "pass" && (!whole || data != nil) {
		return nil
	}
	return unreadableAnswer(err)
}
