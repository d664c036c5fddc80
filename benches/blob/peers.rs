//! The servers that are compared.

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Wave,
    /// With `wave.server.splice: false`.
    WaveFrames,
    /// With accounts, whose password every request brings, and with a rate limit.
    WaveFull,
    /// `proxy_buffering on` with room for 4 MiB and no temporary file.
    NginxTuned,
    /// `proxy_buffering off`.
    NginxOff,
    /// Out of the box.
    NginxDefault,
    /// `option splice-response`, pipes of 1 MiB.
    Haproxy,
    /// docker-registry 2.8 as a pull-through cache that has the blob.
    Registry,
    /// nginx serving a file.
    NginxStatic,
    /// A loop of ours over epoll that sends the same bytes whatever is asked.
    Epoll,
    /// A hyper service of ours that answers the same whatever is asked.
    Bare,
}

/// How the client, and the upstream, is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Legs {
    /// TLS to the client.
    pub(crate) client: bool,
    /// TLS to the upstream.
    pub(crate) upstream: bool,
    /// HTTP/2 to the client.
    pub(crate) h2: bool,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Wave => "wave",
            Peer::WaveFrames => "wave no splice",
            Peer::WaveFull => "wave all on",
            Peer::NginxTuned => "nginx tuned",
            Peer::NginxOff => "nginx off",
            Peer::NginxDefault => "nginx default",
            Peer::Haproxy => "haproxy splice",
            Peer::Registry => "docker-registry",
            Peer::NginxStatic => "nginx static",
            Peer::Epoll => "epoll loop",
            Peer::Bare => "bare hyper",
        }
    }

    /// Is it what is judged?
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Peer::Wave | Peer::WaveFrames | Peer::WaveFull)
    }
}
