//! Clocks, sleeps, timers as Linux names them.
//!
//! - [`alarm`]: timers that ring once or again and again.
//! - [`clock`]: what time it is, by which clock.

pub mod alarm;
pub mod clock;

pub use alarm::{Alarm, Schedule};
pub use clock::Clock;
