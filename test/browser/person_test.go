package browser_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What a person does at a tab, told by the words on the page: press a button
// by its label, fill a field by its label, see a sentence. Presses are real ones, of
// the mouse, at a place where nothing covers what is pressed.

// find looks for something that can be pressed by its words, the whole of them
// before their beginning, in the open dialog or else the page.
const find = `((selector, words) => {
	const scope = document.querySelector('dialog:modal') ?? document;
	const name = e => (e.getAttribute('aria-label') ?? e.innerText).replace(/\s+/g, ' ').trim();
	const all = [...scope.querySelectorAll(selector)].filter(e => e.checkVisibility() && !e.closest('[inert]'));
	return all.find(e => name(e) === words) ?? all.find(e => name(e).startsWith(words));
})`

func found(selector, words string) string { return find + "(" + js(selector) + "," + js(words) + ")" }

// press presses the mouse on a button, link or label.
func (b *tab) press(words string) {
	b.t.Helper()
	b.pressOn(words, found("a[href],button,summary,label,[role=option]", words))
}

// pressOn presses the mouse on the element that an expression finds.
func (b *tab) pressOn(what, element string) {
	b.t.Helper()
	b.until("there is "+what, element)
	at := b.run(`(() => {
		const e = ` + element + `;
		e.scrollIntoView({block: 'center', behavior: 'instant'});
		const r = e.getClientRects()[0], x = r.x + r.width / 2, y = r.y + r.height / 2, hit = document.elementFromPoint(x, y);
		return e.contains(hit) || hit?.contains(e) ? x + ' ' + y : 'covered by ' + hit?.outerHTML.slice(0, 200);
	})()`)
	x, y, ok := strings.Cut(at, " ")
	xs, errX := strconv.ParseFloat(x, 64)
	ys, errY := strconv.ParseFloat(y, 64)
	if !ok || errX != nil || errY != nil {
		b.t.Fatalf("%s cannot be pressed: %s", what, at)
	}
	b.do(chromedp.MouseClickXY(xs, ys))
}

// follow presses and waits for the page that comes.
func (b *tab) follow(words string) {
	b.t.Helper()
	b.arrives("the page after "+words, func() { b.press(words) })
}

// arrives waits for a new page after what is done.
func (b *tab) arrives(what string, do func()) {
	b.t.Helper()
	b.script(`window.before = true`)
	do()
	b.until(what, `!window.before && document.readyState === 'complete'`)
}

// fill writes into a field, told by its label, in the place of what is there.
func (b *tab) fill(label, value string) {
	b.t.Helper()
	field := `(` + found("label", label) + `?.control ?? document.querySelector('[aria-label^=' + ` + js(strconv.Quote(label)) + ` + ']'))`
	b.until("there is a field "+label, field)
	b.script(field + `.focus(); ` + field + `.select()`)
	b.write(value)
	if got := b.run(field + `.value.replaceAll('\r\n', '\n') === ` + js(value)); got != "true" {
		b.t.Fatalf("the field %s does not hold what was written but %.400s", label, b.run(field+".value"))
	}
}

// write puts text where the caret is, in the place of what is selected.
func (b *tab) write(text string) {
	b.t.Helper()
	if text == "" {
		b.do(chromedp.KeyEvent(kb.Delete))
		return
	}
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// choose takes an option of a select, told by their labels.
func (b *tab) choose(label, option string) {
	b.t.Helper()
	field := found("label", label) + `?.control`
	b.until("there is a select "+label, field)
	b.until(label+" has "+option, `(e => {
		const i = [...e.options].findIndex(o => o.label === `+js(option)+`);
		if (i < 0) return false;
		e.selectedIndex = i;
		e.dispatchEvent(new Event('change', {bubbles: true}));
		return true;
	})(`+field+`)`)
}

// tick sees to it that a box is ticked.
func (b *tab) tick(label string) {
	b.t.Helper()
	box := found("label", label) + `?.control`
	b.until("there is a box "+label, box)
	if b.run(box+`.checked`) == "false" {
		b.press(label)
	}
	b.until(label+" is ticked", box+`.checked`)
}

// keys presses keys of the keyboard, one after the other.
func (b *tab) keys(keys string, modifiers ...chromedp.Modifier) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// enter presses the key whole: what a script makes of it happens, or what the form does.
func (b *tab) enter() {
	b.t.Helper()
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kb.KeyDown, Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13})
		return err
	})
}

// sees waits until the page shows all these texts.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("the page shows %q", text), `document.body.innerText.replace(/\s+/g, ' ').includes(`+js(text)+`)`)
	}
}

// hides fails if the page shows a text.
func (b *tab) hides(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if b.run(`document.body.innerText.includes(`+js(text)+`)`) != "false" {
			b.t.Errorf("the page shows %q\n%s", text, b.text())
		}
	}
}

// hasNot fails if the page has a text, shown or not.
func (b *tab) hasNot(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if b.run(`document.documentElement.outerHTML.includes(`+js(text)+`)`) != "false" {
			b.t.Errorf("the page still has %q\n%s", text, b.text())
		}
	}
}

// file puts a file into the page's file field.
func (b *tab) file(path string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(`input[type=file]`, []string{path}))
}
