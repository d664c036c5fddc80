//! The commands that make the images, row by row.
//!
//! `{name}` is the name of the image, `{to}` its place in the registry, `HOST:PORT/made/NAME:1`, and `~` a space
//! within a word. Commands run in a folder that holds the files of `FILES` and `file.txt`, which is another one for
//! each image: clients remember where they have seen a layer, and do not compress it twice.

/// The name of an image, and its commands in order.
pub(super) type Row = (&'static str, &'static [&'static str]);

/// The files that images are built from.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "app",
        r#"FROM scratch
ARG VERSION=1
LABEL org.opencontainers.image.title="app" test.text="😀 <&> \"quoted\""
ENV PATH=/bin GREETING="hello world"
COPY file.txt /srv/
WORKDIR /work
VOLUME /data
EXPOSE 80/tcp 53/udp
USER 1000:1000
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/app", "--serve"]
CMD ["--port", "80"]
"#,
    ),
    (
        "shell",
        r#"FROM scratch
COPY file.txt /srv/
HEALTHCHECK --interval=5s CMD ["/bin/sh", "-c", "true"]
ONBUILD ENV A=b
SHELL ["/bin/sh", "-euc"]
ENTRYPOINT exec app
"#,
    ),
    (
        "layers",
        "FROM scratch\nCOPY file.txt /1\nENV A=1\nCOPY file.txt /2\nLABEL b=2\nCOPY file.txt /3\nCOPY app /4\n\
         COPY shell /5\nENV A=2\nCMD [\"/1\"]\n",
    ),
    ("one", "FROM scratch\nCOPY file.txt /srv/\n"),
    ("none", "FROM scratch\nLABEL only=labels\nENV A=b\n"),
];

/// buildah.
pub(super) const BUILDAH: &[Row] = &[
    (
        "buildah-oci",
        &[
            "buildah bud --format oci -f app -t {name} .",
            "buildah push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "buildah-docker",
        &[
            "buildah bud --format docker -f shell -t {name} .",
            "buildah push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "buildah-layers",
        &[
            "buildah bud --layers --format oci --annotation org.opencontainers.image.source=https://example.org/app -f layers -t {name} .",
            "buildah push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "buildah-zstd",
        &[
            "buildah bud --format oci -f one -t {name} .",
            "buildah push --tls-verify=false --compression-format zstd {name} docker://{to}",
        ],
    ),
    (
        "buildah-zstd-chunked",
        &[
            "buildah bud --format oci -f app -t {name} .",
            "buildah push --tls-verify=false --compression-format zstd:chunked {name} docker://{to}",
        ],
    ),
    (
        "buildah-index",
        &[
            "buildah bud --format oci -f app -t {name}-amd64 .",
            "buildah bud --format oci --platform linux/arm64/v8 -f app -t {name}-arm64 .",
            "buildah manifest create {name}",
            "buildah manifest add {name} {name}-amd64",
            "buildah manifest add --arch arm64 --variant v8 {name} {name}-arm64",
            "buildah manifest push --tls-verify=false --all {name} docker://{to}",
        ],
    ),
    (
        "buildah-list",
        &[
            "buildah bud --format docker -f one -t {name}-amd64 .",
            "buildah bud --format docker --platform linux/arm64 -f one -t {name}-arm64 .",
            "buildah manifest create {name}",
            "buildah manifest add {name} {name}-amd64",
            "buildah manifest add --arch arm64 {name} {name}-arm64",
            "buildah manifest push --tls-verify=false --all --format v2s2 {name} docker://{to}",
        ],
    ),
    (
        "buildah-commit",
        &[
            "buildah from --name {name} scratch",
            "buildah copy {name} file.txt /file.txt",
            "buildah config --env A=b --label c=d --user 5 --port 80 --volume /v {name}",
            "buildah commit --format docker {name} {name}",
            "buildah push --tls-verify=false {name} docker://{to}",
        ],
    ),
];

/// podman.
pub(super) const PODMAN: &[Row] = &[
    (
        "podman-oci",
        &[
            "podman build --squash-all -f app -t {name} .",
            "podman push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "podman-docker",
        &[
            "podman build --format docker -f shell -t {name} .",
            "podman push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "podman-zstd",
        &[
            "podman build -f one -t {name} .",
            "podman push --tls-verify=false --compression-format zstd {name} docker://{to}",
        ],
    ),
    (
        "podman-uncompressed",
        &[
            "podman build -f one -t {name} .",
            "podman save --quiet --uncompressed --format oci-dir -o saved {name}",
            "skopeo copy --quiet --preserve-digests --dest-tls-verify=false oci:saved docker://{to}",
        ],
    ),
    (
        "podman-import",
        &[
            "busybox tar -cf {name}.tar file.txt",
            "podman import --quiet --change CMD=/bin/app --message imported {name}.tar {name}",
            "podman push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "podman-commit",
        &[
            "podman build --format oci -f app -t {name}-base .",
            "podman create --name {name} {name}-base",
            "podman commit --quiet --format oci --change ENV=ADDED=later --author somebody {name} {name}",
            "podman push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "podman-commit-docker",
        &[
            "podman build --format docker -f app -t {name}-base .",
            "podman create --name {name} {name}-base",
            "podman commit --quiet --format docker --message changed {name} {name}",
            "podman push --tls-verify=false {name} docker://{to}",
        ],
    ),
    (
        "podman-index",
        &[
            "podman build --format oci -f one -t {name}-amd64 .",
            "podman manifest create {name}",
            "podman manifest add {name} containers-storage:localhost/{name}-amd64",
            "podman manifest push --tls-verify=false --all {name} docker://{to}",
        ],
    ),
    (
        "podman-list",
        &[
            "podman build --format docker -f layers -t {name}-amd64 .",
            "podman manifest create {name}",
            "podman manifest add {name} containers-storage:localhost/{name}-amd64",
            "podman manifest push --tls-verify=false --all --format v2s2 {name} docker://{to}",
        ],
    ),
];

/// docker.
pub(super) const DOCKER: &[Row] = &[
    ("docker-build", &["docker build -q -f app -t {to} .", "docker push -q {to}"]),
    ("docker-shell", &["docker build -q -f shell -t {to} .", "docker push -q {to}"]),
    ("docker-layers", &["docker build -q -f layers -t {to} .", "docker push -q {to}"]),
    ("docker-no-layers", &["docker build -q -f none -t {to} .", "docker push -q {to}"]),
    (
        "docker-import",
        &[
            "busybox tar -cf {name}.tar file.txt",
            "docker import --change CMD~/bin/app --message imported {name}.tar {to}",
            "docker push -q {to}",
        ],
    ),
    (
        "docker-commit",
        &[
            "docker build -q -f one -t {name} .",
            "docker create --name {name} {name} /bin/app",
            "docker commit --author somebody --message changed --change LABEL~x=y {name} {to}",
            "docker push -q {to}",
        ],
    ),
    (
        "docker-list",
        &[
            "docker build -q -f one -t {to}-amd64 .",
            "docker push -q {to}-amd64",
            "docker manifest create --insecure {to} {to}-amd64",
            "docker manifest push --insecure {to}",
        ],
    ),
];

/// skopeo, from what docker saves and what umoci makes; and umoci.
pub(super) const SKOPEO: &[Row] = &[
    (
        "skopeo-docker-save",
        &[
            "docker build -q -f app -t {name} .",
            "docker save -o {name}.tar {name}",
            "skopeo copy --quiet --dest-tls-verify=false docker-archive:{name}.tar docker://{to}",
        ],
    ),
    (
        "skopeo-oci",
        &[
            "docker build -q -f layers -t {name} .",
            "docker save -o {name}.tar {name}",
            "skopeo copy --quiet --dest-tls-verify=false --format oci docker-archive:{name}.tar docker://{to}",
        ],
    ),
    (
        "skopeo-zstd",
        &[
            "docker build -q -f one -t {name} .",
            "docker save -o {name}.tar {name}",
            "skopeo copy --quiet --dest-tls-verify=false --format oci --dest-compress-format zstd docker-archive:{name}.tar docker://{to}",
        ],
    ),
    (
        "skopeo-v2s2",
        &[
            "umoci init --layout {name}",
            "umoci new --image {name}:1",
            "umoci config --image {name}:1 --config.user 5 --config.entrypoint /bin/app --config.entrypoint --serve",
            "umoci insert --image {name}:1 file.txt /srv/file.txt",
            "skopeo copy --quiet --dest-tls-verify=false --format v2s2 oci:{name}:1 docker://{to}",
        ],
    ),
    (
        "umoci-no-layers",
        &[
            "umoci init --layout {name}",
            "umoci new --image {name}:1",
            "skopeo copy --quiet --preserve-digests --dest-tls-verify=false oci:{name}:1 docker://{to}",
        ],
    ),
    (
        "umoci-insert",
        &[
            "umoci init --layout {name}",
            "umoci new --image {name}:1",
            "umoci config --image {name}:1 --config.cmd run --author somebody --manifest.annotation org.example.kind=small",
            "umoci insert --image {name}:1 file.txt /srv/file.txt",
            "umoci insert --image {name}:1 app /srv/app",
            "skopeo copy --quiet --preserve-digests --dest-tls-verify=false oci:{name}:1 docker://{to}",
        ],
    ),
];

/// From the hand-made layout of `support::images`, by skopeo: name and tag of the layout. No tool of Debian makes these.
pub(super) const LAYOUT: &[(&str, &str)] =
    &[("attestation-image", "index"), ("attestation-artifact", "attested"), ("entrypoint-string", "string")];
