// Package e2e holds the tests that use Portico as its users do: the real
// binary, started with settings in the environment, over HTTP and the command
// line. They deliberately reach into nothing.
package e2e
