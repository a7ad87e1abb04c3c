# port843: "make test" does everything on a fresh machine with Go.

GO          ?= go
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK  = golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME    ?= 60s
# The manifests' tests are a module of their own: they need Kubernetes' types.
KUBERNETES   = contrib/kubernetes/strict
LEFT_OUT    := $(CURDIR)/bin/left-out.txt
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: build test lint fuzz bench bench-fastpath demo-fastpath tools man packages dist dist-check image

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.buildVersion=$(VERSION)' -o bin/port843 ./cmd/port843

# man makes the man pages and the shells' completions from the command tree.
man: build
	@rm -rf bin/man bin/completions && mkdir -p bin/completions
	bin/port843 manual bin/man
	@for shell in bash zsh fish; do bin/port843 completion $$shell > bin/completions/port843.$$shell || exit 1; done

# packages makes a deb and an rpm for amd64 and arm64, in dist/.
packages:
	$(GO) run ./packaging/release -version '$(VERSION)' packages

# dist makes the archives, their SBOMs and checksums for every platform, in
# dist/. The same commit and Go make the same bytes.
dist:
	$(GO) run ./packaging/release -version '$(VERSION)' archives

# dist-check builds everything twice, from two places and the second time with
# an empty build cache, and compares. "make test" does it for two platforms.
dist-check:
	PORT843_DIST_ALL=1 $(GO) test -count=1 -v -timeout 60m -run TestTwoBuildsAreIdentical ./packaging/release

# image makes an OCI archive for amd64 and arm64, in dist/, without a daemon.
image:
	$(GO) run ./packaging/release -version '$(VERSION)' image

test: tools lint
	@mkdir -p bin && rm -f '$(LEFT_OUT)'
	PORT843_LEFT_OUT='$(LEFT_OUT)' $(GO) test -race -timeout 20m ./...
	$(GO) test -C $(KUBERNETES) -race -count=1 -timeout 10m ./...
	@if [ -s '$(LEFT_OUT)' ]; then echo 'left out on this machine:'; sort -u '$(LEFT_OUT)'; fi

# tools installs the real servers and programs that the tests talk to. Without
# root or a package manager it says so, and the tests name what they left out.
tools:
	@scripts/install-test-tools
	@scripts/install-ruffle

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt'd: $$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) mod tidy -C $(KUBERNETES) -diff
	$(GO) vet -C $(KUBERNETES) ./...
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=freebsd $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@scripts/vulncheck '$(GOVULNCHECK)'

# fuzz runs each fuzz target for FUZZTIME; a new failure lands in testdata.
fuzz:
	@scripts/fuzz '$(FUZZTIME)'

# bench measures the server against others: the whole run takes about an hour,
# wants root, and a machine that does nothing else. BENCH=-quick shows in two
# minutes that it works; then "go run ./bench -write-docs" writes the page.
bench:
	$(GO) run ./bench $(BENCH)
	$(GO) run ./bench/fastpath $(if $(findstring -quick,$(BENCH)),-rounds 1 -for 500ms)

# bench-fastpath measures serve --fastpath beside sockets, over a veth: BENCH is
# for its own switches. It takes five minutes, and the same quiet machine.
bench-fastpath:
	$(GO) run ./bench/fastpath $(BENCH)

# demo-fastpath shows serve --fastpath at work: in two network namespaces, which
# are gone when it ends. It wants root.
demo-fastpath: build
	$(GO) run ./examples/fastpath bin/port843
