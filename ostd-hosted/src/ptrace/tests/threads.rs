//! Several threads, several address spaces, fewer stubs.

use ostd_hal::user::x86_64::Regs;
use ostd_hal::{Exception, PAGE_SIZE, Paddr, Trap, UserState};

use super::super::{PtraceConfig, PtraceEngine};
use super::machine::{CODE, EXECUTE, Machine, STACK, WRITE, thread};

/// movq xmm0, rdi; mov rbx, rdi; again: syscall; movq rdi, xmm0; mov rsi, rbx; inc rbx; jmp again
const COUNTER: &[u8] = &[
    0x66, 0x48, 0x0f, 0x6e, 0xc7, 0x48, 0x89, 0xfb, 0x0f, 0x05, 0x66, 0x48, 0x0f, 0x7e, 0xc7, 0x48, 0x89, 0xde, 0x48,
    0xff, 0xc3, 0xeb, 0xf1,
];

fn counter(start: u64) -> UserState<Regs> {
    let mut state = thread(CODE);
    state.regs.rdi = start;
    state
}

/// Goes round once: what the vector register and the counter hold.
fn turn(machine: &Machine, root: Paddr, state: &mut UserState<Regs>) -> [usize; 2] {
    state.ret = Some(0);
    assert_eq!(machine.enter(root, state), Trap::Syscall);
    [state.frame.args[0], state.frame.args[1]]
}

fn few_stubs(max_stubs: usize) -> Machine {
    Machine::with(PtraceConfig { max_stubs, ..PtraceConfig::default() })
}

#[test]
fn threads_of_one_address_space_keep_their_registers_apart() {
    let machine = Machine::new();
    let (root, _) = machine.program(COUNTER);
    let mut threads = [counter(100), counter(200), counter(300)];
    for state in &mut threads {
        assert_eq!(machine.enter(root, state), Trap::Syscall);
    }
    for round in 0..4 {
        for (number, state) in threads.iter_mut().enumerate() {
            let start = (number + 1) * 100;
            assert_eq!(turn(&machine, root, state), [start, start + round]);
        }
    }
    assert_eq!(machine.stub_pids().len(), 1);
}

#[test]
fn registers_can_be_asked_for_after_another_thread_ran() {
    let machine = Machine::new();
    let (root, _) = machine.program(COUNTER);
    let (mut one, mut two) = (counter(1), counter(2));
    machine.enter(root, &mut one);
    machine.enter(root, &mut two);
    machine.engine.load(&mut one);
    machine.engine.load_fp(&mut one);
    assert_eq!((one.regs.rbx, one.regs.rip), (1, CODE as u64 + 10));
    const XMM0: usize = 160;
    assert_eq!(one.fp[XMM0], 1);
    machine.engine.load_fp(&mut two);
    assert_eq!(two.fp[XMM0], 2);
}

#[test]
fn a_copy_goes_on_in_another_address_space() {
    let machine = Machine::new();
    let (root, _) = machine.program(COUNTER);
    let mut parent = counter(7);
    machine.enter(root, &mut parent);
    turn(&machine, root, &mut parent);
    machine.engine.load(&mut parent);
    machine.engine.load_fp(&mut parent);
    let mut child = UserState { changed: true, fp_changed: true, home: 0, ret: None, ..parent.clone() };
    child.regs.rax = 0;
    let (other, _) = machine.program(COUNTER);
    assert_eq!(machine.enter(other, &mut child), Trap::Syscall);
    assert_eq!(child.frame.args[..2], [7, 8]);
    assert_eq!(turn(&machine, root, &mut parent), [7, 8]);
    assert_eq!(turn(&machine, other, &mut child), [7, 9]);
    assert_eq!(machine.stub_pids().len(), 2);
}

#[test]
fn more_address_spaces_than_stubs_take_turns() {
    let machine = few_stubs(2);
    let roots: Vec<_> = (0..5).map(|_| machine.program(COUNTER).0).collect();
    let mut threads: Vec<_> = (0..5).map(|number| counter(number * 10)).collect();
    for (root, state) in roots.iter().zip(&mut threads) {
        assert_eq!(machine.enter(*root, state), Trap::Syscall);
    }
    for round in 0..3 {
        for (number, (root, state)) in roots.iter().zip(&mut threads).enumerate() {
            assert_eq!(turn(&machine, *root, state), [number * 10, number * 10 + round]);
        }
    }
    assert_eq!(machine.stub_pids().len(), 2);
}

#[test]
fn a_retired_stub_serves_another_space_and_remembers_nothing() {
    let machine = few_stubs(1);
    let (root, _) = machine.program(COUNTER);
    let mut state = counter(5);
    machine.enter(root, &mut state);
    let pids = machine.stub_pids();
    machine.engine.release(&mut state);
    assert_eq!(state.home, 0);
    machine.engine.retire(root);

    let other = machine.space();
    // The new space has its code elsewhere; the old address must fault.
    machine.map(other, CODE + PAGE_SIZE, machine.frame_with(COUNTER), EXECUTE);
    let mut state = counter(6);
    let trap = machine.enter(other, &mut state);
    assert!(matches!(trap, Trap::PageFault(fault) if fault.addr.as_usize() == CODE), "{trap:?}");
    (state.regs.rip, state.changed) = ((CODE + PAGE_SIZE) as u64, true);
    assert_eq!(machine.enter(other, &mut state), Trap::Syscall);
    assert_eq!(turn(&machine, other, &mut state), [6, 6]);
    assert_eq!(machine.stub_pids(), pids);
}

#[test]
fn a_new_program_starts_with_initial_vector_state() {
    let machine = few_stubs(1);
    let (root, _) = machine.program(COUNTER);
    machine.enter(root, &mut counter(0x1234));
    // mov rdi, xmm0; syscall, in another thread of the same space, and in another space
    let code = &[0x66, 0x48, 0x0f, 0x7e, 0xc7, 0x0f, 0x05];
    machine.map(root, CODE + PAGE_SIZE, machine.frame_with(code), EXECUTE);
    let mut second = thread(CODE + PAGE_SIZE);
    assert_eq!(machine.enter(root, &mut second), Trap::Syscall);
    assert_eq!(second.frame.args[0], 0);
    let (other, mut third) = machine.program(code);
    assert_eq!(machine.enter(other, &mut third), Trap::Syscall);
    assert_eq!(third.frame.args[0], 0);
}

#[test]
fn initial_state_is_what_the_host_gives_a_new_process() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(&[0x0f, 0x05]);
    state.fp = PtraceEngine::fp_initial();
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    machine.engine.load_fp(&mut state);
    let expected = PtraceEngine::fp_initial();
    assert_eq!(state.fp.len(), expected.len());
    // Control word and MXCSR; the rest holds host bookkeeping as well.
    assert_eq!((&state.fp[..2], &state.fp[24..28]), (&expected[..2], &expected[24..28]));
}

#[test]
fn a_vector_state_that_the_processor_refuses_costs_only_the_program() {
    let machine = Machine::new();
    let (root, _) = machine.program(COUNTER);
    let mut state = counter(3);
    machine.enter(root, &mut state);
    machine.engine.load_fp(&mut state);
    state.fp[24..28].copy_from_slice(&[0xff; 4]); // reserved bits of MXCSR
    state.fp_changed = true;
    assert_eq!(machine.enter(root, &mut state), Trap::Exception(Exception::GeneralProtection));
    assert_eq!(turn(&machine, root, &mut state)[1], 3);
}

#[test]
fn a_thread_pointer_survives_a_change_of_threads() {
    let machine = Machine::new();
    // mov rdi, fs:[0]; syscall; jmp back
    let (root, _) = machine.program(&[0x64, 0x48, 0x8b, 0x3c, 0x25, 0, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf3]);
    let data = machine.frame();
    machine.write(data, &11_u64.to_le_bytes());
    machine.write(data + 8, &22_u64.to_le_bytes());
    machine.map(root, STACK, data, WRITE);
    let mut threads = [thread(CODE), thread(CODE)];
    for (state, base) in threads.iter_mut().zip([STACK, STACK + 8]) {
        state.regs.fs_base = base as u64;
    }
    for _ in 0..3 {
        for (state, value) in threads.iter_mut().zip([11, 22]) {
            assert_eq!(machine.enter(root, state), Trap::Syscall);
            assert_eq!(state.frame.args[0], value);
        }
    }
}

#[test]
fn a_base_that_is_no_user_address_does_not_stop_a_program() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(&[0x0f, 0x05]);
    state.regs.fs_base = u64::MAX;
    state.regs.gs_base = 1 << 63;
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
}
