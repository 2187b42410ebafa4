//! The laws of `laws::manifest`, tried on what libFuzzer comes up with.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    laws::manifest(input);
});
