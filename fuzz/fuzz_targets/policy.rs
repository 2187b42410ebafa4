//! The laws of `laws::policy`, tried on what libFuzzer comes up with.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    laws::policy(input);
});
