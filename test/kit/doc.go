// Package kit holds the tests of package ui in a real browser: its kit page
// and its frames under the strict content security policy, in both themes, wide and
// narrow, with a script and without. It knows no page of the product.
package kit
