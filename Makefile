.PHONY: all clean layer pack build run test e2e soak lint fuzz-smoke

WAVE := target/release/wave

# The content of the injected layer, in layer/rootfs (README, step 2).
all: layer

layer:
	sh layer/build.sh

clean:
	rm -rf layer/rootfs pack/layers/*

# The commit is shown at /service-info: the one given as WAVE_COMMIT, else that of the checkout.
build: export WAVE_COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null)
build:
	cargo build --release --locked --bin wave

# The layer itself, in pack/layers (README, step 3).
pack: build
	test -d layer/rootfs || $(MAKE) layer
	$(WAVE) pack layer/rootfs

# Builds, packs, starts on port 9090, shows the main job, and keeps serving.
run: all pack
	sh deploy/demo/run.sh $(WAVE)

# Everything a machine needs to run all tests, and the tests.
test:
	sh tests/install.sh
	$(MAKE) all
	cargo test --locked --workspace

# The real registries and clients alone.
e2e:
	sh tests/install.sh
	$(MAKE) all
	cargo test --locked --test e2e

# The load test at full size: 200 concurrent pulls of a 300 MB image.
soak:
	sh tests/install.sh
	$(MAKE) all
	WAVE_SOAK=200 cargo test --locked --test e2e soak -- --nocapture

lint:
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Twenty seconds of every fuzz target, where a nightly compiler and cargo-fuzz exist.
fuzz-smoke:
	sh fuzz/smoke.sh
