//! The image that `cargo xtask test --on ARCH` boots: the waist's conformance suite, ostd's own tests and every
//! system-call case, on one machine and in one boot. Results are KTAP lines on the serial port.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

#[cfg(any(target_os = "none", test))]
mod plan;

#[cfg(target_os = "none")]
mod metal;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("metal-tests is an image for bare machines: cargo xtask test --on x86_64, or riscv64");
}
