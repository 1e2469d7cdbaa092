//! The rt_sigframe of RISC-V: everything in one structure, floating-point state included.

use alloc::vec;
use alloc::vec::Vec;

use ostd::user::riscv64::Regs;
use zerocopy::{FromBytes as _, FromZeros as _, IntoBytes as _};

use super::x86_64::Delivery;
use crate::abi::flags::SaFlags;
use crate::abi::structs::{RtSigframeRiscv, UcontextRiscv};
use crate::error::{Errno, Result};

/// What a handler returns to, as no `sa_restorer` says so here: `li a7, 139; ecall`, rt_sigreturn(2), on a page that
/// execve(2) maps. Debuggers and unwinders know a frame by these instructions.
pub const TRAMPOLINE: [u8; 8] = [0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00];
/// Bytes of the integer registers in a frame, `pc` in the place of x0.
const FP_AT: usize = 256;
/// Bytes of f0 to f31 and fcsr, as the machine keeps them.
const FP_LEN: usize = 33 * 8;
const RA: usize = 1;
const SP: usize = 2;
const A0: usize = 10;

/// A frame to be written at `at`, and the registers its handler starts with.
#[derive(Debug)]
pub struct Frame {
    /// Where the bytes belong.
    pub at: usize,
    /// The frame.
    pub bytes: Vec<u8>,
    /// The handler's registers.
    pub regs: Regs,
}

/// Builds the frame of a handler that returns to `trampoline`; EFAULT when there is no place.
pub fn build(delivery: &Delivery, regs: &Regs, fp: &[u8], trampoline: usize) -> Result<Frame> {
    let &Delivery { signal, info, action, mask, stack, .. } = delivery;
    let sp = regs.x[SP] as usize;
    let was_on = stack.holds(sp);
    let top = match stack.top() {
        Some(top) if action.flags.contains(SaFlags::SA_ONSTACK) && !was_on => top,
        _ => sp,
    };
    let at = top.wrapping_sub(size_of::<RtSigframeRiscv>()) & !15;
    if at >= top || (stack.top().is_some() && was_on && !stack.covers(at)) {
        return Err(Errno::EFAULT);
    }
    let mut uc = UcontextRiscv::new_zeroed();
    uc.uc_stack = stack.told(sp);
    uc.uc_sigmask = mask;
    let mut registers = regs.x;
    registers[0] = regs.pc;
    let context = uc.uc_mcontext.as_mut_bytes();
    context[..FP_AT].copy_from_slice(registers.as_bytes());
    let len = fp.len().min(FP_LEN);
    context[FP_AT..FP_AT + len].copy_from_slice(&fp[..len]);
    let mut head = RtSigframeRiscv::new_zeroed();
    (head.info, head.uc) = (info, uc);
    let mut next = *regs;
    next.pc = action.handler as u64;
    next.x[RA] = trampoline as u64;
    next.x[SP] = at as u64;
    next.x[A0] = signal.number() as u64;
    next.x[A0 + 1] = (at + core::mem::offset_of!(RtSigframeRiscv, info)) as u64;
    next.x[A0 + 2] = (at + core::mem::offset_of!(RtSigframeRiscv, uc)) as u64;
    let mut bytes = vec![0; size_of::<RtSigframeRiscv>()];
    bytes.copy_from_slice(head.as_bytes());
    Ok(Frame { at, bytes, regs: next })
}

/// The registers and floating-point state that a frame says to go on with. EFAULT where the program may not go, or where
/// the frame has extensions that this kernel never wrote.
pub fn restore(uc: &UcontextRiscv, now: &Regs, user_end: usize) -> Result<(Regs, Vec<u8>)> {
    let context = uc.uc_mcontext.as_bytes();
    let registers = <[u64; 32]>::read_from_bytes(&context[..FP_AT]).unwrap_or_default();
    let (state, extensions) = context[FP_AT..].split_at(FP_LEN);
    if registers[0] >= user_end as u64 || extensions.iter().any(|byte| *byte != 0) {
        return Err(Errno::EFAULT);
    }
    let mut regs = Regs { x: registers, pc: registers[0], ..*now };
    regs.x[0] = 0;
    Ok((regs, state.to_vec()))
}

#[cfg(test)]
mod tests {
    use ostd::user::riscv64::Regs;
    use zerocopy::FromBytes as _;

    use super::super::x86_64::Delivery;
    use super::{FP_LEN, build, restore};
    use crate::abi::flags::{SI_USER, SaFlags};
    use crate::abi::structs::{RtSigframeRiscv, Sigaction, Siginfo};
    use crate::abi::{SigSet, Signal};
    use crate::error::Errno;
    use crate::signal::frame::AltStack;

    #[test]
    fn what_is_built_is_restored() {
        let delivery = Delivery {
            signal: Signal::SIGUSR1,
            info: Siginfo::kill(Signal::SIGUSR1, SI_USER, 7, 8),
            action: Sigaction { handler: 0x1_1000, flags: SaFlags::empty(), restorer: 0, mask: SigSet::EMPTY },
            mask: SigSet::of(&[Signal::SIGHUP]),
            stack: AltStack::default(),
            fault: [0; 3],
        };
        let mut regs = Regs { pc: 0x1_3000, ..Regs::default() };
        regs.x[2] = 0x7000_0008;
        regs.x[31] = 5;
        let fp = [9; FP_LEN];
        let frame = build(&delivery, &regs, &fp, 0x5000).expect("there is room");
        assert_eq!(frame.at % 16, 0);
        assert_eq!((frame.regs.pc, frame.regs.x[1], frame.regs.x[10]), (0x1_1000, 0x5000, 10));
        let mut head = RtSigframeRiscv::read_from_bytes(&frame.bytes).expect("a frame");
        let (back, state) = restore(&head.uc, &Regs::default(), 1 << 47).expect("what we wrote");
        assert_eq!((back, &state[..]), (regs, &fp[..]));
        head.uc.uc_mcontext.sc_regs.pc = 1 << 47;
        assert_eq!(restore(&head.uc, &regs, 1 << 47), Err(Errno::EFAULT));
    }
}
