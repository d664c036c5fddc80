//! The fields of spans and events as text.

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

/// Writes exactly what [`DefaultFields`] writes. Every request has a span of a few short words, and without the
/// machinery for colours, quotes and escapes that is a matter of copying them.
#[derive(Debug)]
pub(super) struct Fields;

/// Are all fields words that are quoted as they are?
struct Check(bool);

/// Writes such fields.
struct Plain<'w> {
    writer: Writer<'w>,
    begun: bool,
    result: std::fmt::Result,
}

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> std::fmt::Result {
        let mut check = Check(!writer.has_ansi_escapes());
        fields.record(&mut check);
        if !check.0 {
            return DefaultFields::new().format_fields(writer, fields);
        }
        let mut plain = Plain { writer, begun: false, result: Ok(()) };
        fields.record(&mut plain);
        plain.result
    }
}

impl Visit for Check {
    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name();
        let special = name == "message" || name.starts_with("r#") || name.starts_with("log.");
        // Without an end before the last byte many are looked at at once.
        let quoted = |byte: u8| !(b' '..=b'~').contains(&byte) | (byte == b'"') | (byte == b'\\');
        self.0 &= !special && !value.bytes().fold(false, |any, byte| any | quoted(byte));
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {
        self.0 = false;
    }
}

impl Visit for Plain<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let space = if std::mem::replace(&mut self.begun, true) { " " } else { "" };
        for text in [space, field.name(), "=\"", value, "\""] {
            self.result = self.result.and_then(|()| self.writer.write_str(text));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of some spans and events.
    fn written(ansi: bool, ours: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().without_time().with_ansi(ansi).with_writer(move || writer.clone());
        let layer: Box<dyn tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync> = match ours
        {
            true => Box::new(layer.fmt_fields(Fields)),
            false => Box::new(layer),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for value in ["", "/v2/a/b", "it's", "say \"x\"", "back\\slash", "\u{e9}", "\u{1b}[1m", "a\nb"] {
                let span = tracing::info_span!("request", id = "1", path = value, r#type = value);
                let _outer = span.enter();
                let span = tracing::info_span!("inner", first = value, second = value);
                let _inner = span.enter();
                tracing::warn!(code = value, "{value}");
                tracing::warn!(number = 1, code = value);
            }
        });
        let text = lines.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn is_what_it_would_be_without() {
        let text = written(false, true);
        assert!(text.contains("inner{first=\"/v2/a/b\" second=\"/v2/a/b\"}"), "{text}");
        for ansi in [false, true] {
            assert_eq!(written(ansi, true), written(ansi, false));
        }
    }
}
