.DEFAULT_GOAL := help
.PHONY: help run test check fmt generate css bench fuzz e2e release db/shell build

# Where the demo keeps its database; remove the folder to start from nothing.
DEMO_DIR ?= $(CURDIR)/.cache/demo
GO_DIRS = $(filter-out node_modules/ bin/,$(wildcard */))
LDFLAGS = -s -w
# A newer Node than the system's, if .ci/setup had to fetch one.
export PATH := $(CURDIR)/.cache/node/bin:$(PATH)

help: ## list the targets
	@sed -n 's/^\([a-z0-9/_-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

run: ## start worklog with a demo; it prints a link that signs you in
	@.ci/setup postgres
	@go build -o bin/worklog ./cmd/worklog
	@DATA_DIR="$(DEMO_DIR)" LOG_LEVEL="$${LOG_LEVEL:-warn}" exec bin/worklog serve --demo

test: ## run all tests, with the race detector, in random order
	@.ci/setup postgres browser race exporters
	go test -race -shuffle=on -timeout 20m ./...

check: ## format, vet, lint, generated files, import rules, module file
	@.ci/setup postgres race
	@test -z "$$(gofmt -l $(GO_DIRS))" || { gofmt -l $(GO_DIRS); echo "Run: make fmt" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	.ci/check-generated
	go test ./internal/archtest
	go mod tidy -diff
	go mod verify

fmt: ## format Go and templ files
	gofmt -w $(GO_DIRS)
	go tool templ fmt web/view

generate: ## write the Go code of the templ components
	go tool templ generate -path web/view

css: node_modules ## build the style sheet and copy the vendored scripts
	npm run build

# Not "npm ci": it refuses a lock without the builds for other systems, which some registries do not offer.
node_modules: package-lock.json
	npm install --no-save --no-audit --no-fund --ignore-scripts
	@touch node_modules

bench: ## measure speed; prints a table
	@.ci/setup postgres
	go run ./internal/bench

fuzz: ## fuzz every parser and writer, FUZZTIME each (30s)
	@.ci/setup postgres
	.ci/fuzz $(FUZZTIME)

e2e: ## run the browser tests only
	@.ci/setup postgres browser race exporters
	go test -race -timeout 20m ./web/livetest ./web/readtest ./internal/replay

build: ## build bin/worklog
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/worklog ./cmd/worklog

release: ## build the binaries of a release into bin/release
	rm -rf bin/release && mkdir -p bin/release
	for target in linux/amd64 linux/arm64 darwin/arm64; do \
		GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' \
			-o "bin/release/worklog-$$(echo $$target | tr / -)" ./cmd/worklog || exit 1; \
	done
	cd bin/release && sha256sum worklog-* > SHA256SUMS

db/shell: ## open psql on the running demo
	psql -h "$$(cat "$(DEMO_DIR)/postgres/socket")" -U worklog worklog
