//! Which instructions certainly store to an address that faulted.

use libc::user_regs_struct;

/// Whether the instruction in `bytes`, with `regs` before it, certainly stores at `addr`. `false` means "perhaps not".
pub(super) fn writes(_bytes: &[u8], _regs: &user_regs_struct, _addr: usize) -> bool {
    false
}
