//! Prints SYSCALLS.md: `cargo xtask syscalls`.

fn main() {
    print!("{}", kernel_abi::manual::markdown());
}
