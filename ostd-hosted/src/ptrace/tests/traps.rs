//! What leaves user mode, and what is carried along.

use std::time::Duration;

use ostd_hal::user::SyscallFrame;
use ostd_hal::user::x86_64::Regs;
use ostd_hal::{Access, Exception, PageFault, Trap, Vaddr};

use super::super::image::{CODE_PAGE, COMMAND_PAGE};
use super::super::{PtraceConfig, PtraceEngine};
use super::machine::{CODE, Machine, STACK};

/// mov eax, 39; mov edi, 7; mov r9d, 9; syscall; mov rbx, rax; syscall; jmp to the last syscall
const CALLS: &[u8] = &[
    0xb8, 39, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x41, 0xb9, 9, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc3, 0x0f, 0x05, 0xeb, 0xfc,
];

fn execute_fault(at: usize) -> Trap {
    Trap::PageFault(PageFault { addr: Vaddr::new(at), access: Access::Execute })
}

/// Runs `code` to its first trap.
fn first_trap(code: &[u8]) -> (Trap, Regs) {
    let machine = Machine::new();
    let (root, mut state) = machine.program(code);
    let trap = machine.enter(root, &mut state);
    machine.engine.load(&mut state);
    (trap, state.regs)
}

#[test]
fn a_system_call_carries_its_frame_and_returns_a_value() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(CALLS);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    let expected = SyscallFrame { number: 39, args: [7, 0, 0, 0, 0, 9], ip: CODE + 18, sp: STACK };
    assert_eq!(state.frame, expected);
    assert!(!state.loaded && !state.changed);

    state.ret = Some(1234);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    assert_eq!((state.frame.number, state.frame.ip), (1234, CODE + 23));
    machine.engine.load(&mut state);
    assert!(state.loaded && !state.changed);
    let Regs { rbx, rcx, orig_rax, r11, rip, .. } = state.regs;
    assert_eq!((rbx, orig_rax, rip), (1234, 1234, CODE as u64 + 23));
    // As the instruction leaves them (Intel SDM, SYSCALL).
    assert_eq!((rcx, r11 & 0x202), (rip, 0x202));
}

#[test]
fn changed_registers_win_over_a_return_value() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(CALLS);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    state.ret = Some(5);
    machine.engine.load(&mut state);
    assert_eq!(state.regs.rax, 5);
    state.regs.rax = 77;
    state.regs.rdi = 8;
    state.changed = true;
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    assert_eq!((state.frame.number, state.frame.args[0]), (77, 8));
}

#[test]
fn every_return_value_reaches_the_program_even_the_hosts_restart_codes() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(CALLS);
    machine.enter(root, &mut state);
    for code in [-4_isize, -512, -513, -514, -516, -4095] {
        state.ret = Some(code as usize);
        assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
        assert_eq!((state.frame.number as isize, state.frame.ip), (code, CODE + 23));
    }
}

#[test]
fn a_system_call_can_be_repeated() {
    use ostd_hal::Registers;
    let machine = Machine::new();
    let (root, mut state) = machine.program(CALLS);
    machine.enter(root, &mut state);
    machine.engine.load(&mut state);
    state.regs.rewind_syscall(39, 7);
    state.changed = true;
    let before = state.frame;
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    assert_eq!(state.frame, before);
}

#[test]
fn exceptions_are_told_apart() {
    let cases: &[(&[u8], Exception, u64)] = &[
        (&[0x31, 0xc9, 0xf7, 0xf1], Exception::DivideError, 2), // xor ecx, ecx; div ecx
        (&[0x0f, 0x0b], Exception::InvalidInstruction, 0),      // ud2
        (&[0xcc], Exception::Breakpoint, 1),
        (&[0xf4], Exception::GeneralProtection, 0),       // hlt
        (&[0xcd, 0x80], Exception::GeneralProtection, 0), // int 0x80
        (&[0xcd, 0x81], Exception::GeneralProtection, 0),
        // mov eax, 1; shl rax, 63; mov eax, [rax]
        (&[0xb8, 1, 0, 0, 0, 0x48, 0xc1, 0xe0, 63, 0x8b, 0x00], Exception::GeneralProtection, 9),
        // pushf; or dword [rsp], 0x100; popf; nop; nop: a single step behind the first
        (&[0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90, 0x90], Exception::Debug, 10),
    ];
    for (code, exception, offset) in cases {
        let (trap, regs) = first_trap(code);
        assert_eq!(trap, Trap::Exception(*exception), "{code:x?}");
        assert_eq!(regs.rip, CODE as u64 + offset, "{code:x?}");
        assert_eq!(regs.orig_rax, u64::MAX, "{code:x?}");
    }
}

#[test]
fn the_hosts_vsyscall_page_does_not_exist() {
    for page_offset in [0_u64, 0x400, 0x800, 0x10] {
        // mov rax, address; call rax
        let target = 0xffff_ffff_ff60_0000 + page_offset;
        let mut code = vec![0x31, 0xff, 0x31, 0xf6, 0x48, 0xb8];
        code.extend(target.to_le_bytes());
        code.extend([0xff, 0xd0]);
        let (trap, regs) = first_trap(&code);
        assert_eq!(trap, execute_fault(target as usize));
        assert_eq!((regs.rip, regs.rsp), (target, STACK as u64 - 8));
    }
}

#[test]
fn the_stubs_own_pages_are_no_use_to_a_guest() {
    // Every byte of the stub's code, its end, and the commands.
    for target in (CODE_PAGE..CODE_PAGE + 0x34).chain([COMMAND_PAGE]) {
        let mut code = vec![0x48, 0xb8];
        code.extend(target.to_le_bytes());
        code.extend([0xff, 0xe0]); // jmp rax
        let (trap, _) = first_trap(&code);
        let Trap::PageFault(fault) = trap else { panic!("{target:#x}: {trap:?}") };
        assert!(fault.addr >= PtraceEngine::USER_END || fault.addr < PtraceEngine::USER_START, "{fault:?}");
    }
}

#[test]
fn a_guest_in_32_bit_mode_makes_no_calls() {
    // push 0x23; lea rax, [rip + 3]; push rax; retfq; int 0x80
    let (trap, _) =
        first_trap(&[0x6a, 0x23, 0x48, 0x8d, 0x05, 3, 0, 0, 0, 0x50, 0x48, 0xcb, 0xb8, 20, 0, 0, 0, 0xcd, 0x80]);
    assert_eq!(trap, Trap::Exception(Exception::GeneralProtection));
}

#[test]
fn an_endless_loop_is_interrupted_and_goes_on() {
    for deterministic in [false, true] {
        let quantum = Duration::from_millis(1);
        let machine = Machine::with(PtraceConfig { deterministic, quantum, ..PtraceConfig::default() });
        let (root, mut state) = machine.program(&[0xff, 0xc3, 0xeb, 0xfc]); // inc ebx; jmp back
        let mut counts = [0; 3];
        for count in &mut counts {
            assert_eq!(machine.enter(root, &mut state), Trap::Interrupt);
            assert!(state.loaded);
            *count = state.regs.rbx;
        }
        assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
    }
}

#[test]
fn a_deterministic_machine_answers_rdtsc_itself() {
    let machine = Machine::with(PtraceConfig { deterministic: true, ..PtraceConfig::default() });
    machine.engine.set_tsc(|| 0x11_2233_4455);
    // rdtsc; mov ebx, edx; mov edi, eax; rdtscp; syscall
    let (root, mut state) = machine.program(&[0x0f, 0x31, 0x89, 0xd3, 0x89, 0xc7, 0x0f, 0x01, 0xf9, 0x0f, 0x05]);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    machine.engine.load(&mut state);
    assert_eq!((state.regs.rbx, state.regs.rdi, state.regs.orig_rax), (0x11, 0x2233_4455, 0x2233_4455));
}
