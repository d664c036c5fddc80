#!/bin/sh
# Builds every fuzz target, without coverage and with the ordinary compiler, so that they cannot rot.
set -eu
cd "$(dirname "$0")/.."
# The target folder of the project, so that dependencies are built once.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target} cargo build --quiet --locked --manifest-path fuzz/Cargo.toml
