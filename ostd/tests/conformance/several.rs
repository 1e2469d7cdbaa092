//! Several CPUs: all are lent, and what one forgets, leaves or puts down the others forget, leave and take up.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ostd::hal::hal::Resumed;
use ostd::hal::user::{PageFault, Registers, Trap, UserState};
use ostd::hal::{Client, CpuId, Hal, Interrupt, PAGE_SIZE, Paddr, Step};
use ostd::sync::SpinLock;

use super::contexts::{Lent, resume};
use super::tree::{DATA, EXECUTE, Frames, READ, start};
use super::{Program, Subject};

/// Generic code in small: each turn of a CPU is a call of a function.
struct Workers<'a> {
    work: &'a (dyn Fn(CpuId) + Sync),
    done: &'a AtomicBool,
}

impl Client for Workers<'_> {
    fn step(&self, cpu: CpuId) -> Step {
        (self.work)(cpu);
        Step::Busy
    }

    fn interrupt(&self, _: CpuId, _: Interrupt) {}

    fn stopping(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }
}

/// Has all CPUs work until `done`.
fn lend<H: Hal>(hal: &H, done: &AtomicBool, work: &(dyn Fn(CpuId) + Sync)) {
    assert!(hal.cpu_count() >= 2, "the suite needs two CPUs");
    assert_eq!(hal.run(&Workers { work, done }), Ok(()));
}

/// Runs a program on `cpu` to a trap of its own. Called with interrupts kept away; returns so.
fn enter_on<H: Hal>(hal: &H, cpu: CpuId, root: Paddr, state: &mut UserState<H::Registers>) -> Trap {
    loop {
        hal.interrupts_disable();
        let trap = hal.user_enter(cpu, root, state);
        hal.interrupts_disable();
        if trap != Trap::Interrupt {
            return trap;
        }
    }
}

/// The first argument of a program's next system call.
fn call_on<H: Hal>(hal: &H, cpu: CpuId, root: Paddr, state: &mut UserState<H::Registers>) -> usize {
    let trap = enter_on(hal, cpu, root, state);
    assert_eq!(trap, Trap::Syscall);
    state.ret = Some(0);
    state.frame.args[0]
}

pub(super) fn every_cpu_is_lent_while_the_machine_runs_and_not_after<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let turns: Vec<AtomicUsize> = (0..hal.cpu_count()).map(|_| AtomicUsize::new(0)).collect();
    // What ends is begun again.
    for _ in 0..3 {
        turns.iter().for_each(|count| count.store(0, Ordering::SeqCst));
        let done = AtomicBool::new(false);
        lend(hal, &done, &|cpu| {
            turns[cpu.0].fetch_add(1, Ordering::SeqCst);
            done.store(turns.iter().all(|count| count.load(Ordering::SeqCst) > 0), Ordering::SeqCst);
        });
        let all = || turns.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>();
        let after = all();
        (0..1000).for_each(|_| S::Machine::relax());
        assert_eq!(all(), after, "a CPU had a turn behind the end");
    }
}

pub(super) fn a_flush_reaches_a_cpu_that_runs_a_program<S: Subject>(subject: &S) {
    const FLIPS: usize = 50;
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, state)) = start(subject, &frames, Program::Loads) else { return };
    let pages = [0_u32, 1].map(|word| frames.with(&word.to_ne_bytes()));
    frames.map(root, DATA, pages[0], READ);
    let (frames, state) = (SpinLock::new(frames), SpinLock::new(state));
    // Changes of the page that are over; the last of them that the program has seen.
    let (flips, seen) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let done = AtomicBool::new(false);
    lend(hal, &done, &|cpu| match cpu.0 {
        0 => {
            let over = flips.load(Ordering::SeqCst);
            if seen.load(Ordering::SeqCst) != over {
                S::Machine::relax();
                return;
            }
            frames.lock().map(root, DATA, pages[(over + 1) % 2], READ);
            (0..hal.cpu_count()).for_each(|cpu| hal.tlb_flush(CpuId(cpu), root, DATA..DATA + PAGE_SIZE));
            flips.store(over + 1, Ordering::SeqCst);
            done.store(over + 1 == FLIPS, Ordering::SeqCst);
        }
        1 => {
            let over = flips.load(Ordering::SeqCst);
            let word = call_on(hal, cpu, root, &mut state.lock());
            // A change that had been flushed when the program was entered, and none since: what it saw last.
            if seen.load(Ordering::SeqCst) != over {
                assert_eq!(word, over % 2, "after {over} changes");
                seen.store(over, Ordering::SeqCst);
            }
        }
        _ => S::Machine::relax(),
    });
    hal.user_release(&mut state.into_inner());
    hal.space_retired(root);
}

pub(super) fn two_cpus_may_flush_each_other_at_once<S: Subject>(subject: &S) {
    const ROUNDS: usize = 100;
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, state)) = start(subject, &frames, Program::Loads) else { return };
    frames.map(root, DATA, frames.with(&[]), READ);
    let states = [SpinLock::new(state.clone()), SpinLock::new(state)];
    let rounds = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let done = AtomicBool::new(false);
    lend(hal, &done, &|cpu| {
        let Some(state) = states.get(cpu.0) else { return S::Machine::relax() };
        // So that there is something to forget.
        assert_eq!(call_on(hal, cpu, root, &mut state.lock()), 0);
        hal.tlb_flush(CpuId(1 - cpu.0), root, DATA..DATA + PAGE_SIZE);
        rounds[cpu.0].fetch_add(1, Ordering::SeqCst);
        done.store(rounds.iter().all(|count| count.load(Ordering::SeqCst) >= ROUNDS), Ordering::SeqCst);
    });
    for state in states {
        hal.user_release(&mut state.into_inner());
    }
    hal.space_retired(root);
}

pub(super) fn a_cpu_that_waits_for_another_answers_its_flush<S: Subject>(subject: &S) {
    let hal = subject.machine();
    // One CPU after the other cannot wait for each other.
    if S::Machine::CHECKS {
        return;
    }
    let frames = Frames::of(hal);
    let Some((root, state)) = start(subject, &frames, Program::Loads) else { return };
    frames.map(root, DATA, frames.with(&[]), READ);
    let state = SpinLock::new(state);
    let (waits, flushed, done) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    lend(hal, &done, &|cpu| match cpu.0 {
        0 if waits.load(Ordering::SeqCst) => {
            hal.tlb_flush(CpuId(1), root, DATA..DATA + PAGE_SIZE);
            flushed.store(true, Ordering::SeqCst);
        }
        1 => {
            call_on(hal, cpu, root, &mut state.lock());
            waits.store(true, Ordering::SeqCst);
            // As for a lock, with interrupts kept away.
            while !flushed.load(Ordering::SeqCst) {
                S::Machine::relax();
            }
            done.store(true, Ordering::SeqCst);
        }
        _ => S::Machine::relax(),
    });
    hal.user_release(&mut state.into_inner());
    hal.space_retired(root);
}

pub(super) fn a_space_retired_on_one_cpu_is_left_by_the_other<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let Some((root, state)) = start(subject, &frames, Program::Loads) else { return };
    let code = subject.program(Program::Loads).expect("just had it");
    let page = frames.with(&code.bytes);
    frames.map(root, DATA, frames.with(&1_u32.to_ne_bytes()), READ);
    let (frames, state) = (SpinLock::new(frames), SpinLock::new(state));
    let (phase, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    lend(hal, &done, &|cpu| match (cpu.0, phase.load(Ordering::SeqCst)) {
        (1, 0) => {
            assert_eq!(call_on(hal, cpu, root, &mut state.lock()), 1);
            hal.user_release(&mut state.lock());
            phase.store(1, Ordering::SeqCst);
        }
        (0, 1) => {
            hal.space_retired(root);
            // The same root, as it is after its frame was freed and given to another space, without the data.
            let frames = frames.lock();
            frames.fill(root, 0);
            hal.space_made(root);
            frames.map(root, code.at, page, EXECUTE);
            phase.store(2, Ordering::SeqCst);
        }
        (1, 2) => {
            let mut regs = <S::Machine as Hal>::Registers::default();
            regs.set_ip(code.entry.as_usize());
            let mut state = UserState::new(regs);
            let trap = enter_on(hal, cpu, root, &mut state);
            assert!(matches!(trap, Trap::PageFault(PageFault { addr: DATA, .. })), "{trap:?}");
            hal.user_release(&mut state);
            done.store(true, Ordering::SeqCst);
        }
        _ => S::Machine::relax(),
    });
    hal.space_retired(root);
}

pub(super) fn a_context_moves_between_cpus<S: Subject>(subject: &S) {
    const MOVES: usize = 100;
    let hal = subject.machine();
    let (lent, turns) = (Lent(core::ptr::from_ref(hal)), Arc::new(AtomicUsize::new(0)));
    let inside = Arc::clone(&turns);
    let entry = move || {
        let kept: Vec<usize> = (0..100).collect();
        for turn in 0..MOVES {
            assert!(lent.hal().in_context());
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), turn);
            lent.hal().context_suspend();
        }
        assert_eq!(kept.iter().sum::<usize>(), 4950);
    };
    let context = SpinLock::new(hal.context_new(Box::new(entry)).expect("a stack"));
    let done = AtomicBool::new(false);
    lend(hal, &done, &|cpu| {
        let turn = turns.load(Ordering::SeqCst);
        if cpu.0 != turn % 2 || done.load(Ordering::SeqCst) {
            return S::Machine::relax();
        }
        match resume(hal, &mut context.lock()) {
            Resumed::Suspended => assert_eq!(turns.load(Ordering::SeqCst), turn + 1),
            Resumed::Finished => done.store(true, Ordering::SeqCst),
            _ => panic!("a context neither suspended nor finished"),
        }
    });
    assert_eq!(turns.load(Ordering::SeqCst), MOVES);
}
