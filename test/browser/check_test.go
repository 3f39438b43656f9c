package browser_test

import (
	_ "embed"
)

// axe is the accessibility checker, as it is published.
//
//go:embed testdata/axe.min.js
var axe string

// violations are axe's, one per line.
const violations = `axe.run(document, {resultTypes: ['violations']})` + lines

// paleness are axe's that depend on colours alone.
const paleness = `axe.run(document, {resultTypes: ['violations'], runOnly: ['color-contrast']})` + lines

const lines = `.then(r => r.violations.flatMap(v => v.nodes.map(n =>
	v.id + ': ' + n.html.slice(0, 160) + ' — ' + n.failureSummary.split('\n').slice(1).join(' '))).join('\n'))`

// sideways is what makes the page scroll sideways: what sticks out of the
// window without being inside something that scrolls by itself.
const sideways = `(() => {
	const w = document.documentElement.clientWidth;
	if (document.scrollingElement.scrollWidth <= w) return '';
	const clips = e => e && e !== document.body && (getComputedStyle(e).overflowX !== 'visible' || clips(e.parentElement));
	return [...document.querySelectorAll('body *')]
		.filter(e => e.getBoundingClientRect().right > w + 1 && e.checkVisibility() && !clips(e.parentElement))
		.slice(0, 5).map(e => e.tagName + '.' + e.getAttribute('class') + ' ' + e.textContent.trim().slice(0, 40)).join(' | ') ||
		'text in ' + [...document.querySelectorAll('body *')].filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth && !clips(e)).slice(-1).map(e => e.outerHTML.slice(0, 200));
})()`

// accessible fails the test for everything that axe finds on the page.
func (b *tab) accessible() { b.t.Helper(); b.examine(violations) }

// readable fails the test for what has too little contrast. It is what is left to
// ask when a page that is accessible changes its theme.
func (b *tab) readable() { b.t.Helper(); b.examine(paleness) }

func (b *tab) examine(question string) {
	b.t.Helper()
	b.script(`if (!window.axe) {` + axe + `} undefined`)
	if got := b.run(question); got != "" {
		b.t.Error(got)
	}
}
