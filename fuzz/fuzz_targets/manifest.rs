//! See `wave_registry::fuzzing::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wave_registry::fuzzing::manifest(data));
