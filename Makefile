.PHONY: all clean layer pack build install run test e2e image soak spool layer-full bench bench-counts \
  bench-layer layer-memory lint fuzz-smoke

# How cargo builds wave: release, or dev.
PROFILE ?= release
TARGET := $(or $(CARGO_TARGET_DIR),target)
WAVE := $(TARGET)/$(PROFILE:dev=debug)/wave

# The content of the injected layer, in layer/rootfs and beside it (README, step 1).
all: layer

layer:
	sh layer/all.sh

clean:
	rm -rf layer/rootfs layer/rootfs-arm64 layer/launcher/rootfs layer/launcher/rootfs-arm64 \
	  pack/layers/* pack/launcher

# The commit is shown at /service-info: the one given as WAVE_COMMIT, else that of the checkout.
build: export WAVE_COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null)
build:
	cargo build --profile $(PROFILE) --locked --bin wave

install: build
	install -D -m 755 $(WAVE) $(DESTDIR)/usr/local/bin/wave

# The layer itself, in pack/layers and pack/launcher (README, step 2).
pack: build
	test -d layer/rootfs || test -d layer/rootfs-arm64 || $(MAKE) layer
	sh layer/pack.sh $(WAVE)

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

# What the mount costs beside s3fs and rclone, and whether that meets the goals. FUSION_BENCH_ROUNDS=1 and
# FUSION_BENCH_DIVISOR=10 make it a quick look.
bench-layer:
	sh tests/install.sh benches
	cargo bench --locked --package fusion --bench mount

# The memory of the mount at full size, of the program as it is packed: 64 readers of 1 GiB, a million keys.
layer-memory:
	program=$$(sh layer/static.sh --bin fusion) && FUSION_MEMORY_FULL=1 FUSION_TEST_PROGRAM=$$program \
	  cargo test --locked --package fusion --test memory -- --nocapture --test-threads 1

# The tests of the blob cache at full size: 10 000 random small blobs, a folder of a million.
spool:
	WAVE_SPOOL_BLOBS=10000 WAVE_SPOOL_OBJECTS=1000000 cargo test --locked --test it spool

# The driver under the known tools for file systems at full size: 100 000 operations of fsx, with and without faults.
layer-full:
	sh tests/install.sh
	FUSION_FSX_OPERATIONS=100000 FUSION_FIO_MIB=256 FUSION_OVERWRITES=1000 \
	  cargo test --locked -p fusion --test driver posix

lint:
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Twenty seconds of every fuzz target, where a nightly compiler and cargo-fuzz exist.
fuzz-smoke:
	sh fuzz/smoke.sh
