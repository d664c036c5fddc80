#!/bin/sh
# Instructions that each function of the rewrite bench takes for one document, by callgrind: the same on a loaded
# machine as on a quiet one.
#
#   benches/rewrite/counts.sh BENCH     BENCH is the built bench program
set -eu

bench=$1
command -v valgrind >/dev/null || { echo 'counts.sh: valgrind is missing: apt-get install valgrind' >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Instructions of a whole run of GROUP FUNCTION TIMES.
run() {
  valgrind --tool=callgrind --callgrind-out-file="$work/out" "$bench" --count "$1" "$2" "$3" >/dev/null 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
  sed -n 's/^summary: //p' "$work/out"
}

printf '%-12s %10s %10s %10s %10s %10s %10s\n' document floor hash splice visitor value typed
for group in manifest-5 manifest-70 index-12 config-1000; do
  printf '%-12s' "$group"
  for function in floor hash splice visitor value typed; do
    # What setting up takes is in both.
    few=$(run "$group" "$function" 10)
    many=$(run "$group" "$function" 60)
    printf ' %10s' "$(((many - few) / 50))"
  done
  printf '\n'
done
