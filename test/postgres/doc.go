// Package postgres gives tests a real PostgreSQL, and runs a test on both
// dialects of the store.
//
// The server that TEST_DATABASE_URL names is used as it is; its role has to be
// a superuser: it makes a database for each test and the role without rights
// that the tests work as. Without that variable one is
// started, from the binaries that pg_config names, that lie in
// /usr/lib/postgresql or in Homebrew's folders, or that it brings: npm's
// @embedded-postgres, or the system's package for root. It listens on a socket
// in a folder of its own, writes nothing through to the disk, and ends with the
// process that started it, however that ends. Where there is none to be had
// the tests fail; nothing is skipped.
//
// `go run ./test/postgres/with go test ./...` starts one server for all
// packages; without it each package starts its own.
//
// The schema is made once in each server, as a template; a test's database is
// a copy of it.
package postgres
