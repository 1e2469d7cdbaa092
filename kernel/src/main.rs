//! `orrery`: runs a program in a kernel of its own, in this process; or, on bare metal, the image's entry.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
#[path = "../orrery/words.rs"]
mod words;

#[cfg(target_os = "none")]
#[path = "../orrery/metal.rs"]
mod metal;

#[cfg(not(target_os = "none"))]
#[path = "../orrery/host.rs"]
mod host;
#[cfg(not(target_os = "none"))]
#[path = "../orrery/options.rs"]
mod options;
#[cfg(not(target_os = "none"))]
#[path = "../orrery/replay.rs"]
mod replay;
#[cfg(not(target_os = "none"))]
#[path = "../orrery/trace.rs"]
mod trace;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    host::main()
}
