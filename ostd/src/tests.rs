//! ostd's own tests by name: `cargo test` runs them, and so does an image on a bare machine, where no harness is.

use alloc::vec::Vec;

/// A test: what it is called, with its module in front, and what it does. It fails by a panic.
pub type Test = (&'static str, fn());

/// Says which functions of a module are its tests. They are marked `#[cfg_attr(test, test)]` besides; tests that must
/// panic are not among them, for a bare machine does not survive that.
macro_rules! list {
    ($($test:ident)*) => {
        /// The tests of this module.
        pub(crate) const ALL: &[$crate::tests::Test] =
            &[$((concat!(module_path!(), "::", stringify!($test)), $test as fn())),*];
    };
}
pub(crate) use list;

/// Every test.
pub fn all() -> Vec<Test> {
    use crate::{faults, frame, machine, sync};
    let modules = [
        faults::tests::ALL,
        frame::free::tests::ALL,
        machine::tests::ALL,
        sync::lock_order::tests::ALL,
        sync::spin::tests::ALL,
        sync::raw::tests::ALL,
    ];
    modules.concat()
}
