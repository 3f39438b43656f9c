package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

// DecodeJSON reads the request's body into dst, a pointer to a struct, and
// refuses everything that the struct does not say: other content types (415),
// malformed or trailing text (400), unknown, repeated and null fields and
// wrong types, all of them at once with their paths (422), oversized bodies
// (413). An empty body leaves dst as it is when optional.
func DecodeJSON(c *gin.Context, dst any, optional bool) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	if len(body) == 0 && optional {
		return nil
	}
	if media, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type")); media != "application/json" {
		return apim.Errorf(apim.Invalid, "send the body as application/json").WithCode(codeMedia)
	}
	return ParseJSON(body, dst)
}

// ParseJSON reads a body that is at hand as strictly as DecodeJSON does.
func ParseJSON(body []byte, dst any) error {
	root, err := parseTree(body)
	if err != nil {
		return err
	}
	var check complaints
	checkTree(&check, root, typeOf(dst), "")
	if err := check.Err(); err != nil {
		return err
	}
	if err := json.Unmarshal(body, dst); err != nil {
		return malformed("the body does not fit: %s", err)
	}
	return nil
}

func readBody(c *gin.Context) ([]byte, error) {
	if c.Request.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return nil, BodyError(err)
	}
	return body, nil
}

// BodyError returns the refusal for an error of reading a request's body: one
// beyond its limit is TooLarge, any other means that it did not arrive whole.
func BodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &apim.Error{
			Kind: apim.TooLarge, Code: "body_too_large", Cause: err,
			Message: "the body is larger than the " + size(tooLarge.Limit) + " allowed here",
		}
	}
	return &apim.Error{Kind: apim.Invalid, Code: codeMalformed, Message: "the body did not arrive whole", Cause: err}
}

// JSON answers with a value as JSON.
func JSON(c *gin.Context, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		Fail(c, err)
		return
	}
	c.Data(status, "application/json", append(body, '\n'))
}

func malformed(format string, args ...any) error {
	return apim.Errorf(apim.Invalid, format, args...).WithCode(codeMalformed)
}
