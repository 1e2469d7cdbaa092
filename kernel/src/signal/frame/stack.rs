//! The alternate signal stack, sigaltstack(2).

use crate::abi::flags::{MINSIGSTKSZ, StackFlags};
use crate::abi::structs::StackT;
use crate::error::{Errno, Result};

/// A thread's alternate stack; of size zero when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AltStack {
    start: usize,
    len: usize,
    autodisarm: bool,
}

impl AltStack {
    /// The stack that a program describes; refused while `sp` is on this one.
    pub fn changed(&self, wish: &StackT, sp: usize) -> Result<Self> {
        if self.holds(sp) {
            return Err(Errno::EPERM);
        }
        let flags = StackFlags::from_bits_retain(wish.ss_flags);
        let mode = flags.difference(StackFlags::SS_AUTODISARM);
        let autodisarm = flags.contains(StackFlags::SS_AUTODISARM);
        if mode == StackFlags::SS_DISABLE {
            return Ok(Self { autodisarm, ..Self::default() });
        }
        if !mode.is_empty() && mode != StackFlags::SS_ONSTACK {
            return Err(Errno::EINVAL);
        }
        if wish.ss_size < MINSIGSTKSZ {
            return Err(Errno::ENOMEM);
        }
        Ok(Self { start: wish.ss_sp, len: wish.ss_size, autodisarm })
    }

    /// Whether `sp` is on it; never for one that disarms itself.
    pub fn holds(&self, sp: usize) -> bool {
        !self.autodisarm && self.covers(sp)
    }

    /// Whether `sp` is between its ends.
    pub fn covers(&self, sp: usize) -> bool {
        sp > self.start && sp - self.start <= self.len
    }

    /// Where a handler begins that wants it, if there is one.
    pub fn top(&self) -> Option<usize> {
        (self.len != 0).then(|| self.start.wrapping_add(self.len))
    }

    /// As sigaltstack(2) tells it to a program whose stack pointer is `sp`.
    pub fn told(&self, sp: usize) -> StackT {
        let mut flags = if self.len == 0 {
            StackFlags::SS_DISABLE
        } else if self.holds(sp) {
            StackFlags::SS_ONSTACK
        } else {
            StackFlags::empty()
        };
        if self.autodisarm {
            flags |= StackFlags::SS_AUTODISARM;
        }
        StackT { ss_sp: self.start, ss_flags: flags.bits(), pad0: 0, ss_size: self.len }
    }

    /// What remains while a handler runs on it.
    pub fn in_handler(self) -> Self {
        if self.autodisarm { Self::default() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::AltStack;
    use crate::abi::structs::StackT;
    use crate::error::Errno;

    #[test]
    fn a_stack_in_use_cannot_be_changed_and_a_small_one_is_refused() {
        let wish = StackT { ss_sp: 0x1000, ss_flags: 0, pad0: 0, ss_size: 0x2000 };
        let stack = AltStack::default().changed(&wish, 0x9000).expect("large enough");
        assert_eq!(stack.top(), Some(0x3000));
        assert_eq!(stack.changed(&wish, 0x3000), Err(Errno::EPERM));
        assert_eq!(stack.told(0x2000).ss_flags, 1);
        let small = StackT { ss_size: 16, ..wish };
        assert_eq!(AltStack::default().changed(&small, 0), Err(Errno::ENOMEM));
        assert_eq!(AltStack::default().changed(&StackT { ss_flags: 8, ..wish }, 0), Err(Errno::EINVAL));
    }
}
