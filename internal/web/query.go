package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

// maxCursorBytes is far above what any list's cursor needs.
const maxCursorBytes = 1024

// Page reads limit and cursor. A limit that is no number from 1 to 200 is
// refused, not clipped.
func Page(c *gin.Context) (apim.Page, error) {
	var check apim.Check
	page := apim.Page{Cursor: c.Query("cursor")}
	if len(page.Cursor) > maxCursorBytes {
		check.Fail("cursor", "cursor", "is not a cursor of this list")
	}
	if s, given := c.GetQuery("limit"); given {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 200 {
			check.Fail("limit", "range", "is not a whole number from 1 to 200")
		}
		page.Limit = n
	}
	return page, check.Err()
}

// KnownQuery refuses query parameters that are not among names, and repeated
// ones.
func KnownQuery(c *gin.Context, names ...string) error {
	var check apim.Check
	query := c.Request.URL.Query()
	for _, name := range sorted(query) {
		switch {
		case !slices.Contains(names, name) && len(names) == 0:
			check.Fail(name, "unknown_parameter", "is not a parameter here; there are none")
		case !slices.Contains(names, name):
			check.Fail(name, "unknown_parameter", "is not a parameter here; there are %s", strings.Join(names, ", "))
		case len(query[name]) > 1:
			check.Fail(name, "repeated", "is given more than once")
		}
	}
	return check.Err()
}

func sorted[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
