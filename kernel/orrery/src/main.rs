//! `orrery`: runs a program in a kernel of its own, in this process; or, on bare metal, the image's entry.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
mod metal;
#[cfg(any(target_os = "none", test))]
mod words;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
mod options;
#[cfg(not(target_os = "none"))]
mod replay;
#[cfg(not(target_os = "none"))]
mod trace;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    host::main()
}
