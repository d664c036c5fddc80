#!/bin/sh
# Starts the proxy, shows the main job, and keeps serving.
#
#   deploy/demo/run.sh WAVE     WAVE is the wave binary; it listens where deploy/demo/config.yml or the
#                               environment (WAVE_SERVER_BIND, WAVE_ADMIN_BIND) say, port 9090 by default
set -eu

wave=$1
cd "$(dirname "$0")/../.."
base=$(deploy/demo/image.sh "$wave" target/demo/layout)

ready=target/demo/ready
rm -f "$ready"
mkfifo "$ready"
proxy=
trap '[ -z "$proxy" ] || kill "$proxy" 2>/dev/null || true' INT TERM
"$wave" serve --config deploy/demo/config.yml >"$ready" &
proxy=$!
{
  plain=
  while read -r word rest; do
    case $word in
      listening) case $rest in plain\ *) plain=${rest#plain } ;; esac ;;
      ready) break ;;
    esac
  done
  [ -n "$plain" ] || { wait "$proxy" || exit 1; exit 1; }
  at=localhost:${plain##*:}

  printf '\nbefore: the image as its registry has it, asked for by digest\n'
  "$wave" inspect --pull --endpoint "http://$at" "demo.local/hello@$base"
  printf '\nafter: the same image pulled by tag through the proxy\n'
  "$wave" inspect --pull --endpoint "http://$at" demo.local/hello:latest
  cat <<TEXT

serving on $at; try, from another terminal:

    docker pull $at/demo.local/hello
    docker run --rm $at/demo.local/hello
    docker run --rm $at/demo.local/hello cat foo.txt
    docker pull $at/library/busybox

Ctrl-C stops it.
TEXT
  # Reads on, so that the proxy never finds its standard output closed.
  cat >/dev/null &
  status=0
  wait "$proxy" || status=$?
  exit "$status"
} <"$ready"
