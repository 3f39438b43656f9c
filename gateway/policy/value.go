package policy

import (
	"net/http"
	"strings"

	"portico/internal/entry/value"
)

// maxFilled bounds a text once it is filled in.
const maxFilled = 8 << 10

// fill fills a text in. It holds as long as the exchange.
func (ex *Exchange) fill(v *value.Value) (string, error) {
	switch {
	case len(v.Parts) == 0:
		return "", nil
	case len(v.Parts) == 1 && v.Parts[0].Of == value.Literal:
		return v.Parts[0].Text, nil
	}
	grown, start := ex.Scratch(), len(ex.Scratch())
	for i := range v.Parts {
		if grown = ex.appendPart(grown, &v.Parts[i]); len(grown)-start > maxFilled {
			return "", &Denied{
				Status: http.StatusBadRequest, Code: "request_invalid",
				Detail: "What the gateway has to make of this request is longer than 8 KiB. Send shorter headers and parameters.",
			}
		}
	}
	return ex.Keep(grown), nil
}

func (ex *Exchange) appendPart(dst []byte, p *value.Part) []byte {
	switch p.Of {
	case value.Literal:
		return append(dst, p.Text...)
	case value.RequestID:
		return append(dst, ex.RequestID...)
	case value.Method:
		return append(dst, ex.Method...)
	case value.Host:
		return append(dst, ex.Host...)
	case value.Path:
		return append(dst, ex.Path.Wire...)
	case value.Client:
		return ex.Client.Unmap().AppendTo(dst)
	case value.Param:
		text, _ := ex.Params.Value(p.Text)
		return append(dst, text...)
	case value.Header:
		text, _ := ex.Header.Value(p.Text)
		return append(dst, text...)
	case value.Query:
		raw, _ := QueryValue(ex.Query, p.Text)
		return appendDecoded(dst, raw)
	}
	return append(dst, ex.callerText(p.Of)...)
}

// callerText is what is known of a call once it was matched and identified.
func (ex *Exchange) callerText(of value.Of) string {
	switch grant, sub := ex.Caller.Grant, ex.Caller.Subscription; {
	case of == value.Application && grant != nil:
		return grant.Name
	case of == value.ApplicationID && grant != nil:
		return grant.Application.String()
	case of == value.Plan && sub != nil:
		if terms := sub.Terms.Load(); terms != nil {
			return terms.Name
		}
	case of == value.API && ex.Scope != nil:
		return ex.Scope.Name
	case of == value.Operation && ex.Scope != nil:
		return ex.Scope.Operation
	}
	return ""
}

// appendDecoded appends the text of a query's raw value.
func appendDecoded(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '+':
			dst = append(dst, ' ')
		case c == '%' && i+2 < len(raw) && unhex[raw[i+1]] < 16 && unhex[raw[i+2]] < 16:
			dst = append(dst, unhex[raw[i+1]]<<4|unhex[raw[i+2]])
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// fieldValue fills in a text for a header. What a caller may have smuggled in
// under an escape ends no line there.
func (ex *Exchange) fieldValue(v *value.Value) (string, error) {
	text, err := ex.fill(v)
	if err != nil {
		return "", err
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", &Denied{
				Status: http.StatusBadRequest, Code: "request_invalid",
				Detail: "A parameter of this request holds a control character, which the header that it goes into cannot carry.",
			}
		}
	}
	return strings.Trim(text, " \t"), nil
}
