package browser_test

import (
	"os"
	"testing"
)

// pictureBytes is the most that a picture of the README may weigh.
const pictureBytes = 300 << 10

// TestPicturesOfTheReadme takes them, into PORTICO_PICTURES where that is set.
func TestPicturesOfTheReadme(t *testing.T) {
	folder := os.Getenv("PORTICO_PICTURES")
	if folder == "" {
		folder = t.TempDir()
	}
	w := inTown(t)
	o := w.operatorAt(t, "/t/demo/import?from=paste")
	take := func(b *tab, name string) {
		b.script(`document.activeElement.blur(); scrollTo(0, 0)`)
		b.run(`document.fonts.ready`)
		if got := b.shot(folder, name); got > pictureBytes {
			t.Errorf("%s.png has %d bytes, at most %d fit the README", name, got, pictureBytes)
		}
	}
	o.fill("Document", w.museum.document)
	o.follow("Read the document")
	take(o, "console-import")
	o.visit("/t/demo/apis/parcels/v1?policy=limit")
	o.sees("Routes", "Limits of the plan")
	take(o, "console-api")
	o.visit("/t/demo/approvals")
	o.sees("wants")
	take(o, "console-approvals")
	c := w.carlaAt(t, "/")
	c.sees("Find an API")
	take(c, "portal-catalog")
	c.visit("/apis/demo/parcels/v1/reference/bookParcel")
	c.sees("Book a parcel", "$PORTICO_KEY")
	take(c, "portal-reference")
}
