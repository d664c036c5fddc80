#!/bin/sh
# Runs every fuzz target for some seconds (FUZZ_SECONDS, 20 if not given), as many at a time as there are processors.
#
# Where the nightly compiler or cargo-fuzz is missing nothing is fuzzed, which is said by name; FUZZ_REQUIRED=1 makes
# that a failure. What the fuzzer finds on its way is kept in the target folder, not in the corpus of the project; an
# input that breaks a property is in fuzz/artifacts, and belongs into fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."

missing=
cargo +nightly --version >/dev/null 2>&1 ||
  missing='a nightly toolchain (rustup toolchain install nightly --profile minimal)'
cargo fuzz --version >/dev/null 2>&1 ||
  missing="${missing:+$missing, }cargo-fuzz (cargo install cargo-fuzz --locked)"
if [ -n "$missing" ]; then
  echo "fuzz/smoke.sh: nothing was fuzzed, as these are missing: $missing" >&2
  exit "${FUZZ_REQUIRED:-0}"
fi

target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR="$target/fuzz"
# No code of this project that is fuzzed is unsafe: a sanitizer would watch over dependencies alone (simdutf8, sha2), and
# slow everything down.
cargo +nightly fuzz build --sanitizer none

run() {
  mkdir -p "$target/fuzz/found/$1"
  # New inputs go to the first folder.
  if cargo +nightly fuzz run --sanitizer none "$1" "$target/fuzz/found/$1" "fuzz/corpus/$1" -- \
    -max_total_time="${FUZZ_SECONDS:-20}" -print_final_stats=1 >"$target/fuzz/$1.log" 2>&1; then
    printf 'fuzz/smoke.sh: %s: %s inputs\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$target/fuzz/$1.log")"
  else
    tail -n 40 "$target/fuzz/$1.log" >&2
    echo "fuzz/smoke.sh: $1 failed; all of it is in $target/fuzz/$1.log" >&2
    return 1
  fi
}

# Shells start background jobs with SIGINT ignored: what ^C is meant to end, this whole process group, ends by SIGTERM.
trap 'trap "" TERM; kill -TERM 0; wait; exit 130' INT

failed=0
all=$(basename -s .rs fuzz/fuzz_targets/*.rs)
while [ -n "$all" ]; do
  running=
  for name in $(echo "$all" | head -n "$(nproc)"); do
    run "$name" &
    running="$running $!"
  done
  all=$(echo "$all" | tail -n "+$(($(nproc) + 1))")
  for one in $running; do wait "$one" || failed=1; done
done
exit $failed
