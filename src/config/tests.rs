use super::*;

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<Vec<_>>().into_iter()
}

fn good(text: &str) -> Loaded {
    parse_text(text, env(&[])).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// The problems of a text, as printed.
fn wrong(text: &str) -> String {
    parse_text(text, env(&[])).unwrap_err().to_string()
}

#[test]
fn nothing_at_all_is_valid() {
    let config = Config::default();
    assert_eq!(config.server.bind, "[::]:9090".parse().unwrap());
    assert_eq!(config.admin.bind, "127.0.0.1:9091".parse().unwrap());
    assert_eq!(config.tokens.duration, Duration::from_secs(36 * 3600));
    assert_eq!(config.upstream.document_limit, 4 << 20);
    assert_eq!((config.rate.anonymous, config.server.max_connections), (None, 10_000));
    assert!(config.allow_anonymous && config.server.tls.is_none() && config.layer_path.is_none());
    assert_eq!(good("").notes, vec![]);
}

#[test]
fn each_default_of_the_table_is_what_holds() {
    let effective = Config::default().effective();
    for key in keys().filter(|key| !key.path.contains('<') && !key.path.starts_with("wave.server.tls.bind")) {
        if let Fallback::Is(text) = key.default {
            let line = effective.lines().find(|line| line.starts_with(&format!("{}: ", key.path)));
            let value =
                line.unwrap_or_else(|| panic!("{} is not shown", key.path)).split_once(": ").unwrap().1;
            assert_eq!(value.trim_matches('"'), shown(text), "{}", key.path);
        }
    }
}

/// Defaults are written as they are printed, but for units.
fn shown(text: &str) -> &str {
    match text {
        "60s" => "1m",
        text => text,
    }
}

#[test]
fn the_keys_of_the_original() {
    let loaded = good(
        "micronaut:\n  server:\n    port: 8080\n\
         wave:\n  debug: true\n  arch: amd64\n  allowAnonymous: true\n  layerPath: some/layer.json\n  \
         server:\n    url: \"https://reg.example.com\"\n  \
         registries:\n    default: quay.io\n    docker.io:\n      username: \"me\"\n      password: 'pa:ss'\n    \
         quay.io.username: x\n    quay.io:\n      password: 0123\n    ecr.example.com:\n  \
         tokens:\n    cache:\n      duration: 1h\n      max-size: 10000\n  \
         storage.cache.maxSize: 5\n  build:\n    workspace: ${NOT_SET}/x\n    k8s: {labels: {a: [1]}}\n\
         rate-limit:\n  pull:\n    anonymous: 100 / 1h\n  build: {anonymous: 10/1h}\n\
         redis.uri: redis://x\nsurrealdb: {ns: a}\nmail: {from: b}\ndatasources.default.url: c\n\
         tower.api.endpoint: http://localhost:8000/api\nlogger: {levels: {io.seqera: DEBUG}}\n\
         endpoints: {all: {enabled: true}}\n",
    );
    let config = &loaded.config;
    assert_eq!(config.server.bind, "[::]:8080".parse().unwrap());
    assert_eq!(config.server.url.as_ref().unwrap().as_str(), "https://reg.example.com/");
    assert_eq!(config.layer_path.as_deref().unwrap().to_str(), Some("some/layer.json"));
    assert_eq!(config.registries.default.as_str(), "quay.io");
    assert_eq!((config.tokens.duration, config.tokens.max_count), (Duration::from_secs(3600), 10_000));
    assert_eq!(config.rate.anonymous, Some(Quota { count: 100, per: Duration::from_secs(3600) }));
    assert_eq!(config.platform.as_ref().unwrap().as_str(), "http://localhost:8000/api");
    let credentials =
        |host: &str| config.registries.listed[&host.parse().unwrap()].credentials.clone().unwrap();
    assert_eq!(credentials("docker.io").password.expose(), "pa:ss");
    assert_eq!(credentials("quay.io").password.expose(), "0123");
    assert!(config.registries.listed.contains_key(&"ecr.example.com".parse().unwrap()));
    let notes: Vec<&str> = loaded.notes.iter().map(|note| &*note.path).collect();
    for inert in
        ["wave.debug", "wave.arch", "wave.build", "wave.storage", "rate-limit.build", "redis", "mail"]
    {
        assert!(notes.contains(&inert), "{inert} in {notes:?}");
    }
    let build = loaded.notes.iter().find(|note| note.path == "wave.build").unwrap();
    assert!(build.message.contains("not enabled in this version (wave.build.k8s.labels.a, "), "{build}");
}

#[test]
fn all_problems_at_once() {
    let problems = wrong(
        "wave:\n  sever: {url: x}\n  server:\n    bind: nowhere\n    header-timeout: 10\n    url: ftp://x\n  \
         admin.bind: \"0.0.0.0:9090\"\n  allowAnonymous: maybe\n  tokens.max-bytes: 1KiB\n  \
         accounts: {eve: hunter2}\n  cache.root-ttl: 1h\n  layer-path: [a, b]\n  data-dir: ${NOT_SET}\n  \
         registries:\n    unlisted: perhaps\n    a b: {username: x}\n    quay.io: {usernme: x, verify: never}\n",
    );
    for expected in [
        "wave.sever.url: is not a key (line 2); did you mean wave.server.url?",
        "wave.server.bind: 'nowhere' is not an address",
        "wave.server.header-timeout: '10' is not a duration",
        "wave.server.url: 'ftp://x' is not an http",
        "wave.admin.bind: 0.0.0.0:9090 is taken by wave.server.bind",
        "wave.allow-anonymous: 'maybe' is neither true nor false (line 8)",
        "wave.tokens.max-bytes: must be at least 32MiB",
        "wave.accounts.eve: is not the SHA-256",
        "wave.cache.root-ttl: is shorter than wave.tokens.duration",
        "wave.layer-path: takes one value",
        "wave.data-dir: needs the environment variable NOT_SET",
        "wave.registries.unlisted: 'perhaps' is neither",
        "wave.registries.a b.username: does not name a registry",
        "did you mean wave.registries.<host>.username?",
        "wave.registries.quay.io.verify: 'never' is neither",
    ] {
        assert!(problems.contains(expected), "{expected}\nin\n{problems}");
    }
    assert_eq!(problems.lines().count(), 15, "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn mistakes_between_keys() {
    let check = |text: &str, part: &str| {
        let problems = wrong(text);
        assert!(problems.contains(part), "{text}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{text}: {problems}");
    };
    let hash = "a".repeat(64);
    check(
        "wave.layerPath: a\nwave.layer-path: b\n",
        "is written twice (line 1, and line 2 as wave.layer-path)",
    );
    check("wave.server.bind: ':80'\nmicronaut.server.port: 81\n", "disagree");
    check("wave.server.tls.key: k\n", "wave.server.tls.certificate: is missing");
    check("wave.server.tls.certificate: k\n", "wave.server.tls.key: is missing");
    check("wave.server.tls.bind: ':1'\n", "wave.server.tls.certificate: is missing");
    check("wave.server.tls: {bind: ':9090', key: k, certificate: c}\n", "is taken by wave.server.bind");
    check("wave.allow-anonymous: false\n", "nobody would be served");
    // No access token is looked at, so a platform lets nobody in.
    check("wave.allow-anonymous: false\ntower.api.endpoint: 'https://a.io'\n", "nobody would be served");
    check(&format!("wave.accounts: {{'a:b': {hash}}}\n"), "is not a user name");
    check("wave.server.head-deadline: 5s\n", "is not longer than wave.upstream.connect-timeout");
    check(
        "wave.upstream.breaker-pause: 1m\n",
        "breaker-longest: is shorter than wave.upstream.breaker-pause",
    );
    check(
        "wave.upstream: {rate: 1 / 1s, rate-wait: 60s}\n",
        "rate-wait: is not shorter than wave.server.head",
    );
    let registry = |text: &str, part: &str| check(&format!("wave.registries.a.io: {{{text}}}\n"), part);
    registry("username: u", "password: is missing");
    registry("max-connections: 65537", "is more than 65536");
    registry("password: p", "username: is missing");
    registry("username: u, password: ''", "password: is empty");
    registry("username: u, password: p, forward-credentials: true", "either the caller's or yours");
    registry("insecure: true, ca-file: f", "of no use");
    registry("layout: d, url: 'http://x'", "takes no url");
    registry("url: 'http://x/y'", "must not have a path");
    registry("url: 'http://u:hunter2@x'", "url: must not hold a user or password");
    registry("proxy: 'socks5://x'", "not a forward proxy");
    registry("alias: wt", "is taken");
    registry("trusted-hosts: [b.io, 'c d']", "'c d' is not host[:port]");
    check("wave.registries: {a.io: {alias: x}, b.io: {alias: x}}\n", "is the alias of a.io already");
    check("- a\n", "config.yml: is not a mapping");
}

#[test]
fn the_environment_wins() {
    let text = "wave.server.url: http://a\nwave.registries.my-reg.io: {username: x, password: y}\n";
    let variables = [
        ("WAVE_SERVER_URL", "http://b"),
        ("WAVE_LAYER_PATH", "l.json"),
        ("WAVE_BUILD_REPO", "r"),
        ("WAVE_REGISTRIES_MY_REG_IO_PASSWORD", "${z}"),
        ("WAVE_SERVER_URI", "http://c"),
        ("WAVE_LOG_LEVEL", ""),
        ("WAVE_SERVICE_HOST", "10.0.0.1"),
        ("WAVE_PORT_9090_TCP_ADDR", "10.0.0.1"),
        ("WAVE_CONFIG_FILE", "elsewhere.yml"),
        ("https_proxy", "proxy:3128"),
        ("NO_PROXY", ".Local, 10.0.0.0/8"),
    ];
    let loaded = parse_text(text, env(&variables)).unwrap();
    let config = &loaded.config;
    assert_eq!(config.server.url.as_ref().unwrap().as_str(), "http://b/");
    assert_eq!(config.layer_path.as_deref().unwrap().to_str(), Some("l.json"));
    let registry = &config.registries.listed[&"my-reg.io".parse().unwrap()];
    assert_eq!(registry.credentials.as_ref().unwrap().password.expose(), "${z}");
    assert_eq!(config.upstream.proxy.https.as_ref().unwrap().as_str(), "http://proxy:3128/");
    assert_eq!(config.upstream.proxy.none, [".local", "10.0.0.0/8"]);
    let notes: Vec<String> = loaded.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes
            .iter()
            .any(|note| note == "wave.build: known, but not enabled in this version (WAVE_BUILD_REPO)")
    );
    let unknown = "WAVE_SERVER_URI: is not the variable of a key; did you mean WAVE_SERVER_URL?";
    assert!(notes.iter().any(|note| note == unknown), "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains("TCP") || note.contains("SERVICE")), "{notes:?}");
    assert!(parse_text("", env(&[("HTTPS_PROXY", "ftp://x")])).is_err());
    assert!(
        parse_text("", env(&[("WAVE_SERVER_BIND", "x")]))
            .unwrap_err()
            .to_string()
            .contains("variable WAVE_SERVER_BIND")
    );
}

#[test]
fn risks_are_noted() {
    let open = "wave.registries.a.io: {username: u, password: p}\n";
    let notes = |text: &str| good(text).notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        notes(open)
            .contains("wave.registries.a.io: has a password, and whoever reaches this server pulls with it")
    );
    let hash = "a".repeat(64);
    for closed in [
        "wave.server.bind: '127.0.0.1:9090'\n".to_string(),
        format!("wave.allow-anonymous: false\nwave.accounts.a: {hash}\n"),
    ] {
        assert_eq!(notes(&format!("{open}{closed}")), "");
    }
    let account = format!("{open}wave.registries.a.io.anonymous: false\nwave.accounts.a: {hash}\n");
    let unasked = "has no effect for clients that log in only where /v2/ asks for it";
    assert!(notes(&account).starts_with(&format!("wave.registries.a.io.anonymous: {unasked}")));
    assert_eq!(notes(&account).lines().count(), 1);
    assert_eq!(notes(&format!("{account}wave.allow-anonymous: false\n")), "");
    let forwards = |hosts: &[&str]| {
        let entries: Vec<_> =
            hosts.iter().map(|host| format!("{host}: {{forward-credentials: true}}")).collect();
        notes(&format!("wave.registries: {{{}}}\n", entries.join(", ")))
    };
    let several = "wave.registries: forward-credentials is true for several";
    let one = forwards(&["a.io"]);
    assert!(one.starts_with(&format!("wave.registries.a.io.forward-credentials: {unasked}")), "{one}");
    assert!(!one.contains(several), "{one}");
    assert!(forwards(&["a.io", "b.io"]).contains(several));
    assert!(notes("wave.registries.a.io.insecure: true").contains("insecure: is true"));
    assert!(notes("wave.admin.bind: ':9'").contains("is not loopback"));
    assert!(
        notes("tower.api.endpoint: 'https://a.io'").contains("tower.api.endpoint: known, but not enabled")
    );
    assert!(notes("wave.allow-private-layers: true").contains("private addresses for anyone"));
    assert!(notes(&format!("{open}wave.registries.a.io.anonymous: false")).contains("nobody can use it"));
    assert!(notes(&format!("{open}wave.registries.a.io.url: 'http://b.io'")).contains("sent in clear"));
}

#[test]
fn secrets_are_never_shown() {
    let hash = "c0ffee00".repeat(8);
    let loaded = good(&format!(
        "wave.registries:\n  a.io: {{username: alice, password: hunter2, proxy: 'http://u:hunter3@p:1'}}\n\
         wave.accounts.bob: {hash}\n"
    ));
    let mut config = loaded.config;
    config.upstream.proxy.https = Some("http://u:hunter4@p:1".parse().unwrap());
    let texts = [
        config.effective(),
        format!("{config:?}"),
        format!("{config:#?}"),
        format!("{:?}", config.registries),
    ];
    for text in texts.iter().chain([&format!("{:?}", config.upstream), &format!("{:?}", loaded.notes)]) {
        for secret in ["hunter", "c0ffee", "192, 255"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert!(texts[0].contains("wave.registries.a.io.username: alice\n"), "{}", texts[0]);
    assert!(texts[0].contains("wave.registries.a.io.password: \"[redacted]\"\n"), "{}", texts[0]);
    assert!(texts[0].contains("wave.accounts.bob: \"[redacted]\"\n"), "{}", texts[0]);
}

#[test]
fn what_is_effective_reads_the_same() {
    let loaded = good(
        "wave:\n  server: {url: 'https://r.io', max-connections: 7, splice: false, tls: {certificate: c.pem, key: 'k #.pem'}}\n  \
         registries:\n    'localhost:5000': {alias: local, trusted-hosts: ['t.io:1', u.io], verify: always}\n    \
         b.io: {layout: 'dir with: spaces', redirect: true}\n    \
         c.io: {max-connections: 5, rate: 'off'}\n  upstream: {rate: '9 / 1m', breaker-failures: 0}\n  \
         log: {level: 'wave_registry=debug,warn', format: json}\n  \
         rate-limit.pull.authenticated: 5/90s\n  layer-path: x\n  cache.tag-ttl: 0s\n",
    );
    let effective = loaded.config.effective();
    assert_eq!(good(&effective).config.effective(), effective);
    let report = good("wave.debug: true\nwave.log.level: warn\n").report();
    assert!(
        report.starts_with("# from no file and the environment\n# note: wave.debug: has no effect"),
        "{report}"
    );
    assert_eq!(good(&report).config.log.level, "warn");
    let defaults = Config::default().effective();
    assert_eq!(good(&defaults).config.effective(), defaults);
}

#[test]
fn no_text_panics() {
    let alphabet = [
        "wave.",
        "registries.",
        "a.io",
        ":",
        " ",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "${",
        "~",
        "'",
        "-",
        "\u{e9}",
        "1",
    ];
    let mut state = 1u64;
    for _ in 0..1000 {
        let mut text = String::new();
        for _ in 0..24 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            text.push_str(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        let _ = parse_text(
            &text,
            env(&[("WAVE_REGISTRIES_", &text), ("WAVE_REGISTRIES_URL", &text), ("WAVE_", &text)]),
        );
    }
}

#[test]
fn files_on_disk() {
    let dir = std::env::temp_dir().join(format!("wave-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name)
    };
    let secret = file("secret", "hunter2\n");
    let named = file("named.yml", "wave.log.level: debug\n");
    let good = file(
        "good.yml",
        &format!("wave.registries.a.io: {{username: u, password: {{file: {}}}}}\n", secret.display()),
    );
    let bad = file(
        "bad.yml",
        "wave.layer-path: no/such/layer.json\nwave.server.tls: {key: no-key, certificate: no-cert}\n",
    );
    let load = |source: &Source, pairs: &[(&str, &str)]| Config::load(source, env(pairs));
    let registries = load(&Source::File(good.clone()), &[]).unwrap().config.registries.listed;
    assert_eq!(
        registries[&"a.io".parse().unwrap()].credentials.as_ref().unwrap().password.expose(),
        "hunter2"
    );
    let variable = [("WAVE_CONFIG_FILE", named.to_str().unwrap())];
    let loaded = load(&Source::Usual, &variable).unwrap();
    assert_eq!((&*loaded.config.log.level, loaded.file.as_ref()), ("debug", Some(&named)));
    assert_eq!(load(&Source::File(good), &variable).unwrap().config.log.level, "info");
    assert_eq!(load(&Source::File(bad), &[]).unwrap_err().iter().count(), 3);
    let authorities = file(
        "authorities.yml",
        &format!("wave.registries: {{a.io: {{ca-file: {}}}, b.io: {{ca-file: none}}}}\n", secret.display()),
    );
    let problems = load(&Source::File(authorities), &[]).unwrap_err().to_string();
    assert!(problems.contains("wave.registries.a.io.ca-file: "), "{problems}");
    assert!(
        problems.contains("holds no certificate") && problems.contains("none cannot be read"),
        "{problems}"
    );
    for missing in
        [load(&Source::File(dir.join("none")), &[]), load(&Source::Usual, &[("WAVE_CONFIG_FILE", "none")])]
    {
        assert!(missing.unwrap_err().to_string().contains("none: cannot be read"));
    }
    let no_secret = [("WAVE_REGISTRIES_A_IO_USERNAME", "u"), ("WAVE_REGISTRIES_A_IO_PASSWORD_FILE", "none")];
    let problems = load(&Source::Usual, &no_secret).unwrap_err();
    assert_eq!(
        problems.iter().map(|p| &*p.path).collect::<Vec<_>>(),
        ["wave.registries.a.io.password"],
        "{problems}"
    );
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_sample_is_the_defaults() {
    let sample = include_str!("../../config.yml");
    let loaded = good(sample);
    assert_eq!(loaded.notes, vec![]);
    assert_eq!(loaded.config.effective(), Config::default().effective());
    let uncommented: String =
        sample.lines().map(|line| format!("{}\n", line.strip_prefix("#=").unwrap_or(line))).collect();
    let variables = [("DOCKER_USER", "u"), ("DOCKER_PAT", "p"), ("QUAY_USER", "u"), ("QUAY_PAT", "p")];
    parse_text(&uncommented, env(&variables)).unwrap_or_else(|problems| panic!("{uncommented}\n{problems}"));
}
