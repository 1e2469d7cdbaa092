//! Programs in address spaces.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use ostd::user::{Access, PageFault, Registers as _, Regs, Trap, UserContext};
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, PAGE_SIZE};

use super::super::programs::{Code, DATA, Program};
use super::Ground;

/// A program in a space of its own, about to begin.
fn load(machine: &Machine, code: &Code) -> (VmSpace, UserContext) {
    let space = VmSpace::new(machine).expect("memory");
    let frame = machine.frame().expect("memory");
    frame.write(0, &code.bytes);
    space.cursor(code.at..code.at + PAGE_SIZE).map(frame, PageFlags::EXECUTE).expect("memory");
    let mut regs = Regs::default();
    regs.set_ip(code.entry.as_usize());
    (space, UserContext::new(machine, regs))
}

/// Runs a program to a trap of its own.
fn execute(user: &mut UserContext, space: &VmSpace) -> Trap {
    loop {
        match user.execute(space) {
            Trap::Interrupt => {}
            trap => return trap,
        }
    }
}

fn map_data(machine: &Machine, space: &VmSpace, word: u32, flags: PageFlags) {
    let frame = machine.frame().expect("memory");
    frame.write(0, &word.to_ne_bytes());
    space.cursor(DATA..DATA + PAGE_SIZE).map(frame, flags).expect("memory");
}

pub(super) fn a_program_calls_and_is_answered(on: &Ground<'_>) {
    let (handle, code) = (on.machine.clone(), (on.code)(Program::Calls));
    on.spawn("program", move || {
        let (space, mut user) = load(&handle, &code);
        assert_eq!(execute(&mut user, &space), Trap::Syscall);
        assert_eq!((user.frame().number, user.frame().args), (39, [7, 0, 0, 0, 0, 9]));
        for number in [1234, 0, 99] {
            user.set_syscall_return(number);
            assert_eq!(execute(&mut user, &space), Trap::Syscall);
            assert_eq!((user.frame().number, user.frame().args[0]), (number, 7));
        }
        handle.stop();
    });
    on.run();
}

pub(super) fn a_program_faults_until_its_page_is_there(on: &Ground<'_>) {
    let (handle, code) = (on.machine.clone(), (on.code)(Program::Stores));
    on.spawn("program", move || {
        let (space, mut user) = load(&handle, &code);
        let Trap::PageFault(PageFault { addr: DATA, .. }) = execute(&mut user, &space) else { panic!("no fault") };
        map_data(&handle, &space, 0, PageFlags::WRITE);
        assert_eq!(execute(&mut user, &space), Trap::Syscall);
        assert_eq!(user.frame().number, 2);
        let mut back = [0; 4];
        space.read(DATA, &mut back).expect("mapped");
        assert_eq!(back, [0x5a; 4]);
        let over = space.read(DATA + PAGE_SIZE - 2, &mut back).map_err(|fault| fault.done);
        assert_eq!(over, Err(2));
        handle.stop();
    });
    on.run();
}

pub(super) fn a_page_that_is_unmapped_is_gone_once_flushed(on: &Ground<'_>) {
    let (handle, code) = (on.machine.clone(), (on.code)(Program::Loads));
    on.spawn("program", move || {
        let (space, mut user) = load(&handle, &code);
        for word in [77, 78, 79] {
            let gone = Trap::PageFault(PageFault { addr: DATA, access: Access::Read });
            assert_eq!(execute(&mut user, &space), gone);
            map_data(&handle, &space, word, PageFlags::empty());
            assert_eq!(execute(&mut user, &space), Trap::Syscall);
            assert_eq!((user.frame().number, user.frame().args[0]), (1, word as usize));
            user.set_syscall_return(0);
            let used = handle.frames().used();
            let flush = space.cursor(DATA..DATA + PAGE_SIZE).unmap(PAGE_SIZE);
            flush.now();
            assert_eq!(handle.frames().used(), used - 1, "the page's frame is free behind the flush");
        }
        handle.stop();
    });
    on.run();
}

pub(super) fn a_slice_that_is_over_gives_the_next_program_its_turn(on: &Ground<'_>) {
    let calls = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let left = Arc::new(AtomicU32::new(2));
    for me in 0..2 {
        let (handle, code) = (on.machine.clone(), (on.code)(Program::Calls));
        let (calls, left) = (Arc::clone(&calls), Arc::clone(&left));
        on.spawn("program", move || {
            let (space, mut user) = load(&handle, &code);
            // Until the other one has got somewhere too: on one CPU, because this one's time was up.
            while calls.iter().any(|count| count.load(Ordering::SeqCst) < 10) {
                assert_eq!(execute(&mut user, &space), Trap::Syscall);
                user.set_syscall_return(39);
                calls[me].fetch_add(1, Ordering::SeqCst);
            }
            drop((user, space));
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                handle.stop();
            }
        });
    }
    on.run();
}

pub(super) fn a_program_that_runs_alone_hears_of_a_stop(on: &Ground<'_>) {
    let (handle, code) = (on.machine.clone(), (on.code)(Program::Calls));
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    on.spawn("program", move || {
        let (space, mut user) = load(&handle, &code);
        handle.stop();
        // Not before the machine runs again.
        assert_eq!(execute(&mut user, &space), Trap::Syscall);
        count.store(1, Ordering::SeqCst);
        handle.stop();
    });
    on.run();
    assert_eq!((calls.load(Ordering::SeqCst), on.machine.task_count()), (0, 1));
    on.run();
    assert_eq!((calls.load(Ordering::SeqCst), on.machine.task_count()), (1, 0));
}
