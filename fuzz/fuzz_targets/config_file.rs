//! See `wave_registry::fuzzing::config_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wave_registry::fuzzing::config_file(data));
