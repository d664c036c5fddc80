#!/bin/sh
# Makes a small OCI image layout from the static program in layer/examples/hello.rs; nothing is downloaded.
#
#   deploy/demo/image.sh WAVE DIR     WAVE is the wave binary, DIR becomes the layout
set -eu

wave=$1
layout=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/rootfs"
# For the machine it is shown on.
case $(uname -m) in
  aarch64) FUSION_TARGET=aarch64-unknown-linux-musl architecture=arm64 ;;
  *) FUSION_TARGET=x86_64-unknown-linux-musl architecture=amd64 ;;
esac
export FUSION_TARGET
cp "$("$here/layer/static.sh" --example hello)" "$work/rootfs/hello"
"$wave" pack "$work/rootfs" --output "$work/pack" >&2

field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$work/pack/layers/layer.json" | head -n 1; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { wc -c <"$1" | tr -d ' '; }

rm -rf "$layout"
mkdir -p "$layout/blobs/sha256"
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
layer=$(field gzipDigest)
cp "$work/pack/layers/layer.tar.gzip" "$layout/blobs/sha256/${layer#sha256:}"

cat >"$work/config.json" <<JSON
{"created":"1970-01-01T00:00:00Z","architecture":"$architecture","os":"linux","config":{"Entrypoint":["/hello"]},"rootfs":{"type":"layers","diff_ids":["$(field tarDigest)"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"deploy/demo/image.sh"}]}
JSON
config=$(digest "$work/config.json")
cp "$work/config.json" "$layout/blobs/sha256/$config"

cat >"$work/manifest.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(size "$work/config.json")},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"$layer","size":$(field gzipSize)}]}
JSON
manifest=$(digest "$work/manifest.json")
cp "$work/manifest.json" "$layout/blobs/sha256/$manifest"

cat >"$layout/index.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$(size "$work/manifest.json"),"platform":{"architecture":"$architecture","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"hello:latest"}}]}
JSON
printf 'sha256:%s\n' "$manifest"
