//! See `wave_registry::fuzzing::range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wave_registry::fuzzing::range(data));
