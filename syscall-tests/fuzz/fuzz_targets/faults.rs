//! Feeds `syscall_tests::inputs::faults`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syscall_tests::inputs::feed("faults", bytes));
