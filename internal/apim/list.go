package apim

// Page asks for one page of a list. The zero value is the first page of 50.
type Page struct {
	Limit  int    // 1 to 200; 0 is 50
	Cursor string // from the page before; "" is the first page
}

// List is one page of a list. NextCursor is "" on the last one.
type List[T any] struct {
	Items      []T
	NextCursor string
}

// Size returns the limit with its default and bounds applied.
func (p Page) Size() int {
	switch {
	case p.Limit <= 0:
		return 50
	case p.Limit > 200:
		return 200
	}
	return p.Limit
}
