//! See `wave_registry::fuzzing::index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wave_registry::fuzzing::index(data));
