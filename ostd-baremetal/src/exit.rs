//! How an image tells QEMU that it is done: a word to a device made for tests.

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As it should.
    Success,
    /// Not as it should.
    Failure,
}

impl Exit {
    /// The byte for the `isa-debug-exit` device (x86-64). QEMU's own status is twice that plus one, so it is never 0,
    /// which a triple fault gives as well.
    pub const fn isa_debug_exit(self) -> u8 {
        match self {
            Self::Success => 0x10,
            Self::Failure => 0x11,
        }
    }

    /// The word for the `sifive_test` device (RISC-V): the verdict below, QEMU's status above.
    pub const fn sifive_test(self) -> u32 {
        match self {
            Self::Success => 0x5555,
            Self::Failure => 1 << 16 | 0x3333,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn success_is_told_from_failure_and_from_a_triple_fault() {
        let status = |exit: Exit| u32::from(exit.isa_debug_exit()) * 2 + 1;
        assert_eq!(status(Exit::Success), 33);
        assert_ne!(status(Exit::Failure), status(Exit::Success));
        assert_ne!(status(Exit::Failure), 0);
        // sifive_test: 0x5555 passes; 0x3333 fails with the upper half as status.
        assert_eq!(Exit::Success.sifive_test(), 0x5555);
        assert_eq!(Exit::Failure.sifive_test() & 0xffff, 0x3333);
        assert_ne!(Exit::Failure.sifive_test() >> 16, 0);
    }
}
