// Package arch holds Portico's import rules: its tests fail when a package
// imports what ARCHITECTURE.md does not allow, and when a package appears that
// no rule names. It is tests alone and deliberately checks nothing at run time.
package arch
