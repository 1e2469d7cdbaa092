//! The rt_sigframe of x86-64, with the floating-point state as XSAVE lays it out.

use alloc::vec;
use alloc::vec::Vec;

use ostd::user::x86_64::Regs;
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::AltStack;
use crate::abi::flags::SaFlags;
use crate::abi::structs::{
    FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2, FPX_SW_OFFSET, FpxSwBytes, RtSigframeX86, Sigaction, SigcontextX86, Siginfo,
    UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS, UcontextX86,
};
use crate::abi::{SigSet, Signal};
use crate::error::{Errno, Result};

/// What a function may use below its stack pointer.
const RED_ZONE: usize = 128;
/// Bytes of the FXSAVE area, and of it with the XSAVE header.
const FXSAVE_LEN: usize = 512;
const XSAVE_MIN: usize = FXSAVE_LEN + 64;
/// Where the vector unit's control word lies; behind it, which of its bits exist. Those that do where it is not told.
const MXCSR: usize = 24;
const MXCSR_DEFAULT: u32 = 0xffbf;
/// What of user mode's state any processor keeps in an area: XCR0's bits.
const COMPONENTS: u64 = 0x6_02ff;
/// Alignment of the area, where it is more than FXSAVE's.
pub const XSAVE_ALIGN: usize = 64;
/// Flags a handler may not inherit: direction, resume, trap.
const FLAGS_CLEARED: u64 = 0x400 | 0x1_0000 | 0x100;
/// Flags that a frame may set.
const FLAGS_RESTORED: u64 = 0x5_0dd5;
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;

/// Everything that goes into a frame.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which signal.
    pub signal: Signal,
    /// What is known about it.
    pub info: Siginfo,
    /// What to do; its handler is a function.
    pub action: Sigaction,
    /// The mask that comes back with rt_sigreturn(2).
    pub mask: SigSet,
    /// The thread's alternate stack.
    pub stack: AltStack,
    /// Page-fault address, error code and trap number of the exception, if it was one.
    pub fault: [u64; 3],
}

/// A frame to be written at `at`, and the registers its handler starts with.
#[derive(Debug)]
pub struct Frame {
    /// Where the bytes belong.
    pub at: usize,
    /// Frame and floating-point state.
    pub bytes: Vec<u8>,
    /// The handler's registers.
    pub regs: Regs,
}

/// Builds the frame; EFAULT when there is no place or no way back, which ends the program by SIGSEGV.
pub fn build(delivery: &Delivery, regs: &Regs, fp: &[u8]) -> Result<Frame> {
    let &Delivery { signal, info, action, mask, stack, fault } = delivery;
    if !action.flags.contains(SaFlags::SA_RESTORER) {
        return Err(Errno::EFAULT);
    }
    let sp = regs.rsp as usize;
    let was_on = stack.holds(sp);
    let top = match stack.top() {
        Some(top) if action.flags.contains(SaFlags::SA_ONSTACK) && !was_on => top,
        _ => sp.wrapping_sub(RED_ZONE),
    };
    let fp_len = if fp.len() >= XSAVE_MIN { fp.len() + 4 } else { fp.len() };
    let fp_at = top.wrapping_sub(fp_len) & !63;
    let at = (fp_at.wrapping_sub(size_of::<RtSigframeX86>()) & !15).wrapping_sub(8);
    if at >= top || (stack.top().is_some() && was_on && !stack.covers(at)) {
        return Err(Errno::EFAULT);
    }
    let fpstate = if fp.is_empty() { 0 } else { fp_at };
    let uc = UcontextX86 {
        uc_flags: UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | if fp.len() >= XSAVE_MIN { UC_FP_XSTATE } else { 0 },
        uc_link: 0,
        uc_stack: stack.told(sp),
        uc_mcontext: save(regs, mask, fault, fpstate),
        uc_sigmask: mask,
    };
    let head = RtSigframeX86 { pretcode: action.restorer, uc, info };
    let mut bytes = vec![0; fp_at + fp_len - at];
    bytes[..size_of::<RtSigframeX86>()].copy_from_slice(head.as_bytes());
    bytes[fp_at - at..][..fp.len()].copy_from_slice(fp);
    if fp.len() >= XSAVE_MIN {
        mark_extended(&mut bytes[fp_at - at..], fp);
    }
    let regs = Regs {
        rdi: signal.number() as u64,
        rsi: (at + core::mem::offset_of!(RtSigframeX86, info)) as u64,
        rdx: (at + core::mem::offset_of!(RtSigframeX86, uc)) as u64,
        rax: 0,
        orig_rax: u64::MAX,
        rip: action.handler as u64,
        rsp: at as u64,
        rflags: regs.rflags & !FLAGS_CLEARED,
        ..*regs
    };
    Ok(Frame { at, bytes, regs })
}

/// Says, where the C library and debuggers look, how far the XSAVE area reaches.
fn mark_extended(area: &mut [u8], fp: &[u8]) {
    let word = |at: usize| u64::read_from_bytes(&fp[at..at + 8]).unwrap_or(0);
    // What the processor's XCR0 enables, where the engine tells it; else what the area holds.
    let xfeatures = if word(FPX_SW_OFFSET) != 0 { word(FPX_SW_OFFSET) } else { word(FXSAVE_LEN) | 3 };
    let len = fp.len() as u32;
    let sw =
        FpxSwBytes { magic1: FP_XSTATE_MAGIC1, extended_size: len + 4, xfeatures, xstate_size: len, padding: [0; 7] };
    area[FPX_SW_OFFSET..FXSAVE_LEN].copy_from_slice(sw.as_bytes());
    area[fp.len()..fp.len() + 4].copy_from_slice(&FP_XSTATE_MAGIC2.to_le_bytes());
}

fn save(regs: &Regs, mask: SigSet, [cr2, err, trapno]: [u64; 3], fpstate: usize) -> SigcontextX86 {
    let &Regs { r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, .. } = regs;
    SigcontextX86 {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp: regs.rsp,
        rip: regs.rip,
        eflags: regs.rflags,
        cs: USER_CS,
        gs: 0,
        fs: 0,
        ss: USER_SS,
        err,
        trapno,
        oldmask: mask.0,
        cr2,
        fpstate,
        reserved1: [0; 8],
    }
}

/// The registers that a frame says to go on with, made harmless. EFAULT where the program may not go.
pub fn restore(uc: &UcontextX86, now: &Regs, user_end: usize) -> Result<Regs> {
    let context = &uc.uc_mcontext;
    let &SigcontextX86 { r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, .. } =
        context;
    // The one code segment there is; Linux too sees to the two lowest bits by itself.
    if rip >= user_end as u64 || context.cs | 3 != USER_CS {
        return Err(Errno::EFAULT);
    }
    // And the one stack segment, where the frame does not leave it to the kernel.
    if uc.uc_flags & UC_STRICT_RESTORE_SS != 0 && context.ss | 3 != USER_SS {
        return Err(Errno::EFAULT);
    }
    let rflags = now.rflags & !FLAGS_RESTORED | context.eflags & FLAGS_RESTORED;
    Ok(Regs {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp,
        rip,
        rflags,
        orig_rax: u64::MAX,
        ..*now
    })
}

/// How many bytes of floating-point state a frame's first 512 bytes promise, at most `own_len`.
pub fn fp_len(fxsave: &[u8; FXSAVE_LEN], own_len: usize) -> usize {
    let sw = FpxSwBytes::read_from_bytes(&fxsave[FPX_SW_OFFSET..]).unwrap_or_default();
    let len = sw.xstate_size as usize;
    let fits =
        sw.magic1 == FP_XSTATE_MAGIC1 && (XSAVE_MIN..=own_len).contains(&len) && sw.extended_size as usize == len + 4;
    if fits { len } else { FXSAVE_LEN }
}

/// The state to go on with from what a frame holds, `fp_len` bytes and the magic number behind them, in the form that
/// the program has `now`. EFAULT for what a processor refuses (Intel SDM volume 1, chapter 13.8).
pub fn restore_fp(mut saved: Vec<u8>, now: &[u8]) -> Result<Vec<u8>> {
    let own_len = now.len();
    let extended = saved.len().checked_sub(4).filter(|&len| len >= XSAVE_MIN);
    let confirmed = extended.filter(|&len| saved[len..] == FP_XSTATE_MAGIC2.to_le_bytes());
    saved.truncate(confirmed.unwrap_or(FXSAVE_LEN));
    saved.resize(own_len.max(saved.len()), 0);
    if confirmed.is_none() && saved.len() >= XSAVE_MIN {
        // Only x87 and SSE are told; all else is as at the start.
        saved[FXSAVE_LEN..FXSAVE_LEN + 8].copy_from_slice(&3u64.to_le_bytes());
    }
    let word = |area: &[u8], at: usize| area.get(at..at + 4).map_or(0, |word| u32::read_from_bytes(word).unwrap_or(0));
    let mask = Some(word(now, MXCSR + 4)).filter(|mask| *mask != 0).unwrap_or(MXCSR_DEFAULT);
    let refused = word(&saved, MXCSR) & !mask != 0;
    let header = saved.get_mut(FXSAVE_LEN..XSAVE_MIN).unwrap_or_default();
    let unknown = header.get(..8).is_some_and(|bits| u64::read_from_bytes(bits).unwrap_or(0) & !COMPONENTS != 0);
    let compact = header.get(8..24).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0));
    if refused || unknown || compact {
        return Err(Errno::EFAULT);
    }
    // The rest is not looked at.
    header.iter_mut().skip(24).for_each(|byte| *byte = 0);
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use ostd::user::x86_64::Regs;
    use zerocopy::FromBytes as _;

    use super::{Delivery, build, fp_len, restore, restore_fp};
    use crate::abi::flags::{SI_USER, SaFlags};
    use crate::abi::structs::{RtSigframeX86, Sigaction, Siginfo, StackT};
    use crate::abi::{SigSet, Signal};
    use crate::error::Errno;
    use crate::signal::frame::AltStack;

    fn delivery() -> Delivery {
        let flags = SaFlags::SA_RESTORER | SaFlags::SA_ONSTACK;
        Delivery {
            signal: Signal::SIGUSR1,
            info: Siginfo::kill(Signal::SIGUSR1, SI_USER, 7, 8),
            action: Sigaction { handler: 0x40_1000, flags, restorer: 0x40_2000, mask: SigSet::EMPTY },
            mask: SigSet::of(&[Signal::SIGHUP]),
            stack: AltStack::default(),
            fault: [0; 3],
        }
    }

    #[test]
    fn what_is_built_is_restored() {
        let regs = Regs { rsp: 0x7000_0000, rip: 0x40_3000, rbx: 5, rflags: 0x246, ..Regs::default() };
        let mut fp = vec![0; 832];
        fp[700] = 9;
        let frame = build(&delivery(), &regs, &fp).expect("there is room");
        assert_eq!((frame.at + 8) % 16, 0);
        assert!(frame.at + frame.bytes.len() <= 0x7000_0000 - 128);
        assert_eq!((frame.regs.rdi, frame.regs.rip), (10, 0x40_1000));
        let (head, _) = RtSigframeX86::read_from_prefix(&frame.bytes).expect("whole");
        assert_eq!((head.pretcode, head.uc.uc_sigmask), (0x40_2000, SigSet::of(&[Signal::SIGHUP])));
        assert_eq!(head.uc.uc_mcontext.fpstate % 64, 0);
        let saved = &frame.bytes[head.uc.uc_mcontext.fpstate - frame.at..];
        let first: &[u8; 512] = saved[..512].try_into().expect("512 bytes");
        assert_eq!(fp_len(first, 832), 832);
        assert_eq!(fp_len(first, 831), 512);
        assert_eq!(restore_fp(saved[..836].to_vec(), &fp).map(|state| state[700]), Ok(9));
        let back = restore(&head.uc, &frame.regs, 0x7fff_ffff_f000).expect("a user address");
        assert_eq!(back, Regs { orig_rax: u64::MAX, ..regs });
    }

    #[test]
    fn a_handler_gets_the_alternate_stack_once_and_not_beyond_its_end() {
        let wish = StackT { ss_sp: 0x1_0000, ss_flags: 0, pad0: 0, ss_size: 0x1000 };
        let stack = AltStack::default().changed(&wish, 0).expect("large enough");
        let mut with_stack = delivery();
        with_stack.stack = stack;
        let outside = Regs { rsp: 0x7000_0000, ..Regs::default() };
        let first = build(&with_stack, &outside, &[0; 512]).expect("there is room");
        assert!(first.at < 0x1_1000 && first.at > 0x1_0000);
        let second = build(&with_stack, &first.regs, &[0; 512]).expect("there is room");
        assert!(second.at < first.at);
        let low = Regs { rsp: 0x1_0100, ..Regs::default() };
        assert_eq!(build(&with_stack, &low, &[0; 512]).map(|_| ()), Err(Errno::EFAULT));
    }

    #[test]
    fn frames_that_lie_are_made_harmless() {
        let regs = Regs { rip: 1, rflags: 0x202, ..Regs::default() };
        let frame = build(&delivery(), &Regs { rsp: 0x7000_0000, ..regs }, &[]).expect("there is room");
        let (head, _) = RtSigframeX86::read_from_prefix(&frame.bytes).expect("whole");
        let mut uc = head.uc;
        uc.uc_mcontext.eflags = u64::MAX;
        assert_eq!(restore(&uc, &regs, 0x1000).map(|regs| regs.rflags), Ok(0x5_0dd5 | 0x202));
        uc.uc_mcontext.ss = 0x18;
        assert_eq!(restore(&uc, &regs, 0x1000), Err(Errno::EFAULT));
        uc.uc_flags = 0;
        assert!(restore(&uc, &regs, 0x1000).is_ok());
        uc.uc_mcontext.rip = 0xffff_8000_0000_0000;
        assert_eq!(restore(&uc, &regs, 0x1000), Err(Errno::EFAULT));
        let no_magic = restore_fp(vec![0; 516], &[0; 832]);
        assert!(no_magic.is_ok_and(|state| state.len() == 832 && state[512] == 3 && state[520] == 0));
    }

    #[test]
    fn state_that_a_processor_refuses_is_refused() {
        let with = |at: usize, byte: u8| {
            let mut saved = vec![0; 836];
            saved[832..].copy_from_slice(&super::FP_XSTATE_MAGIC2.to_le_bytes());
            saved[at] = byte;
            restore_fp(saved, &[0; 832])
        };
        for at in [26, 519, 520, 535] {
            assert_eq!(with(at, 0x80), Err(Errno::EFAULT), "byte {at}");
        }
        assert!(with(536, 1).is_ok_and(|state| state[536] == 0));
        assert!(with(512, 7).is_ok_and(|state| state[512] == 7));
    }
}
