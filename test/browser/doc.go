// Package browser holds the tests that use Portico as people do: the real
// binary, started with settings in the environment, in headless Chromium. They
// walk from the printed one-time link to the first call, with a script and
// without, visit every page in both themes, wide and narrow, and take the
// pictures of the README. The tests of package ui alone, which know no page of
// the product, are here too. They deliberately reach into nothing: what a
// person cannot see or press, they do not know.
package browser
