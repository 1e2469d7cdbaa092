//! `cases [FILTER…]`: the cases as a static program of their own, which runs on any kernel and tells KTAP.
//!
//! It is built for a bare target, where nothing else is linked: `cargo xtask baremetal` knows how.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
ostd_guest::program!(main);

#[cfg(target_os = "none")]
fn main(arguments: &[&str]) -> i32 {
    cases::program::main(&ostd_guest::Guest, arguments.get(1..).unwrap_or_default())
}

#[cfg(not(target_os = "none"))]
fn main() {
    for case in cases::all() {
        println!("{}", case.name);
    }
}
