package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestPaletteGoesToWhatItFinds(t *testing.T) {
	w := inTown(t)
	o := w.operatorAt(t, "/t/demo")
	o.keys("k", chromedp.ModifierCtrl)
	o.until("the palette is open", `document.querySelector('#palette').open && document.activeElement.matches('[data-palette]')`)
	o.write("museum")
	o.until("it finds the API", `document.querySelector('#palette [role=option][aria-selected=true]')?.pathname.startsWith('/t/demo/apis/museum')`)
	o.accessible()
	o.arrives("the API's page", func() { o.keys("\r") })
	o.sees(w.museum.title)
	o.quiet()

	c := w.carlaAt(t, "/")
	c.keys("k", chromedp.ModifierMeta)
	c.until("the palette is open", `document.querySelector('#palette').open`)
	c.write("book a parcel")
	c.until("it finds the operation", `document.querySelector('#palette [role=option][href$="/reference/bookParcel"]')`)
	c.accessible()
	const chosen = `document.querySelector('#palette [role=option][aria-selected=true]').pathname.endsWith('/reference/bookParcel')`
	for i := 0; i < 10 && c.run(chosen) != "true"; i++ {
		c.keys(kb.ArrowDown)
	}
	c.arrives("the operation's page", func() { c.keys("\r") })
	c.sees("Book a parcel", "/demo/parcels/v1/parcels")
	c.quiet()
}

func TestSlashSearchesTheCatalogAndTheAPIs(t *testing.T) {
	w := inTown(t)
	for _, b := range []*tab{w.carlaAt(t, "/"), w.operatorAt(t, "/t/demo/apis")} {
		b.keys("/")
		b.until("the search has the focus", `document.activeElement.matches('[data-slash]')`)
		b.script(`document.activeElement.select()`) // the driver types the key although the page took it
		b.write("parcels")
		b.until("what was typed is found", `location.search.includes('q=parcels') && document.querySelector('#results').innerText.includes('Parcels') && !document.querySelector('#results').innerText.includes('Museum')`)
		b.quiet()
	}
}

func TestApprovalsByKeyboardAndUndo(t *testing.T) {
	w := inTown(t)
	mine := w.signsUp(t, person{"Rosa Keys", "rosa@keys.example", "another long password", "Keys & Sons"})
	for _, name := range []string{"First request", "Second request", "Third request"} {
		w.asks(mine, "parcels", "Business", name, "Asked for "+name+", by keyboard.")
	}
	o := w.operatorAt(t, "/t/demo/approvals")
	heading := func(name string) string {
		return `document.querySelector('#request h2')?.textContent.startsWith(` + js(name) + `)`
	}
	for i := 0; i < 20 && o.run(heading("First request")) != "true"; i++ {
		at := o.run(`document.querySelector('#request h2').textContent`)
		o.keys("j")
		o.until("J opens the next request", `document.querySelector('#request h2')?.textContent !== `+js(at))
	}
	o.keys("j")
	o.until("J opens the second", heading("Second request"))
	o.keys("k")
	o.until("K goes back to the first", heading("First request"))
	o.arrives("the answer to A", func() { o.keys("a") })
	o.sees("First request", "in force on 1 of 1 node", "Undo")
	o.arrives("the answer to Z", func() { o.keys("z") })
	o.sees("First request", "Pending")
	mine.visit(linkOn(mine, "/applications/first-request", "/subscriptions/sub_"))
	mine.sees("Pending")

	o.visit("/t/demo/approvals")
	for i := 0; i < 20 && o.run(heading("Second request")) != "true"; i++ {
		at := o.run(`document.querySelector('#request h2').textContent`)
		o.keys("j")
		o.until("J opens the next request", `document.querySelector('#request h2')?.textContent !== `+js(at))
	}
	o.arrives("the refusal of R without a note", func() { o.keys("r") })
	o.until("the note has the focus and says what is missing", `document.activeElement.name === 'note' && document.activeElement.getAttribute('aria-invalid') === 'true'`)
	o.write("Trial has room for that.")
	o.arrives("the rejection", func() { o.pressOn("Reject", `document.querySelector('.panel-f [data-key=r]')`) })
	o.sees("Second request", "rejected")
	mine.visit(linkOn(mine, "/applications/second-request", "/subscriptions/sub_"))
	mine.sees("Rejected", "Trial has room for that.")
	o.quiet("status of 422")
	mine.quiet()
}
