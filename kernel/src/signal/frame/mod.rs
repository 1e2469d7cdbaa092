//! What a handler finds on its stack, per architecture, as bytes; who writes them to the program is `process`.

mod stack;
pub mod x86_64;

pub use stack::AltStack;
