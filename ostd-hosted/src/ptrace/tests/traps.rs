//! What leaves user mode, and what is carried along.

use ostd_hal::Trap;
use ostd_hal::user::SyscallFrame;
use ostd_hal::user::x86_64::Regs;

use super::machine::{CODE, Machine, STACK};

/// mov eax, 39; mov edi, 7; mov r9d, 9; syscall; mov rbx, rax; syscall; jmp to the last syscall
const CALLS: &[u8] = &[
    0xb8, 39, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x41, 0xb9, 9, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc3, 0x0f, 0x05, 0xeb, 0xfc,
];

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
    assert_eq!((rcx, r11 & 0x202), (rip, 0x202));
}
