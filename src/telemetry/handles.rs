//! The metrics of requests. A look-up by name and labels takes longer than everything else a record does, so what
//! most requests need is looked up once, when it is first needed.

use super::{Kind, names};
use crate::body::End;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::sync::OnceLock;

/// The metrics of all requests of a layer.
#[derive(Debug, Default)]
pub(super) struct Handles {
    in_flight: OnceLock<Gauge>,
    kinds: [OfKind; Kind::COUNT],
}

/// Those of one kind of requests.
#[derive(Debug, Default)]
struct OfKind {
    plain: OnceLock<Counter>,
    head: OnceLock<Histogram>,
    duration: OnceLock<Histogram>,
    bytes: OnceLock<Counter>,
    ends: [OnceLock<Counter>; End::COUNT],
}

impl Handles {
    /// Requests whose response body has not ended.
    pub(super) fn in_flight(&self) -> &Gauge {
        self.in_flight.get_or_init(|| gauge!(names::REQUESTS_IN_FLIGHT))
    }

    /// Requests answered 200 without an error.
    pub(super) fn plain(&self, kind: Kind) -> &Counter {
        let of = || {
            let kind = kind.as_str();
            counter!(names::REQUESTS, "kind" => kind, "status" => "200", "code" => "none", "side" => "none")
        };
        self.of(kind).plain.get_or_init(of)
    }

    /// Time to the head.
    pub(super) fn head(&self, kind: Kind) -> &Histogram {
        self.of(kind).head.get_or_init(|| histogram!(names::REQUEST_HEAD, "kind" => kind.as_str()))
    }

    /// Time to the end.
    pub(super) fn duration(&self, kind: Kind) -> &Histogram {
        self.of(kind).duration.get_or_init(|| histogram!(names::REQUEST_DURATION, "kind" => kind.as_str()))
    }

    /// Payload bytes.
    pub(super) fn bytes(&self, kind: Kind) -> &Counter {
        self.of(kind).bytes.get_or_init(|| counter!(names::RESPONSE_BYTES, "kind" => kind.as_str()))
    }

    /// Bodies that ended so.
    pub(super) fn ended(&self, kind: Kind, end: End) -> &Counter {
        let of = || counter!(names::STREAMS, "kind" => kind.as_str(), "end" => end.as_str());
        self.of(kind).ends[end as usize].get_or_init(of)
    }

    fn of(&self, kind: Kind) -> &OfKind {
        &self.kinds[kind as usize]
    }
}
