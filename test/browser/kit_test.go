package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestKitIsAccessibleAndFitsInBothThemesAndWidths(t *testing.T) {
	b := open(t)
	for _, path := range []string{"/kit", "/workbench", "/site", "/gate", "/new"} {
		for _, theme := range []string{"light", "dark"} {
			for _, width := range []int64{1440, 390} {
				t.Run(fmt.Sprintf("%s %s %d", path, theme, width), func(t *testing.T) {
					b.do(chromedp.EmulateViewport(width, 900))
					b.visit(path + "?theme=" + theme)
					if got := b.run(sideways); got != "" {
						t.Errorf("scrolls sideways because of %s", got)
					}
					b.t = t
					b.accessible()
					b.quiet()
				})
			}
		}
	}
}

func TestTabsMoveByArrowKeys(t *testing.T) {
	b := open(t)
	b.visit("/site")
	b.run(`document.querySelector('#one-tab').focus()`)
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.until("second tab is open", `document.activeElement.id === 'two-tab' && document.querySelector('#one').hidden && !document.querySelector('#two').hidden`)
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.until("first tab is open again", `document.activeElement.id === 'one-tab' && !document.querySelector('#one').hidden`)
	b.quiet()
}

func TestDialogLinkOpensTheFormAndEscReturnsTheFocus(t *testing.T) {
	b := open(t)
	b.visit("/site")
	b.run(`document.querySelector('[aria-haspopup=dialog]').focus()`)
	b.do(chromedp.KeyEvent("n"))
	b.until("dialog is open", `document.querySelector('#new')?.matches(':modal')`)
	if got := b.run(`location.pathname`); got != "/site" {
		t.Errorf("went to %s", got)
	}
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("dialog is gone, focus is back", `!document.querySelector('#new') && document.activeElement.getAttribute('aria-haspopup') === 'dialog'`)
	b.quiet()
}

func TestPaletteOpensSearchesAndGoes(t *testing.T) {
	b := open(t)
	b.visit("/workbench")
	b.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.until("palette is open", `document.querySelector('#palette').open && document.activeElement.matches('[data-palette]')`)
	b.do(chromedp.KeyEvent("zeb"))
	b.until("results are there", `document.querySelector('#palette mark')?.textContent === 'zeb'`)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.until("second is selected", `document.querySelectorAll('#palette [role=option]')[1].getAttribute('aria-selected') === 'true'`)
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	b.until("went to the first", `location.pathname === '/gate'`)
	b.quiet()
}

func TestMenuClosesOnEscAndOnAClickElsewhere(t *testing.T) {
	b := open(t)
	b.visit("/gate")
	const menu = `document.querySelector('main details[data-menu]')`
	b.do(chromedp.Click("main details[data-menu] > summary"))
	b.until("menu is open", menu+`.open`)
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	b.until("second entry has the focus", `document.activeElement.textContent.trim() === 'Second'`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("menu is closed, focus is back", `!`+menu+`.open && document.activeElement.tagName === 'SUMMARY'`)
	b.do(chromedp.Click("main details[data-menu] > summary"))
	b.until("menu is open again", menu+`.open`)
	b.do(chromedp.Click("h1"))
	b.until("menu is closed again", `!`+menu+`.open`)
	b.quiet()
}

func TestMenuInATableIsNotCutOff(t *testing.T) {
	b := open(t)
	for _, width := range []int64{1440, 390} {
		b.do(chromedp.EmulateViewport(width, 500))
		b.visit("/kit")
		b.script(`document.querySelector('#kit-table').scrollIntoView({block: 'center'})`)
		b.script(`document.querySelector('#kit-table .tw').scrollLeft = 1e4`)
		b.script(`[...document.querySelectorAll('#kit-table summary')].at(-1).click()`)
		b.until("every entry can be pressed", `[...document.querySelectorAll('#kit-table details[open] .menu :is(a,button)')].length === 4 &&
			[...document.querySelectorAll('#kit-table details[open] .menu :is(a,button)')].every(e => {
				const r = e.getBoundingClientRect();
				return e.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2));
			})`)
		if got := b.run(sideways); got != "" {
			t.Errorf("%d: scrolls sideways because of %s", width, got)
		}
	}
	b.quiet()
}

func TestThemeChangesAtOnceAndIsKept(t *testing.T) {
	b := open(t)
	b.visit("/site?theme=light")
	b.do(chromedp.Click("[data-theme-form] button"))
	b.until("dark now", `document.documentElement.dataset.theme === 'dark'`)
	b.until("kept by the server", `document.cookie === 'kept=dark'`)
	b.quiet()
}

func TestSlashGoesToTheSearchAndKeysRestWhileTyping(t *testing.T) {
	b := open(t)
	b.visit("/site")
	b.do(chromedp.KeyEvent("/"))
	b.until("search has the focus", `document.activeElement.matches('[data-slash]')`)
	b.do(chromedp.KeyEvent("n/"))
	b.until("typed, not acted on", `document.activeElement.value.endsWith('n/') && !document.querySelector('#new')`)
	b.quiet()
}

func TestSearchFiltersWhileTypingAndKeepsTheAddressRight(t *testing.T) {
	b := open(t)
	b.visit("/site")
	b.do(chromedp.Click("[data-slash]"), chromedp.KeyEvent("zeb"))
	b.until("results for what was typed", `document.querySelector('#results h2').textContent === 'Found for [zeb]'`)
	b.until("address to come back to", `location.search === '?q=zeb' && document.activeElement.matches('[data-slash]')`)
	b.do(chromedp.KeyEvent("ra"), chromedp.KeyEvent(kb.Enter))
	b.until("results for Enter", `document.querySelector('#results h2').textContent === 'Found for [zebra]'`)
	b.quiet()
}

func TestGAndALetterGoSomewhere(t *testing.T) {
	b := open(t)
	for _, path := range []string{"/workbench", "/site"} {
		b.visit(path)
		b.do(chromedp.KeyEvent("o"))
		b.do(chromedp.KeyEvent("g"), chromedp.KeyEvent("x"), chromedp.KeyEvent("o"))
		if got := b.run(`location.pathname`); got != path {
			t.Errorf("went to %s without G just before", got)
		}
		b.do(chromedp.KeyEvent("g"), chromedp.KeyEvent("o"))
		b.until("went there", `location.pathname === '/gate'`)
	}
	b.quiet()
}

func TestListMovesByJAndK(t *testing.T) {
	b := open(t)
	b.visit("/kit")
	const at = `[...document.querySelector('[data-keys]').querySelectorAll('[data-row]')].findIndex(r => r.getAttribute('aria-selected') === 'true')`
	for _, step := range []struct{ key, want string }{{"j", "1"}, {"j", "1"}, {"k", "0"}, {"k", "0"}} {
		b.do(chromedp.KeyEvent(step.key))
		b.until(step.key, at+" === "+step.want)
	}
	b.quiet()
}

func TestFailureIsSaidInAToast(t *testing.T) {
	b := open(t)
	b.visit("/site")
	b.do(chromedp.Click("#fails"))
	b.until("toast is there", `document.querySelector('#toasts [role=alert]')?.textContent.includes('500')`)
	b.until("button is ready again", `!document.querySelector('#fails').hasAttribute('aria-busy')`)
}

func TestWithoutAScriptNothingIsOutOfReach(t *testing.T) {
	b := open(t)
	b.withoutScript()
	b.visit("/site")
	for what, expression := range map[string]string{
		"second tab's content is shown":    `document.querySelector('#two').checkVisibility()`,
		"no copy button":                   `!document.querySelector('[data-copy]').checkVisibility()`,
		"no list of tabs":                  `!document.querySelector('[role=tablist]').checkVisibility()`,
		"dialog's trigger leads to a page": `document.querySelector('[aria-haspopup=dialog]').pathname === '/new'`,
	} {
		if got := b.run(expression); got != "true" {
			t.Errorf("%s: got %s", what, got)
		}
	}
	b.do(chromedp.Click("main details[data-menu] > summary"))
	if got := b.run(`document.querySelector('main details[data-menu] .menu a').checkVisibility()`); got != "true" {
		t.Error("the menu does not open")
	}
	b.do(chromedp.Click("[aria-haspopup=dialog]"))
	b.until("page with the form", `location.pathname === '/new' && document.querySelector('form[method=post]')`)
}
