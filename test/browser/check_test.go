package browser_test

import (
	_ "embed"
)

// axe is the accessibility checker, as it is published.
//
//go:embed testdata/axe.min.js
var axe string

// violations are axe's, one per line.
const violations = `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.flatMap(v => v.nodes.map(n =>
	v.id + ': ' + n.html.slice(0, 160) + ' — ' + n.failureSummary.split('\n').slice(1).join(' '))).join('\n'))`

// sideways is how far the page scrolls sideways, and what sticks out.
const sideways = `(() => { const w = document.documentElement.clientWidth;
	return document.scrollingElement.scrollWidth <= w ? '' : [...document.querySelectorAll('body *')]
		.filter(e => e.getBoundingClientRect().right > w + 1 && !e.closest('.tw,pre,.colonnade,.tabs,.diff'))
		.slice(0, 5).map(e => e.tagName + '.' + e.getAttribute('class')).join(' ') || 'something'; })()`

// accessible fails the test for everything that axe finds on the page.
func (b *tab) accessible() {
	b.t.Helper()
	b.script(`window.axe || (() => {` + axe + `})()`)
	if got := b.run(violations); got != "" {
		b.t.Error(got)
	}
}
