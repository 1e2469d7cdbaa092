//! User mode: traps, registers, and what a TLB may remember.

use alloc::vec::Vec;

use ostd::hal::user::{Access, Exception, PageFault, Registers, SyscallFrame, Trap, UserState};
use ostd::hal::{Hal, PAGE_SIZE, Paddr, Vaddr};

use super::super::programs::Program;
use super::copies::{read, refused, write};
use super::tree::{DATA, EXECUTE, Frames, READ, WRITE, start};
use super::{CPU, Subject};

type State<S> = UserState<<<S as Subject>::Machine as Hal>::Registers>;

/// Interrupts that a program may meet before it gets somewhere.
const PATIENCE: usize = 1000;

/// Runs a program to its next trap, as generic code does: an interrupt on the way must not be missed.
fn enter_once<S: Subject>(subject: &S, root: Paddr, state: &mut State<S>) -> Trap {
    subject.machine().interrupts_disable();
    subject.machine().user_enter(CPU, root, state)
}

/// Runs a program to a trap that it caused itself.
fn enter<S: Subject>(subject: &S, root: Paddr, state: &mut State<S>) -> Trap {
    for _ in 0..PATIENCE {
        match enter_once(subject, root, state) {
            Trap::Interrupt => {}
            trap => return trap,
        }
    }
    panic!("nothing but interrupts");
}

/// Runs a program to its next system call; gives its number and first argument.
fn next_call<S: Subject>(subject: &S, root: Paddr, state: &mut State<S>) -> (usize, usize) {
    assert_eq!(enter(subject, root, state), Trap::Syscall);
    (state.frame.number, state.frame.args[0])
}

/// The address at which a program faults, once the machine has said what it wanted there.
fn expect_fault<S: Subject>(subject: &S, root: Paddr, state: &mut State<S>, addr: Vaddr, access: Access) {
    let trap = enter(subject, root, state);
    let Trap::PageFault(fault) = trap else { panic!("{trap:?} where a fault was due") };
    // Where the machine cannot tell, a store may look like a load.
    let is_told = fault.access == access || (access, fault.access) == (Access::Write, Access::Read);
    assert!(fault.addr == addr && is_told, "{fault:?} for {access:?} at {addr}");
}

fn release<S: Subject>(subject: &S, root: Paddr, mut state: State<S>) {
    subject.machine().user_release(&mut state);
    subject.machine().space_retired(root);
}

pub(super) fn a_system_call_carries_its_frame_and_takes_a_value<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let Some((root, mut state)) = start(subject, &frames, Program::Calls) else { return };
    assert_eq!(enter(subject, root, &mut state), Trap::Syscall);
    let SyscallFrame { number, args, sp, .. } = state.frame;
    assert_eq!((number, args), (39, [7, 0, 0, 0, 0, 9]));
    assert_ne!(sp, 0);
    for value in [1234, 0, 99] {
        state.ret = Some(value);
        assert_eq!(next_call(subject, root, &mut state), (value, 7));
    }
    release(subject, root, state);
}

pub(super) fn registers_are_kept_and_replaced_as_told<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let Some((root, mut state)) = start(subject, &frames, Program::Calls) else { return };
    let entry = state.regs.ip();
    assert_eq!(enter(subject, root, &mut state), Trap::Syscall);
    subject.machine().user_load(&mut state);
    assert!(state.loaded);
    assert_eq!((state.regs.syscall_number(), state.regs.syscall_args()), (39, [7, 0, 0, 0, 0, 9]));
    assert_eq!((state.regs.ip(), state.regs.sp()), (state.frame.ip, state.frame.sp));
    // A value by itself, and the same in the registers, whichever the kernel prefers.
    state.regs.set_syscall_return(55);
    state.changed = true;
    assert_eq!(next_call(subject, root, &mut state), (55, 7));
    assert!(!state.changed);
    // From the beginning.
    subject.machine().user_load(&mut state);
    state.regs.set_ip(entry);
    state.changed = true;
    assert_eq!(next_call(subject, root, &mut state), (39, 7));
    // The same call once more.
    subject.machine().user_load(&mut state);
    let before = state.frame;
    state.regs.rewind_syscall(39, 7);
    state.changed = true;
    assert_eq!(enter(subject, root, &mut state), Trap::Syscall);
    assert_eq!(state.frame, before);
    release(subject, root, state);
}

pub(super) fn programs_do_not_see_each_others_registers<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let programs: Option<Vec<_>> = (0..3).map(|_| start(subject, &frames, Program::Calls)).collect();
    let Some(mut programs) = programs else { return };
    for (root, state) in &mut programs {
        assert_eq!(next_call(subject, *root, state), (39, 7));
    }
    for round in 0..3 {
        for (number, (root, state)) in programs.iter_mut().enumerate() {
            state.ret = Some(100 + 10 * round + number);
            assert_eq!(next_call(subject, *root, state), (100 + 10 * round + number, 7));
        }
    }
    programs.into_iter().for_each(|(root, state)| release(subject, root, state));
}

pub(super) fn floating_point_state_can_be_had<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, mut state)) = start(subject, &frames, Program::Calls) else { return };
    assert_eq!(enter(subject, root, &mut state), Trap::Syscall);
    hal.user_load_fp(&mut state);
    assert!(state.fp_loaded && (state.fp.is_empty() || state.fp.len() == hal.fp_initial().len()));
    assert!(!hal.fp_initial().is_empty());
    state.fp = hal.fp_initial();
    state.fp_changed = true;
    state.ret = Some(1);
    assert_eq!(next_call(subject, root, &mut state), (1, 7));
    release(subject, root, state);
}

pub(super) fn absent_pages_fault_and_are_found_once_there<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let Some((root, mut state)) = start(subject, &frames, Program::Loads) else { return };
    expect_fault(subject, root, &mut state, DATA, Access::Read);
    expect_fault(subject, root, &mut state, DATA, Access::Read);
    frames.map(root, DATA, frames.with(&77_u32.to_ne_bytes()), READ);
    // A spurious fault is legal; many are none.
    let mut trap = enter(subject, root, &mut state);
    for _ in 0..PATIENCE {
        if trap == Trap::Syscall {
            break;
        }
        trap = enter(subject, root, &mut state);
    }
    assert_eq!((trap, state.frame.number, state.frame.args[0]), (Trap::Syscall, 1, 77));
    release(subject, root, state);
}

pub(super) fn a_stale_page_may_stay_until_the_flush_and_not_longer<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let Some((root, mut state)) = start(subject, &frames, Program::Loads) else { return };
    let [old, new] = [1_u32, 2].map(|value| frames.with(&value.to_ne_bytes()));
    frames.map(root, DATA, old, READ);
    assert_eq!(next_call(subject, root, &mut state), (1, 1));
    state.ret = Some(0);
    frames.map(root, DATA, new, READ);
    let (_, seen) = next_call(subject, root, &mut state);
    assert!(seen == 1 || seen == 2, "neither the old page nor the new one: {seen}");
    frames.flush(root, DATA);
    state.ret = Some(0);
    assert_eq!(next_call(subject, root, &mut state), (1, 2));
    // A flush of other pages is no promise, and no harm.
    frames.flush(root, DATA + PAGE_SIZE);
    state.ret = Some(0);
    assert_eq!(next_call(subject, root, &mut state), (1, 2));
    frames.unmap(root, DATA);
    state.ret = Some(0);
    expect_fault(subject, root, &mut state, DATA, Access::Read);
    release(subject, root, state);
}

pub(super) fn a_store_needs_permission_and_is_seen_by_copies<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, mut state)) = start(subject, &frames, Program::Stores) else { return };
    let frame = frames.take();
    expect_fault(subject, root, &mut state, DATA, Access::Write);
    frames.map(root, DATA, frame, READ);
    frames.flush(root, DATA);
    expect_fault(subject, root, &mut state, DATA, Access::Write);
    // Once the page can be read, a store says what it is.
    let mut again = enter(subject, root, &mut state);
    if again == Trap::PageFault(PageFault { addr: DATA, access: Access::Read }) {
        again = enter(subject, root, &mut state);
    }
    assert_eq!(again, Trap::PageFault(PageFault { addr: DATA, access: Access::Write }));
    assert_eq!(frames.byte(frame), 0);
    frames.map(root, DATA, frame, WRITE);
    frames.flush(root, DATA);
    assert_eq!(next_call(subject, root, &mut state).0, 2);
    assert_eq!((hal.user_load32(root, DATA), hal.word_load(frame)), (Ok(0x5a5a_5a5a), 0x5a5a_5a5a));
    assert_eq!(hal.user_cmpxchg32(root, DATA, 0x5a5a_5a5a, 1), Ok(0x5a5a_5a5a));
    state.ret = Some(0);
    assert_eq!(next_call(subject, root, &mut state).0, 2);
    assert_eq!(hal.user_load32(root, DATA), Ok(0x5a5a_5a5a));
    // Taken away again, as for copy-on-write.
    frames.map(root, DATA, frame, READ);
    frames.flush(root, DATA);
    state.ret = Some(0);
    expect_fault(subject, root, &mut state, DATA, Access::Write);
    release(subject, root, state);
}

pub(super) fn code_needs_permission<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    for flags in [READ, WRITE] {
        let Some((root, mut state)) = start(subject, &frames, Program::Jumps) else { return };
        expect_fault(subject, root, &mut state, DATA, Access::Execute);
        frames.map(root, DATA, frames.take(), flags);
        frames.flush(root, DATA);
        expect_fault(subject, root, &mut state, DATA, Access::Execute);
        release(subject, root, state);
    }
}

pub(super) fn a_retired_space_leaves_nothing_for_its_frames_next_user<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, mut state)) = start(subject, &frames, Program::Loads) else { return };
    frames.map(root, DATA, frames.with(&1_u32.to_ne_bytes()), READ);
    assert_eq!(next_call(subject, root, &mut state), (1, 1));
    hal.user_release(&mut state);
    hal.space_retired(root);
    // The same root, as it is after its frame was freed and given to another space.
    let code = subject.program(Program::Loads).expect("just had it");
    frames.fill(root, 0);
    hal.space_made(root);
    frames.map(root, code.at, frames.with(&code.bytes), EXECUTE);
    let mut regs = <S::Machine as Hal>::Registers::default();
    regs.set_ip(code.entry.as_usize());
    let mut state = UserState::new(regs);
    expect_fault(subject, root, &mut state, DATA, Access::Read);
    frames.map(root, DATA, frames.with(&2_u32.to_ne_bytes()), READ);
    frames.flush(root, DATA);
    assert_eq!(next_call(subject, root, &mut state), (1, 2));
    release(subject, root, state);
}

pub(super) fn what_is_no_instruction_is_an_exception<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let Some((root, mut state)) = start(subject, &frames, Program::Breaks) else { return };
    assert_eq!(enter(subject, root, &mut state), Trap::Exception(Exception::InvalidInstruction));
    release(subject, root, state);
}

pub(super) fn a_program_that_never_traps_is_interrupted<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let Some((root, mut state)) = start(subject, &frames, Program::Spins) else { return };
    let hal = subject.machine();
    for _ in 0..3 {
        // The end of its time slice; some machines have a shorter one of their own. Not before it runs.
        hal.interrupts_disable();
        hal.timer_arm(CPU, Some(hal.monotonic_ns() + 1_000_000));
        assert_eq!(enter_once(subject, root, &mut state), Trap::Interrupt);
    }
    hal.timer_arm(CPU, None);
    release(subject, root, state);
}

/// A machine may reach the space that a program runs in by other means than spaces at rest.
pub(super) fn copies_are_refused_alike_where_a_program_has_run<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, mut state)) = start(subject, &frames, Program::Calls) else { return };
    assert_eq!(next_call(subject, root, &mut state), (39, 7));
    let mut back = [0; 16];
    assert_eq!(read(hal, root, DATA + 1, &mut back), refused(0, DATA + 1, Access::Read));
    assert_eq!(write(hal, root, DATA, &back), refused(0, DATA, Access::Write));
    assert_eq!(hal.user_load32(root, DATA), Err(PageFault { addr: DATA, access: Access::Read }));
    // What is new need not be flushed: nothing was there to be remembered.
    let frame = frames.with(&[9; 8]);
    frames.map(root, DATA, frame, READ);
    assert_eq!((read(hal, root, DATA, &mut back), back[7], back[8]), (Ok(()), 9, 0));
    let end = DATA + PAGE_SIZE;
    assert_eq!(read(hal, root, end - 3, &mut back), refused(3, end, Access::Read));
    assert_eq!(write(hal, root, DATA + 3, &back), refused(0, DATA + 3, Access::Write));
    assert_eq!(hal.user_fill(root, DATA, 1, 8), refused(0, DATA, Access::Write));
    assert_eq!(hal.user_cmpxchg32(root, DATA, 0, 1), Err(PageFault { addr: DATA, access: Access::Write }));
    assert_eq!((hal.user_load32(root, DATA), frames.byte(frame)), (Ok(0x0909_0909), 9));
    frames.map(root, DATA, frame, WRITE);
    frames.flush(root, DATA);
    assert_eq!(hal.user_cmpxchg32(root, DATA, 0x0909_0909, 0xffff_fffe), Ok(0x0909_0909));
    assert_eq!(hal.user_cmpxchg32(root, DATA, 0, 1), Ok(0xffff_fffe));
    assert_eq!(write(hal, root, end - 5, &[3; 16]), refused(5, end, Access::Write));
    assert_eq!(hal.user_fill(root, end - 2, 4, 9), refused(2, end, Access::Write));
    assert_eq!([5, 2, 1].map(|before| frames.byte(frame + PAGE_SIZE - before)), [3, 4, 4]);
    let last = hal.user_end();
    for at in [last, Vaddr::new(1 << 63), Vaddr::new(usize::MAX - 15)] {
        assert!(read(hal, root, at, &mut back).is_err_and(|fault| fault.done == 0), "{at}");
        assert!(write(hal, root, at, &back).is_err_and(|fault| fault.done == 0), "{at}");
    }
    // The program's own code: readable, and nothing more.
    let code = Vaddr::new(state.frame.ip);
    assert_eq!(write(hal, root, code, &[0; 2]), refused(0, code, Access::Write));
    state.ret = Some(5);
    assert_eq!(next_call(subject, root, &mut state), (5, 7));
    release(subject, root, state);
}
