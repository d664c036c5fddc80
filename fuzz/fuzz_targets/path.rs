//! See `wave_registry::fuzzing::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wave_registry::fuzzing::path(data));
