#!/bin/sh
# Builds every fuzz target, without coverage and with the ordinary compiler, so that they cannot rot.
set -eu
cd "$(dirname "$0")/.."
CARGO_TARGET_DIR=target cargo build --quiet --locked --manifest-path fuzz/Cargo.toml
