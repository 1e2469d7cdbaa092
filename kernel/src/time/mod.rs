//! Clocks, sleeps, timers as Linux names them.
//!
//! - [`clock`]: what time it is, by which clock.

pub mod clock;

pub use clock::Clock;
