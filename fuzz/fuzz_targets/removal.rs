//! The laws of `laws::removal`, tried on what libFuzzer comes up with.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    laws::removal(input);
});
