//! The oracle: generated programs on the host's kernel and on Orrery, and what they came to held side by side.
//!
//! - [`sandbox`]: where programs run on the host. [`workers`]: whoever asks for that; [`wire`]: what they say. [`asleep`]:
//!   which of them need not be waited for.
//! - [`orrery`]: where they run on Orrery. [`run`]: what both do. [`ground`]: what a program begins with. [`fence`]: which
//!   calls it may make.
//! - [`judge`]: where two records part. [`story`]: that for people. [`hunt`]: the search for such programs.

pub mod asleep;
pub mod fence;
pub mod ground;
pub mod hunt;
pub mod judge;
pub mod orrery;
pub mod run;
pub mod sandbox;
pub mod story;
pub mod wire;
pub mod workers;
