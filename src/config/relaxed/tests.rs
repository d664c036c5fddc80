use super::*;

fn value(written: &str, want: &str, name: &str) {
    match path(written, Given::Something) {
        Meaning::Value(slot) => assert_eq!((slot.path, &*slot.name), (want, name), "{written}"),
        other => panic!("{written}: {other:?}"),
    }
}

#[test]
fn spellings_of_one_key() {
    for written in
        ["wave.layerPath", "wave.layer-path", "wave.layer_path", "WAVE.LAYER-PATH", "wave.LayerPath"]
    {
        value(written, "wave.layer-path", "");
    }
    value("wave.tokens.cache.maxSize", "wave.tokens.max-count", "");
    value("rate-limit.pull.anonymous", "wave.rate-limit.pull.anonymous", "");
    value("rateLimit.pull.anonymous", "wave.rate-limit.pull.anonymous", "");
}

#[test]
fn dotted_hosts() {
    value("wave.registries.docker.io.username", "wave.registries.<host>.username", "docker.io");
    value("wave.registries.Index.Docker.IO.username", "wave.registries.<host>.username", "docker.io");
    value("wave.registries.my_host:5000.caFile", "wave.registries.<host>.ca-file", "my_host:5000");
    value("wave.registries.[::1]:5000.insecure", "wave.registries.<host>.insecure", "[::1]:5000");
    value("wave.registries.default", "wave.registries.default", "");
    let file = path("wave.registries.quay.io.password.file", Given::Something);
    assert_eq!(file, Meaning::File(Slot::named("wave.registries.<host>.password", "quay.io")));
    let listed = path("wave.registries.quay.io", Given::Nothing);
    assert_eq!(listed, Meaning::Value(Slot::named("wave.registries.<host>", "quay.io")));
    assert_eq!(path("wave.registries.a b.username", Given::Something), Meaning::BadHost);
    assert_eq!(path("wave.registries.a b", Given::Nothing), Meaning::BadHost);
}

#[test]
fn users_keep_their_spelling() {
    value("wave.accounts.Alice.B_c", "wave.accounts.<user>", "Alice.B_c");
    let file = path("wave.accounts.bob.file", Given::Something);
    assert_eq!(file, Meaning::File(Slot::named("wave.accounts.<user>", "bob")));
}

#[test]
fn nearest_keys() {
    let hint = |written: &str, want: Option<&str>| match path(written, Given::Something) {
        Meaning::Unknown(hint) => assert_eq!(hint.as_deref(), want, "{written}"),
        other => panic!("{written}: {other:?}"),
    };
    hint("wave.sever.url", Some("wave.server.url"));
    hint("wave.server.max-connection", Some("wave.server.max-connections"));
    hint("server.url", Some("wave.server.url"));
    hint("wave.registries.quay.io.usrname", Some("wave.registries.<host>.username"));
    hint("wave.registries.quay.io.frobnicate", None);
    hint("something.else", None);
    hint("", None);
    hint("...", None);
    hint("wave.registries.", None);
    let unlisted = path("wave.registries.quay.io.usrname", Given::Nothing);
    assert_eq!(unlisted, Meaning::Unknown(Some("wave.registries.<host>.username".into())));
}

#[test]
fn variables() {
    let hosts = ["my-registry.example.com:5000".to_string()];
    let check = |name: &str, want: &'static str, host: &str| {
        assert_eq!(variable(name, &hosts), Some(Meaning::Value(Slot::named(want, host))), "{name}");
    };
    check("WAVE_SERVER_URL", "wave.server.url", "");
    check("WAVE_LAYER_PATH", "wave.layer-path", "");
    check("WAVE_LAYERPATH", "wave.layer-path", "");
    check("WAVE_SERVER_MAX_CONNECTIONS", "wave.server.max-connections", "");
    check("WAVE_TOKENS_CACHE_DURATION", "wave.tokens.duration", "");
    check("MICRONAUT_SERVER_PORT", "micronaut.server.port", "");
    check("TOWER_API_ENDPOINT", "tower.api.endpoint", "");
    check("WAVE_REGISTRIES_DEFAULT", "wave.registries.default", "");
    check("WAVE_REGISTRIES_DOCKER_IO_USERNAME", "wave.registries.<host>.username", "docker.io");
    check("WAVE_REGISTRIES_LOCALHOST_5000_CA_FILE", "wave.registries.<host>.ca-file", "localhost:5000");
    check("WAVE_REGISTRIES_10_0_0_1_URL", "wave.registries.<host>.url", "10.0.0.1");
    let known = "WAVE_REGISTRIES_MY_REGISTRY_EXAMPLE_COM_5000_FORWARD_CREDENTIALS";
    check(known, "wave.registries.<host>.forward-credentials", &hosts[0]);
    check("WAVE_ACCOUNTS_ALICE", "wave.accounts.<user>", "alice");
    let file = variable("WAVE_REGISTRIES_QUAY_IO_PASSWORD_FILE", &hosts);
    assert_eq!(file, Some(Meaning::File(Slot::named("wave.registries.<host>.password", "quay.io"))));
    assert!(matches!(variable("WAVE_BUILD_REPO", &hosts), Some(Meaning::Inert(_))));
    assert_eq!(variable("WAVE_SERVER_URI", &hosts), Some(Meaning::Unknown(Some("WAVE_SERVER_URL".into()))));
    assert!(matches!(variable("WAVE_ARCH", &hosts), Some(Meaning::Inert(_))));
    assert!(matches!(variable("WAVE_ARCHIVE", &hosts), Some(Meaning::Unknown(_))));
    assert_eq!(variable("WAVE_REGISTRIES_X_FOO", &hosts), Some(Meaning::Unknown(None)));
    for other in ["PATH", "WAVELENGTH", "TOWERAPIENDPOINT", "REDIS_HOST", "MAIL"] {
        assert_eq!(variable(other, &hosts), None, "{other}");
    }
}

#[test]
fn distances() {
    assert_eq!((edits("", "abc"), edits("abc", ""), edits("kitten", "sitting")), (3, 3, 3));
}
