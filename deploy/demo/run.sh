#!/bin/sh
# Starts the proxy, shows the main job, and keeps serving.
#
#   deploy/demo/run.sh WAVE [FOLDER]    WAVE is the wave binary; FOLDER, target/demo if not given, holds the image
#                                       that is shown; it listens where deploy/demo/config.yml or the environment
#                                       (WAVE_SERVER_BIND, WAVE_ADMIN_BIND) say, port 9090 by default
set -eu

wave=$1
cd "$(dirname "$0")/../.."
folder=${2:-target/demo}
DEMO_LAYOUT=$folder/layout
export DEMO_LAYOUT

base=$(deploy/demo/image.sh "$wave" "$DEMO_LAYOUT")

proxy=
asked=
# One signal to us is one to the proxy: the first lets pulls in flight finish, a second ends them.
forward() {
  asked=yes
  [ -z "$proxy" ] || kill "$proxy" 2>/dev/null || true
}
# A signal ends `wait`, and not the proxy.
await() {
  status=0
  until wait "$proxy"; do
    status=$?
    kill -0 "$proxy" 2>/dev/null || break
    status=0
  done
  proxy=
}
# Nothing stays behind, however we end.
finish() {
  [ -n "$proxy" ] || return 0
  [ -n "$asked" ] || forward
  await
}
trap finish EXIT
trap forward HUP INT TERM

ready=$folder/ready
rm -f "$ready"
mkfifo "$ready"
# In a session of its own, as the terminal sends Ctrl-C to all of ours.
setsid "$wave" serve --config deploy/demo/config.yml >"$ready" &
proxy=$!
{
  plain=
  while read -r word rest; do
    case $word in
      listening) case $rest in plain\ *) plain=${rest#plain } ;; esac ;;
      ready) break ;;
    esac
  done
  [ -n "$plain" ] || { await; exit 1; }
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
  await
  exit "$status"
} <"$ready"
