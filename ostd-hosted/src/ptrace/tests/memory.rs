//! Page faults, and the stub's mappings as a TLB.

use ostd_hal::Paddr;
use ostd_hal::user::x86_64::Regs;
use ostd_hal::{Access, PAGE_SIZE, PageFault, Trap, UserState, Vaddr};

use super::machine::{CODE, DATA, EXECUTE, Machine, READ, WRITE, thread};

fn fault(addr: usize, access: Access) -> Trap {
    Trap::PageFault(PageFault { addr: Vaddr::new(addr), access })
}

/// `mov rbx, DATA`, then `rest`.
fn with_data(rest: &[u8]) -> Vec<u8> {
    let mut code = vec![0x48, 0xbb];
    code.extend(DATA.to_le_bytes());
    code.extend(rest);
    code
}

fn flush_page(machine: &Machine, root: Paddr, at: usize) {
    machine.engine.flush(root, Vaddr::new(at)..Vaddr::new(at + PAGE_SIZE));
}

/// Runs to a system call and says what the program left in `rax`.
fn answer(machine: &Machine, root: Paddr, state: &mut UserState<Regs>) -> usize {
    assert_eq!(machine.enter(root, state), Trap::Syscall);
    state.frame.number
}

#[test]
fn a_store_to_an_absent_page_faults_and_succeeds_once_mapped() {
    let machine = Machine::new();
    // mov [rbx + 8], rsp; syscall
    let (root, mut state) = machine.program(&with_data(&[0x48, 0x89, 0x63, 0x08, 0x0f, 0x05]));
    assert_eq!(machine.enter(root, &mut state), fault(DATA + 8, Access::Write));
    assert_eq!((state.regs.rip, state.frame.ip), (CODE as u64 + 10, CODE + 10));
    let frame = machine.frame();
    machine.map(root, DATA, frame, WRITE);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    assert_eq!(machine.load(frame + 8), super::machine::STACK as u64);
}

#[test]
fn a_load_from_an_absent_page_is_a_read_fault() {
    let machine = Machine::new();
    // mov eax, [rbx]; syscall
    let (root, mut state) = machine.program(&with_data(&[0x8b, 0x03, 0x0f, 0x05]));
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Read));
    // Entering again without mapping anything is the same fault again.
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Read));
    machine.map(root, DATA, machine.frame_with(&[42]), READ);
    assert_eq!(answer(&machine, root, &mut state), 42);
}

#[test]
fn a_page_without_the_user_flag_is_absent() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(&with_data(&[0x8b, 0x03]));
    machine.map(root, DATA, machine.frame(), ostd_hal::PageFlags::WRITE);
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Read));
}

#[test]
fn a_store_to_a_read_only_page_is_a_write_fault_cached_or_not() {
    let machine = Machine::new();
    // mov [rbx], eax; syscall
    let (root, mut state) = machine.program(&with_data(&[0x89, 0x03, 0x0f, 0x05]));
    let frame = machine.frame();
    machine.map(root, DATA, frame, READ);
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Write));
    // The same behind a load, which brings the page in: mov ecx, [rbx]; mov [rbx], eax; syscall
    let (root, mut state) = machine.program(&with_data(&[0x8b, 0x0b, 0x89, 0x03, 0x0f, 0x05]));
    machine.map(root, DATA, frame, READ);
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Write));
    assert_eq!(state.regs.rip, CODE as u64 + 12);
    machine.map(root, DATA, frame, WRITE);
    flush_page(&machine, root, DATA);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
}

#[test]
fn jumping_to_what_cannot_be_executed_is_an_execute_fault() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(&with_data(&[0xff, 0xe3])); // jmp rbx
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Execute));
    assert_eq!(state.regs.rip, DATA as u64);
    let frame = machine.frame_with(&[0x0f, 0x05]);
    machine.map(root, DATA, frame, WRITE);
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Execute));
    machine.map(root, DATA, frame, EXECUTE);
    flush_page(&machine, root, DATA);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    assert_eq!(state.frame.ip, DATA + 2);
}

#[test]
fn an_instruction_across_two_pages_faults_on_the_second() {
    let machine = Machine::new();
    let root = machine.space();
    let first = machine.frame();
    // mov eax, 0x11223344; syscall: two of its bytes on the first page
    machine.write(first + (PAGE_SIZE - 8), &[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xb8, 0x44]);
    machine.map(root, CODE, first, EXECUTE);
    let mut state = thread(CODE + PAGE_SIZE - 2);
    let Trap::PageFault(PageFault { addr, .. }) = machine.enter(root, &mut state) else { panic!() };
    assert_eq!(addr, Vaddr::new(CODE + PAGE_SIZE));
    let second = machine.frame_with(&[0x33, 0x22, 0x11, 0x0f, 0x05]);
    // Mapped, but not for execution: now it is certain.
    machine.map(root, CODE + PAGE_SIZE, second, READ);
    assert_eq!(machine.enter(root, &mut state), fault(CODE + PAGE_SIZE, Access::Execute));
    machine.map(root, CODE + PAGE_SIZE, second, EXECUTE);
    flush_page(&machine, root, CODE + PAGE_SIZE);
    assert_eq!(answer(&machine, root, &mut state), 0x1122_3344);
}

#[test]
fn a_store_whose_second_half_is_absent_is_not_taken_for_a_store_to_where_that_half_is() {
    let machine = Machine::new();
    let root = machine.space();
    let first = machine.frame();
    // mov [rbx + disp32], eax: opcode and operand on the first page, the displacement on the absent second. A store is
    // what the bytes look like, and the fault is where they end; a kernel that hears `Write` refuses to bring the
    // second page of a program's text.
    machine.write(first + (PAGE_SIZE - 8), &[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x89, 0x83]);
    machine.map(root, CODE, first, EXECUTE);
    let mut state = thread(CODE + PAGE_SIZE - 2);
    (state.regs.rbx, state.regs.rax) = (DATA as u64, 7);
    assert_eq!(machine.enter(root, &mut state), fault(CODE + PAGE_SIZE, Access::Read));
    machine.map(root, CODE + PAGE_SIZE, machine.frame_with(&[0x10, 0, 0, 0, 0x0f, 0x05]), EXECUTE);
    // Now that all of it is there, it stores where it says.
    assert_eq!(machine.enter(root, &mut state), fault(DATA + 0x10, Access::Write));
    let data = machine.frame();
    machine.map(root, DATA, data, WRITE);
    assert_eq!(answer(&machine, root, &mut state), 7);
    assert_eq!(machine.load(data + 0x10), 7);
}

#[test]
fn addresses_that_no_program_can_map_fault_like_absent_ones() {
    for addr in [0_u64, 0xfff8, 0x7fff_ffff_0000, 0xffff_8000_0000_0000] {
        let machine = Machine::new();
        let mut code = vec![0x48, 0xb8];
        code.extend(addr.to_le_bytes());
        code.extend([0x8b, 0x00]); // mov eax, [rax]
        let (root, mut state) = machine.program(&code);
        assert_eq!(machine.enter(root, &mut state), fault(addr as usize, Access::Read));
    }
}

#[test]
fn a_mapping_stays_until_it_is_flushed() {
    let machine = Machine::new();
    // mov eax, [rbx]; syscall; jmp back
    let (root, mut state) = machine.program(&with_data(&[0x8b, 0x03, 0x0f, 0x05, 0xeb, 0xfa]));
    machine.map(root, DATA, machine.frame_with(&[1]), WRITE);
    assert_eq!(answer(&machine, root, &mut state), 1);
    machine.map(root, DATA, machine.frame_with(&[2]), WRITE);
    assert_eq!(answer(&machine, root, &mut state), 1, "as stale as a hardware TLB");
    flush_page(&machine, root, DATA + PAGE_SIZE);
    assert_eq!(answer(&machine, root, &mut state), 1, "a flush elsewhere leaves it");
    flush_page(&machine, root, DATA);
    assert_eq!(answer(&machine, root, &mut state), 2);
    machine.unmap(root, DATA);
    machine.engine.flush(root, Vaddr::new(0)..Vaddr::new(usize::MAX));
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Read));
}

#[test]
fn a_flush_keeps_the_return_value_and_the_other_registers() {
    let machine = Machine::new();
    // mov eax, [rbx]; syscall; mov ecx, [rbx]; syscall
    let (root, mut state) = machine.program(&with_data(&[0x8b, 0x03, 0x0f, 0x05, 0x8b, 0x0b, 0x0f, 0x05]));
    machine.map(root, DATA, machine.frame_with(&[1]), WRITE);
    assert_eq!(answer(&machine, root, &mut state), 1);
    state.ret = Some(99);
    flush_page(&machine, root, DATA);
    assert_eq!(answer(&machine, root, &mut state), 99);
    machine.engine.load(&mut state);
    assert_eq!(state.regs.rbx, DATA as u64);
}

#[test]
fn neighbouring_pages_come_with_a_fault() {
    let machine = Machine::new();
    // mov eax, [rbx]; syscall; mov eax, [rbx + 0x1000]; syscall
    let code = with_data(&[0x8b, 0x03, 0x0f, 0x05, 0x8b, 0x83, 0, 0x10, 0, 0, 0x0f, 0x05]);
    let (root, mut state) = machine.program(&code);
    machine.map(root, DATA, machine.frame_with(&[1]), WRITE);
    machine.map(root, DATA + PAGE_SIZE, machine.frame_with(&[2]), WRITE);
    assert_eq!(answer(&machine, root, &mut state), 1);
    // The stub has the second page already: taking it away goes unnoticed.
    machine.unmap(root, DATA + PAGE_SIZE);
    assert_eq!(answer(&machine, root, &mut state), 2);
}

#[test]
fn a_program_sees_memory_of_many_scattered_pages() {
    const PAGES: usize = 300;
    let machine = Machine::new();
    // mov eax, [rbx]; add rbx, 0x1000; syscall; jmp back
    let code = with_data(&[0x8b, 0x03, 0x48, 0x81, 0xc3, 0, 0x10, 0, 0, 0x0f, 0x05, 0xeb, 0xf3]);
    let (root, mut state) = machine.program(&code);
    let frames: Vec<_> = (0..PAGES).map(|page| machine.frame_with(&(page as u64).to_le_bytes())).collect();
    for page in 0..PAGES {
        // No two neighbours have neighbouring frames.
        machine.map(root, DATA + page * PAGE_SIZE, frames[page * 7 % PAGES], WRITE);
    }
    for page in 0..PAGES {
        assert_eq!(answer(&machine, root, &mut state), page * 7 % PAGES);
    }
    machine.engine.flush(root, Vaddr::new(0)..Vaddr::new(usize::MAX));
    machine.engine.load(&mut state);
    (state.regs.rbx, state.changed) = (DATA as u64, true);
    assert_eq!(answer(&machine, root, &mut state), 0);
}

#[test]
fn a_frame_outside_ram_is_never_mapped() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(&with_data(&[0x8b, 0x03]));
    machine.map(root, DATA, Paddr::new(1 << 40), WRITE);
    assert_eq!(machine.enter(root, &mut state), fault(DATA, Access::Read));
}
