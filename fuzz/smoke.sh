#!/bin/sh
# Runs every fuzz target for some seconds (FUZZ_SECONDS, 20 if not given).
set -eu
cd "$(dirname "$0")/.."
if ! cargo +nightly --version >/dev/null 2>&1; then
  echo 'fuzz/smoke.sh: no nightly compiler here: nothing was fuzzed'
  exit 0
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo 'fuzz/smoke.sh: cargo-fuzz is missing: cargo install cargo-fuzz'
  exit 1
fi
for target in fuzz/fuzz_targets/*.rs; do
  name=$(basename "$target" .rs)
  cargo +nightly fuzz run "$name" -- -max_total_time="${FUZZ_SECONDS:-20}" -print_final_stats=1
done
