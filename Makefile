# Portico's commands. `make run` and `make test` are all a newcomer needs.

# One build setting everywhere: changing it rebuilds the world.
export CGO_ENABLED = 0

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOLS    := $(GO) tool -modfile=test/tools/go.mod
GENERATED = '*_templ.go'
RACY     := ./gateway/... ./internal/... ./manager/authz ./manager/collect ./manager/issuer ./manager/publish

.PHONY: run build test race bench check generate format fuzz screenshots assets clean help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build and start everything with the demo, in one process
	@exec ./bin/portico serve --demo

build: ## build bin/portico
	@overlay="$$(GO='$(GO)' deploy/in-order bin)" && set -x && \
	$(GO) build -overlay "$$overlay" -ldflags "-X main.version=$(VERSION)" -o bin/portico ./cmd/portico

test: ## every test: unit, contract, NATS, PostgreSQL, end to end, browser
	@PORTICO_CHROME="$$(test/find-chrome)" && export PORTICO_CHROME && $(GO) run ./test/postgres/with $(GO) test -timeout 20m ./...

race: ## the packages with goroutines under the race detector (needs a C compiler)
	$(GO) run ./test/postgres/with env CGO_ENABLED=1 $(GO) test -race -timeout 20m $(RACY)

bench: build ## print the performance table
	$(GO) run ./test/bench -portico bin/portico

check: ## format, lint, generated code, import rules
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code --stat -- $(GENERATED) || { echo "generated code was stale: commit what 'make generate' wrote"; exit 1; }
	@out="$$($(TOOLS) gofumpt -l $$(git ls-files '*.go' | grep -v _templ.go))"; [ -z "$$out" ] || { echo "run 'make format':"; echo "$$out"; exit 1; }
	@big="$$(git ls-files -z | xargs -0 du -k | awk '$$1 > 2048')"; [ -z "$$big" ] || { echo "too large to be source:"; echo "$$big"; exit 1; }
	$(GO) vet ./...
	$(TOOLS) golangci-lint run ./...
	$(GO) test ./test/arch

generate: ## write the Go code of the templates
	$(GO) tool templ generate -log-level warn

format: ## format Go code and templates
	$(TOOLS) gofumpt -w $$(git ls-files '*.go' | grep -v _templ.go)
	$(GO) tool templ fmt -log-level warn manager portal ui

fuzz: ## each fuzz target for a minute
	@test/fuzz-each 60s

screenshots: ## take the README's pictures from the running product
	@PORTICO_CHROME="$$(test/find-chrome)" PORTICO_PICTURES="$(CURDIR)/ui/shots" $(GO) test -count=1 -run TestPicturesOfTheReadme ./test/browser

assets: ## fetch the pinned browser assets again
	ui/assets/get

clean: ## remove what was built, and the data of 'make run'
	rm -rf bin data
