package browser_test

import "testing"

func TestImportByFile(t *testing.T) {
	w := inTown(t)
	o := w.operatorAt(t, "/t/demo/import")
	o.file(w.museum.path)
	o.follow("Read the document")
	o.sees("Import "+w.museum.title, "/museum-hours", "What it becomes")
	o.quiet()
}

func TestImportByAddressOnThisMachine(t *testing.T) {
	w := inTown(t)
	o := w.operatorAt(t, "/t/demo/import?from=url")
	o.fill("Address", w.museum.upstream+"/openapi.yaml")
	o.follow("Read the document")
	o.sees("Import "+w.museum.title, "/museum-hours", "What it becomes")
	o.quiet()
}

func TestImportSaysWhatIsWrongBesideTheField(t *testing.T) {
	w := inTown(t)
	for _, c := range []struct{ what, from, field, value, says string }{
		{"an address where nothing is", "url", "Address", w.museum.upstream + "/nothing.yaml", "404"},
		{"a metadata address", "url", "Address", "http://169.254.169.254/latest", "may not be fetched from here"},
		{"half a document", "paste", "Document", "openapi: 3.1.0\ninfo: [", "ine 2"},
		{"something else", "paste", "Document", "hello", "OpenAPI"},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := w.operatorAt(t, "/t/demo/import?from="+c.from)
			o.fill(c.field, c.value)
			o.follow("Read the document")
			o.until("the field says what is wrong", `document.querySelector('[aria-invalid=true]') && document.querySelector('.err').innerText.includes(`+js(c.says)+`)`)
			if got := o.run(found("label", c.field) + `.control.value`); got != c.value {
				t.Errorf("what was written is %q now", got)
			}
			o.quiet("status of 4", "status of 5")
		})
	}
}
