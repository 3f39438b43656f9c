// Package icon draws the icons of the pages: a chosen part of Lucide, as
// inline SVG. Each icon is a function, so a name that is not there does not
// compile. It deliberately has no lookup by string and holds no icon of ours.
//
// To add one, put its Lucide name into names.txt and run ui/assets/get.
package icon

import (
	"context"
	"io"
)

// Icon is one icon, a templ component. The zero value draws nothing, so that
// an icon can be left out of a view struct. Icons are hidden from assistive
// technology: the word beside them, or an aria-label, says what they mean.
type Icon struct {
	shape string
	class string
}

// Small is the icon at 14 px, for use in buttons and rows. The plain size is 16 px.
func (i Icon) Small() Icon {
	i.class = " s"
	return i
}

// Large is the icon at 20 px.
func (i Icon) Large() Icon {
	i.class = " l"
	return i
}

// Zero says that there is nothing to draw.
func (i Icon) Zero() bool { return i.shape == "" }

// Render writes the svg element.
func (i Icon) Render(_ context.Context, w io.Writer) error {
	if i.Zero() {
		return nil
	}
	_, err := io.WriteString(w, `<svg class="i`+i.class+`" viewBox="0 0 24 24" aria-hidden="true">`+i.shape+`</svg>`)
	return err
}
