//! Programs of a few bytes in a real stub.

mod machine;
mod memory;
mod outside;
mod threads;
mod traps;
