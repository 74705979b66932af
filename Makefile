# Trạm. "make help" lists the targets. All of them work as root without sudo and
# as a user who has it.

SHELL := /bin/sh
PROGRAMS := tram tram-hub
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X tram/cmd/internal/cli.version=$(VERSION)
# Pages are plain HTTP on loopback and enrolment is one request: leaving HTTP/2
# out of net/http makes each program half a megabyte smaller.
TAGS := nethttpomithttp2
# Functions are inlined only where time is spent: cryptography, compression,
# SQLite, the runtime. That makes the office's program 1.3 MB smaller (aim: 18 MiB).
HOT := crypto/... hash/... runtime/... internal/... sync/... bytes slices maps strings math/... \
	modernc.org/... github.com/klauspost/... golang.org/x/crypto/... vendor/golang.org/x/crypto/... filippo.io/...
BUILDFLAGS := -trimpath -tags $(TAGS) -gcflags=all=-l $(HOT:%=-gcflags=%=) -ldflags '$(LDFLAGS)'
FOLDERS := agent cmd storage sync
# What has nothing for the race detector to see: one goroutine, programs of their own,
# pages that are asked for one after another.
PLAIN := ./agent/books ./agent/docfields ./agent/docsign/pdf ./agent/docsign/xmldsig ./agent/dossier ./agent/dossier/code ./agent/dossier/dongbo ./agent/dossier/forms ./agent/edxml \
	./agent/hub/ca ./agent/hub/console ./agent/hub/fleet ./agent/hub/incident ./agent/hub/report ./agent/register ./agent/search/extract ./agent/typeset ./agent/web ./agent/workdays \
	./cmd/internal/e2e ./cmd/internal/house ./cmd/internal/sample ./cmd/tram ./cmd/tram-hub ./cmd/tram-lab
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Parameters of targets.
BIN ?= bin
N ?= 50
AGENTS ?= 11000
IMAGE ?= amd64
FUZZTIME ?= 30s
TESTFLAGS ?=
LABFLAGS ?=

# What modernc.org/sqlite supports and offices have; ARM is ARMv7.
TARGETS ?= linux/386 linux/amd64 linux/arm linux/arm64 linux/loong64 linux/ppc64le \
	linux/riscv64 linux/s390x windows/386 windows/amd64 windows/arm64

export CGO_ENABLED = 0

.PHONY: help build token run test test-short kill kill-tree backup-kill stampede fleet outage hotfolder brokers bench bench-footprint bench-api bench-search bench-pages shots lab lab-quick fuzz lint fmt-check vet staticcheck \
	tidy-check cross packages package-tools packages-test stick stick-test deps deps-check tools lab-tools image image-tools powercut clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## programs for this machine, in bin/
	go build $(BUILDFLAGS) -o $(BIN)/ ./cmd/...

token: ## tram-token, the helper for PKCS#11 tokens: the one program with cgo, for this machine, in bin/
	CGO_ENABLED=1 go build -trimpath -ldflags '-s -w' -o bin/ ./cmd/tram-token

run: build ## a hub and two offices with sample documents, until Ctrl-C
	bin/tram-lab demo

test: tools fmt-check ## everything: format, vet, all tests with the race detector, a short kill test
	CGO_ENABLED=1 go vet -race ./...
	CGO_ENABLED=1 CI=1 go test -race -p 3 -shuffle=on -vet=off -timeout 25m $(TESTFLAGS) $$(go list ./... | grep -vxF "$$(go list $(PLAIN))")
	@echo "Pages with work that goes on beside them:"
	CGO_ENABLED=1 CI=1 go test -race -vet=off -run 'Stick|Package|SendTwice|StatusAnswers|MoveTheStatus|AdministrationAction|SupportArchive' ./agent/web
	@echo "What the race detector has nothing to see in, with pages in browsers; they wait a lot, so three at a time:"
	CI=1 go test -p 3 -shuffle=on -vet=off -timeout 25m $(TESTFLAGS) $(PLAIN)
	@echo "All chaos schedules; under the race detector there are fewer:"
	go test -run '^(TestChaos|TestP5_NothingOvertakesHoaToc)$$' -v ./sync/engine
	@echo "Every step of every writer, large files and all random lists, which are fewer under the race detector:"
	CI=1 go test -run '^(TestP1_P2_WritersCrossedWithAKillAtEachStep|TestALargeDocumentCostsLittleMemory|TestP9_.*|TestListingIsWhatANaiveSortGives|TestNumbersOverRandomDays)$$' \
		./agent/connector/hotfolder ./agent/connector/lgsp ./agent/office
	$(MAKE) kill N=2
	@echo "make test: everything passed"

shots: tools ## pictures of every page in every state, both languages, at 100, 200 and 400 %, in the folder shots
	mkdir -p shots && TRAM_SHOTS=$(CURDIR)/shots go test -count=1 -timeout 60m -run 'Fit|Firefox|Clerk|Print' ./agent/web

test-short: ## the tests that need no other program, without the race detector
	go test -short -shuffle=on $(TESTFLAGS) ./...

kill-tree: ## SIGKILL of N processes each in a tree of hubs and on a broker cluster; nothing may be lost or doubled
	go test ./cmd/internal/e2e -run 'TestP2_P3_Kills' -count=1 -timeout 2h -v -args -kills $(N)

kill: build ## SIGKILL of agent, hub and broker N times each; nothing may be lost or doubled
	bin/tram-lab kill --count $(N)

stampede: build ## AGENTS offices return to a hub that was killed; JSON lines
	@bin/tram-lab stampede --agents $(AGENTS)

fleet: build ## 1,000, 3,000 and 11,000 connected offices with heartbeats, then documents; JSON lines
	@bin/tram-lab fleet

outage: build ## 170 offices on one link fall silent: what the operator is told; JSON lines
	@bin/tram-lab outage $(LABFLAGS)

backup-kill: ## SIGKILL of an office's backup, prune and restore N times each, with 1,000 documents of 200 kB; prints their figures
	go test ./cmd/internal/e2e -run 'TestP1_P4_KilledWhileItSavesAndRestores' -count=1 -timeout 2h -v -args -kills $(N) -letters 1000

hotfolder: build ## 1,000 messages of 1 MB dropped at once into a hot folder, its office killed three times; JSON lines
	@bin/tram-lab hotfolder $(LABFLAGS)

brokers: tools ## the broker suite in its long form, one broker after another: 11,000 offices, 1 MiB at 64 kbit/s
	ulimit -n 30000 2>/dev/null; for broker in EmbeddedBroker Mosquitto NATS RabbitMQ; do \
		CI=1 TRAM_LONG=1 go test -count=1 -timeout 60m -v -run "^Test$$broker\$$" ./sync/linktest | grep -E '^ *(---|ok|FAIL)|_test.go' || exit 1; \
	done

bench: build bench-footprint ## figures of this machine as JSON lines
	@bin/tram-lab bench

bench-footprint: build ## size, memory, processor, start, bytes written per document and idle day, beside their budgets; JSON lines, twenty minutes
	@bin/tram-lab bench footprint $(LABFLAGS)

bench-api: build ## lists and searches over the REST interface of an office with 100,000 documents, as JSON lines
	@bin/tram-lab bench api

bench-search: build ## the index over 100,000 made-up documents and what people type; JSON lines
	@bin/tram-lab bench search

bench-pages: build ## the clerk's pages of an office with 100,000 documents: times, bytes, what is found; JSON lines
	@bin/tram-lab bench pages

bench-console: build ## the console's pages of a hub with 11,000 offices: times and bytes; JSON lines
	@bin/tram-lab bench console

lab: build lab-tools ## Trạm and its rivals over a bad line, an hour or more; the table in sync/README.md
	@bin/tram-lab link $(LABFLAGS) --markdown sync/README.md

lab-quick: build ## the same with Trạm alone and small amounts, under a minute
	@bin/tram-lab link --quick $(LABFLAGS)

image: ## the bootable appliance of IMAGE (amd64, cloud, arm64, armv7) in dist/image; tools: make image-tools
	@case $(IMAGE) in amd64|cloud) arch=amd64 ;; arm64) arch=arm64 ;; armv7) arch=arm ;; *) arch=$(IMAGE) ;; esac; \
		GOOS=linux GOARCH=$$arch GOARM=7 go build $(BUILDFLAGS) -o dist/image/programs-$$arch/ ./cmd/tram ./cmd/tram-init && \
		packaging/image/build $(IMAGE) dist/image/programs-$$arch dist/image

powercut: build ## N power cuts of the appliance in an emulator, with a disk that forgets; JSON lines. Before: make image-tools image IMAGE=cloud
	@bin/tram-lab powercut --count $(N) $(LABFLAGS)

fuzz: ## every fuzz target for FUZZTIME
	@set -e; grep -rhoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' $(FOLDERS) >/dev/null || \
		{ echo "no fuzz target found"; exit 1; }; \
	grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' $(FOLDERS) | sort | \
	while IFS=: read -r file _ func; do \
		name=$${func#func }; echo "== $$name in $$(dirname $$file)"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x ./$$(dirname $$file) </dev/null; \
	done

lint: fmt-check vet staticcheck ## format, go vet for Linux and Windows, staticcheck

fmt-check:
	@bad=$$(gofmt -l $(FOLDERS)); [ -z "$$bad" ] || { echo "not formatted by gofmt:"; echo "$$bad"; exit 1; }

vet:
	go vet ./...

staticcheck:
	GOOS=windows go vet ./cmd/tram ./cmd/tram-hub
	GOARCH=386 go vet ./cmd/tram ./cmd/tram-hub ./cmd/tram-init
	CGO_ENABLED=1 go vet ./cmd/tram-token
	go run $(STATICCHECK) ./...

# -e: a test dependency of a dependency (github.com/google/pprof) is not to be
# had through every proxy. It also hides real errors: read what it prints.
tidy-check: deps-check ## go.mod, go.sum and the reviewed list of modules are what the code needs
	go mod tidy -e -diff
	go mod verify

cross: ## both programs for every platform, in dist/ with SHA256SUMS
	@rm -rf dist; mkdir -p dist; set -e; for target in $(TARGETS); do \
		os=$${target%/*}; arch=$${target#*/}; ext=; [ $$os = windows ] && ext=.exe; \
		for program in $(PROGRAMS); do \
			echo "$$program $$target"; \
			GOOS=$$os GOARCH=$$arch GOARM=7 go build $(BUILDFLAGS) \
				-o dist/$$program-$$os-$$arch$$ext ./cmd/$$program; \
		done; \
	done
	cd dist && sha256sum * > SHA256SUMS

# A version of a release, or of this commit when it is none.
RELEASE ?= $(shell git describe --tags --exact-match 2>/dev/null | sed 's/^v//' | grep . || echo 0.0.1-dev.$$(git log -1 --format=%ct))

package-tools: ## what packages are made with, through apt-get and as Go modules
	@sh .ci/package-tools

packages: package-tools ## deb, rpm, apk, zip and installer of both programs, in dist/packages; HUB=DIR signs with a hub's software key
	$(MAKE) cross VERSION=$(RELEASE) TARGETS="linux/386 linux/amd64 linux/arm linux/arm64 windows/386 windows/amd64 windows/arm64"
	packaging/packages/build $(RELEASE) dist dist/packages
	@[ -z "$(HUB)" ] || dist/tram-hub-linux-$$(go env GOARCH) software sign dist/packages --version $(RELEASE) --data $(HUB)

# Platforms of a stick; PACKAGES= leaves the packages out, which need more tools to make.
STICK ?= linux/amd64 linux/386 linux/arm64 linux/arm windows/amd64 windows/386 windows/arm64
PACKAGES ?= yes

stick: ## contents of a USB stick in dist/stick; HUB=DIR signs with a hub's software key, CSV=FILE invites its offices, or INVITES=DIR; STICK: platforms, PACKAGES= for none
	@if [ -n "$(PACKAGES)" ]; then $(MAKE) packages RELEASE=$(RELEASE) HUB=; else $(MAKE) cross VERSION=$(RELEASE) TARGETS="$(sort $(STICK) linux/$(shell go env GOARCH))"; fi
	HUB="$(HUB)" CSV="$(CSV)" INVITES="$(INVITES)" STICK="$(STICK)" packaging/stick/build $(RELEASE) dist dist/stick

stick-test: package-tools ## a stick's contents in a bare Debian root with systemd: two commands, one answer, to the first delivered documents; says how long it took
	@arch=$$(go env GOARCH); for program in $(PROGRAMS); do go build $(BUILDFLAGS) -o dist/try/$$program-linux-$$arch ./cmd/$$program || exit 1; done
	packaging/stick/try dist/try

packages-test: package-tools ## packages: the same bytes in two builds, lintian, and their lives in clean roots, with programs of all processors
	packaging/packages/try

deps: ## write the modules of each program to packaging/dependencies.txt
	@$(MAKE) -s list-deps > packaging/dependencies.txt

deps-check:
	@$(MAKE) -s list-deps | diff -u packaging/dependencies.txt - || \
		{ echo "run make deps and review the change"; exit 1; }

.PHONY: list-deps
list-deps:
	@for program in $(PROGRAMS); do \
		echo "$$program"; \
		go list -deps -f '{{with .Module}}{{if .Version}}  {{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/$$program | sort -u; \
	done

tools: ## what the tests need besides Go, through apt-get
	@sh .ci/tools

lab-tools: ## what the lab compares Trạm with, through apt-get and as Go modules
	@sh .ci/lab-tools

image-tools: ## what building and booting the appliance needs, through apt-get
	@sh .ci/image-tools

clean: ## remove what was built
	rm -rf bin dist
