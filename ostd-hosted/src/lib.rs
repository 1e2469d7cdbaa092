//! Orrery's machine inside a Linux process.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod ptrace;
