//! A program that does to its kernel what no program should: it returns from handlers with impossible registers, jumps
//! out of its half, executes what it may not, and hands the kernel addresses that are none. Each attempt is a child's;
//! its parent sees how the child ended, and that the kernel still works. The last line is the count.
//!
//! With `--tell` it says how every attempt ended; with a further word, only attempts whose name has that in it are made.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64.rs")]
mod arch;
#[cfg(target_os = "none")]
mod attempt;
#[cfg(target_os = "none")]
mod calls;
#[cfg(target_os = "none")]
mod parent;
#[cfg(target_os = "none")]
mod values;

#[cfg(target_os = "none")]
ostd_guest::program!(parent::main);

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program is made for bare targets: cargo xtask runs");
}
