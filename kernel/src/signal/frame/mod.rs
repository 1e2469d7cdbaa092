//! What a handler finds on its stack, per architecture, as bytes; who writes them to the program is `process`.

pub mod riscv64;
mod stack;
pub mod x86_64;

pub use stack::AltStack;
