//! What poll, select and epoll are given.

use zerocopy::FromBytes;

use super::Encoded;
use crate::arch::Arch;
use crate::arg::UserStruct;

plain! {
    /// `struct pollfd`.
    PollFd as "pollfd", 8 {
        0 fd: i32,
        4 events: u16,
        6 revents: u16,
    }

    /// `fd_set`: one bit per descriptor.
    FdSet as "fd_set", 128 {
        0 bits: [u64; 16],
    }

    /// pselect6(2)'s last argument: the address of a signal mask and its size.
    SigSetArgument as "sigset_argpack", 16 {
        0 addr: usize,
        8 size: usize,
    }

    /// `struct epoll_event` where it is not packed.
    EpollEventRiscv as "epoll_event", 16 {
        0 events: u32,
        4 pad0: u32,
        8 data: u64,
    }

    /// `struct epoll_event` of x86-64, which is packed: the data's two halves follow the events.
    EpollEventX86 as "epoll_event", 12 {
        0 events: u32,
        4 data: [u32; 2],
    }
}

/// What epoll waits for, whatever the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EpollEvent {
    /// [`crate::flags::EpollEvents`].
    pub events: u32,
    /// The program's own.
    pub data: u64,
}

impl UserStruct for EpollEvent {
    const NAME: &'static str = "epoll_event";
}

impl EpollEvent {
    /// Its bytes, as a program of `arch` expects them.
    pub fn encode(&self, arch: Arch) -> Encoded<16> {
        match arch {
            Arch::X86_64 => {
                Encoded::of(&EpollEventX86 { events: self.events, data: [self.data as u32, (self.data >> 32) as u32] })
            }
            Arch::Riscv64 => Encoded::of(&EpollEventRiscv { events: self.events, pad0: 0, data: self.data }),
        }
    }

    /// Bytes of one in a program of `arch`.
    pub const fn size(arch: Arch) -> usize {
        match arch {
            Arch::X86_64 => size_of::<EpollEventX86>(),
            Arch::Riscv64 => size_of::<EpollEventRiscv>(),
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when there are too few bytes.
    pub fn decode(arch: Arch, bytes: &[u8]) -> Option<Self> {
        match arch {
            Arch::X86_64 => {
                let (event, _) = EpollEventX86::read_from_prefix(bytes).ok()?;
                let data = u64::from(event.data[0]) | u64::from(event.data[1]) << 32;
                Some(Self { events: event.events, data })
            }
            Arch::Riscv64 => {
                let (event, _) = EpollEventRiscv::read_from_prefix(bytes).ok()?;
                Some(Self { events: event.events, data: event.data })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EpollEvent, FdSet, PollFd};
    use crate::arch::Arch;

    #[test]
    fn sizes_are_the_c_librarys() {
        assert_eq!(size_of::<PollFd>(), size_of::<libc::pollfd>());
        assert_eq!(size_of::<FdSet>(), size_of::<libc::fd_set>());
        assert_eq!(EpollEvent::size(Arch::X86_64), size_of::<libc::epoll_event>());
    }

    #[test]
    fn an_event_survives_both_layouts() {
        let event = EpollEvent { events: 5, data: 0x0123_4567_89ab_cdef };
        for arch in Arch::ALL {
            assert_eq!(EpollEvent::decode(arch, &event.encode(arch)), Some(event));
        }
    }
}
