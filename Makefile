.PHONY: all clean layer pack build install run test e2e image soak spool bench bench-counts lint fuzz-smoke

# How cargo builds wave: release, or dev.
PROFILE ?= release
TARGET := $(or $(CARGO_TARGET_DIR),target)
WAVE := $(TARGET)/$(PROFILE:dev=debug)/wave

# The content of the injected layer, in layer/rootfs (README, step 2).
all: layer

layer:
	sh layer/build.sh

clean:
	rm -rf layer/rootfs pack/layers/*

# The commit is shown at /service-info: the one given as WAVE_COMMIT, else that of the checkout.
build: export WAVE_COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null)
build:
	cargo build --profile $(PROFILE) --locked --bin wave

install: build
	install -D -m 755 $(WAVE) $(DESTDIR)/usr/local/bin/wave

# The layer itself, in pack/layers (README, step 3).
pack: build
	test -d layer/rootfs || $(MAKE) layer
	$(WAVE) pack layer/rootfs

# Builds, packs, starts on port 9090, shows the main job, and keeps serving.
run: all pack
	sh deploy/demo/run.sh $(WAVE) $(TARGET)/demo

# Everything a machine needs to run all tests, and the tests.
test:
	sh tests/install.sh
	$(MAKE) all
	cargo test --locked --workspace
	sh tests/image.sh

# The real registries and clients alone.
e2e:
	sh tests/install.sh
	$(MAKE) all
	cargo test --locked --test e2e

# The Dockerfile alone.
image:
	sh tests/install.sh
	sh tests/image.sh

# The load test at full size and with the binary people run: 200 concurrent pulls of a 300 MB image.
soak:
	sh tests/install.sh
	$(MAKE) all build
	WAVE_SOAK=200 WAVE_BINARY=$(abspath $(WAVE)) cargo test --locked --test e2e soak

# What rewriting, packing and serving blobs cost beside others, and whether that meets the goals.
bench:
	sh tests/install.sh benches
	cargo bench --locked --bench rewrite --bench pack --bench blob

# Instructions of each way to rewrite a document: the same on a loaded machine as on a quiet one.
bench-counts:
	sh tests/install.sh benches
	bench=$$(cargo bench --locked --bench rewrite --no-run --message-format=json | \
	  sed -n '/"name":"rewrite"/s/.*"executable":"\([^"]*\)".*/\1/p') && \
	sh benches/rewrite/counts.sh "$${bench:?the bench is not built}"

# The tests of the blob cache at full size: 10 000 random small blobs, a folder of a million.
spool:
	WAVE_SPOOL_BLOBS=10000 WAVE_SPOOL_OBJECTS=1000000 cargo test --locked --test it spool

lint:
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Twenty seconds of every fuzz target, where a nightly compiler and cargo-fuzz exist.
fuzz-smoke:
	sh fuzz/smoke.sh
