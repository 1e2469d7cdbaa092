//! The cases, by family. Each runs in a program of its own, with an empty working directory and zeroed memory.

use core::fmt;
use core::panic::Location;

use kernel_abi::{Call, Errno};

/// A case that failed by a call's refusal; what is asserted panics.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What the call said.
    pub errno: Errno,
    /// The line that did not expect it.
    pub at: &'static Location<'static>,
}

/// What a case comes to.
pub type Outcome = Result<(), Failure>;

impl From<Errno> for Failure {
    #[track_caller]
    fn from(errno: Errno) -> Self {
        Self { errno, at: Location::caller() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.at, self.errno)
    }
}

/// A case and what it is called.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its family and its sentence.
    pub name: &'static str,
    /// The one call that it is about, where a younger one will not do: without it there is no such case.
    pub needs: Option<Call>,
    /// What it does.
    pub run: fn(&dyn kernel_abi::Sys) -> Outcome,
}

/// Lists the cases of a family; behind `needs` stands [`Case::needs`].
macro_rules! cases {
    ($family:literal: $($name:ident $(needs $call:ident)?,)*) => {
        /// The cases of this family.
        pub(super) const CASES: &[super::Case] =
            &[$(super::Case {
                name: concat!($family, "::", stringify!($name)),
                needs: cases!(@needs $($call)?),
                run: $name,
            },)*];
    };
    (@needs) => { None };
    (@needs $call:ident) => { Some(kernel_abi::Call::$call) };
}

mod advice;
mod area;
mod asked;
mod attribute;
mod brim;
mod busy;
mod child;
mod clock;
mod cloned;
mod descriptor;
mod device;
mod directory;
mod epoll;
mod event;
mod exec;
mod file;
mod found;
mod futex;
mod group;
mod growth;
mod handler;
mod hole;
mod how;
mod id;
mod image;
mod inherit;
mod interrupt;
mod kept;
mod limit;
mod lock;
mod machine;
mod mapping;
mod memory;
mod mount;
mod mounted;
mod name;
mod nameless;
mod nested;
mod number;
mod option;
mod owner;
mod path;
mod pidfd;
mod pinned;
mod pipe;
mod poll;
mod privilege;
mod process;
mod queue;
mod refused;
mod remap;
mod resolve;
mod right;
mod scarce;
mod sched;
mod share;
mod signal;
mod sleeper;
mod spent;
mod stray;
mod thread;
mod time;
mod timer;
mod transfer;
mod wait;
mod walk;
mod xattr;

pub use exec::executed;

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    let families = [
        file::CASES,
        found::CASES,
        descriptor::CASES,
        path::CASES,
        attribute::CASES,
        transfer::CASES,
        name::CASES,
        memory::CASES,
        mapping::CASES,
        refused::CASES,
        remap::CASES,
        process::CASES,
        exec::CASES,
        child::CASES,
        device::CASES,
        directory::CASES,
        signal::CASES,
        handler::CASES,
        queue::CASES,
        interrupt::CASES,
        wait::CASES,
        group::CASES,
        thread::CASES,
        futex::CASES,
        poll::CASES,
        id::CASES,
        limit::CASES,
        time::CASES,
        pipe::CASES,
        lock::CASES,
        event::CASES,
        nameless::CASES,
        spent::CASES,
        sched::CASES,
        timer::CASES,
        xattr::CASES,
        pidfd::CASES,
        mount::CASES,
        growth::CASES,
        epoll::CASES,
        machine::CASES,
        privilege::CASES,
        kept::CASES,
        walk::CASES,
        hole::CASES,
        stray::CASES,
        share::CASES,
        brim::CASES,
        busy::CASES,
        number::CASES,
        right::CASES,
        image::CASES,
        inherit::CASES,
        sleeper::CASES,
        area::CASES,
        cloned::CASES,
        nested::CASES,
        scarce::CASES,
        resolve::CASES,
        owner::CASES,
        how::CASES,
        clock::CASES,
        advice::CASES,
        option::CASES,
        pinned::CASES,
        mounted::CASES,
    ];
    families.into_iter().flatten()
}
