//! The programs as functions of a scripted machine.

use ostd::hosted::Hosted;
use ostd::hosted::scripted::{self, Guest};
use ostd::{PAGE_SIZE, Vaddr};

use super::programs::{Code, DATA, Program};

/// A program for `machine`, but for the one that a function cannot be.
pub(crate) fn scripted_code(machine: &Hosted, program: Program) -> Option<Code> {
    let token = match program {
        Program::Calls => machine.scripted().register(calls),
        Program::Loads => machine.scripted().register(loads),
        Program::Stores => machine.scripted().register(stores),
        // A function cannot go elsewhere, but a program can begin there.
        Program::Jumps | Program::Breaks => machine.scripted().register(|_, _| {}),
        Program::Spins => return None,
    };
    let at = Vaddr::new(token.address().page_floor().as_usize());
    let offset = at.as_usize() - scripted::IMAGE_BASE;
    let mut bytes = scripted::image(token)[offset..offset + PAGE_SIZE].to_vec();
    if program == Program::Breaks {
        bytes.fill(0x90);
    }
    let entry = if program == Program::Jumps { DATA } else { token.address() };
    Some(Code { at, bytes, entry })
}

fn calls(guest: &mut Guest, _: [usize; 3]) {
    let args = [7, 0, 0, 0, 0, 9];
    let mut number = 39;
    loop {
        number = guest.syscall(number, args).cast_unsigned();
    }
}

fn loads(guest: &mut Guest, _: [usize; 3]) {
    loop {
        let mut word = [0; 4];
        guest.load(DATA.as_usize(), &mut word);
        guest.syscall(1, [u32::from_ne_bytes(word) as usize, 0, 0, 0, 0, 0]);
    }
}

fn stores(guest: &mut Guest, _: [usize; 3]) {
    loop {
        guest.store(DATA.as_usize(), &[0x5a; 4]);
        guest.syscall(2, [0; 6]);
    }
}
