//! Where the kernel goes on when a page of a program refuses it: pairs of addresses, an instruction and its way out, that
//! the assembly in `arch/*/copy.rs` leaves in a section of its own.
#![expect(unsafe_code, reason = "reads a section that the linker puts together")]

use crate::arch;

/// Says, in assembly, where to go on when the instruction at a label is refused.
macro_rules! fixup {
    ($from:literal, $to:literal) => {
        concat!(".pushsection .fixups, \"a\"; .quad ", $from, ", ", $to, "; .popsection")
    };
}
pub(crate) use fixup;

/// One pair, as assembly writes it.
#[repr(C)]
struct Fixup {
    instruction: usize,
    way_out: usize,
}

unsafe extern "C" {
    /// The linker's: the first pair.
    static fixups_start: Fixup;
    /// The linker's: behind the last.
    static fixups_end: Fixup;
}

/// The way out of a page fault of the instruction at `ip`, about `address`; nothing if it is the kernel's mistake.
pub(crate) fn way_out(ip: usize, address: usize) -> Option<usize> {
    // The kernel's end of a copy is not to be forgiven.
    if address >= arch::user_end() {
        return None;
    }
    let (start, end) = (&raw const fixups_start, &raw const fixups_end);
    // SAFETY: the linker's symbols are the ends of one array of pairs, which nobody writes.
    let fixups =
        unsafe { core::slice::from_raw_parts(start, end.addr().wrapping_sub(start.addr()) / size_of::<Fixup>()) };
    // A dozen: no search worth the name.
    fixups.iter().find(|fixup| fixup.instruction == ip).map(|fixup| fixup.way_out)
}
