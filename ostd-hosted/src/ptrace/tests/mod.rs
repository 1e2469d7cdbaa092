//! Programs of a few bytes in a real stub.

mod machine;
mod traps;
