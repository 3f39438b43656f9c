package browser_test

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// A share is moved by the slider and is in force, with a script and without.
func TestShareIsMovedByTheSlider(t *testing.T) {
	for name, scripted := range map[string]bool{"with a script": true, "without": false} {
		t.Run(name, func(t *testing.T) { moveTheShare(t, scripted) })
	}
}

func moveTheShare(t *testing.T, scripted bool) {
	w := inTown(t)
	candidate := newMuseum(t)
	slug, version := "split", "v1"
	if !scripted {
		slug = "split-plain"
	}
	id := w.version(t, w.museum.document, map[string]any{"name": "Museum of splits", "slug": slug, "label": version, "upstream": w.museum.upstream})
	w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{"public": map[string]bool{"getMuseumHours": true}})
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	at := "/t/demo/apis/" + slug + "/" + version + "/traffic"
	o := w.operatorAt(t, at)
	if !scripted {
		o.withoutScript()
		o.visit(at)
	}
	o.sees("All calls go to what is live")
	o.fill("or addresses", candidate.upstream)
	o.follow("Save split")
	o.sees("Traffic split saved", "r1", "All to the candidate")

	o.script(`document.querySelector('input.range').focus()`)
	if scripted {
		o.script(`(r => { r.value = '40'; r.dispatchEvent(new Event('input', {bubbles: true})) })(document.querySelector('input.range'))`)
		o.until("the numbers follow the slider", `document.querySelector('#split-share').textContent === '40' && document.querySelector('#split-rest').textContent === '60'`)
	} else {
		o.script(`document.querySelector('input.range').value = '40'`)
	}
	o.follow("Set share")
	o.sees("40 % of the calls go to the candidate")
	o.follow("All to the candidate")
	o.sees("100 %", "Back to 40 %")

	hours := w.portico.Gateway + "/demo/" + slug + "/" + version + "/museum-hours"
	for range 20 {
		res, err := http.Get(hours) //nolint:forbidigo,noctx // a caller of the gateway
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
	const counted = `document.querySelector('#split-sides tbody tr:nth-child(2) td').textContent.trim() === '20'`
	for end := time.Now().Add(actionTime); !scripted && o.run(counted) != "true"; o.visit(at) {
		if time.Now().After(end) {
			t.Fatal("the calls are not counted")
		}
	}
	o.until("the calls are counted", counted)
	o.sees("As counted by 1 node")
	if folder := shotsFolder(); folder != "" && scripted {
		o.script(`scrollTo(0, 0)`)
		o.shot(folder, "traffic")
	}
	o.follow("Back to 40 %")
	o.sees("40 %", "Back to 100 %")
	o.follow("End the split")
	o.sees("The split is over", "All calls go to what is live")
	o.quiet()
}
