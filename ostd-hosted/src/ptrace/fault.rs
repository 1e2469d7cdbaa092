//! Faults of a stub: what the page tables say to them, and which neighbours are mapped along.

use libc::{PROT_EXEC, PROT_READ, PROT_WRITE, user_regs_struct};
use ostd_hal::paging::x86_64::Entry;
use ostd_hal::walk::translate;
use ostd_hal::{Access, PAGE_SIZE, Paddr, PageFlags, Vaddr};

use super::image::{USER_END, USER_START};
use super::store;
use super::tlb::{Run, Tlb, append_page};

/// Pages of the aligned window in which a fault maps what is present.
const AROUND_PAGES: usize = 16;
/// The longest instruction.
const INSTRUCTION_MAX: usize = 15;

/// An address space as its page tables have it at this moment.
pub(super) struct Space<'a> {
    pub(super) root: Paddr,
    pub(super) ram_size: usize,
    pub(super) load: &'a dyn Fn(Paddr) -> u64,
}

impl Space<'_> {
    /// The frame and host permission of the page that holds `addr`, if users may use it.
    fn page(&self, addr: usize) -> Option<(usize, i32)> {
        if !(USER_START..USER_END).contains(&addr) {
            return None;
        }
        let found = translate::<Entry>(self.load, self.root, Vaddr::new(addr))?;
        let frame = found.page.as_usize();
        if !found.flags.contains(PageFlags::USER) || frame + PAGE_SIZE > self.ram_size {
            return None;
        }
        let mut prot = PROT_READ;
        if found.flags.contains(PageFlags::WRITE) {
            prot |= PROT_WRITE;
        }
        if found.flags.contains(PageFlags::EXECUTE) {
            prot |= PROT_EXEC;
        }
        Some((frame, prot))
    }

    /// Reads the instruction at `ip`, up to the first byte that cannot be executed.
    pub(super) fn instruction(&self, ip: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(INSTRUCTION_MAX);
        for at in ip..ip.saturating_add(INSTRUCTION_MAX) {
            let Some((frame, prot)) = self.page(at) else { break };
            if prot & PROT_EXEC == 0 {
                break;
            }
            let word = (self.load)(Paddr::new(frame + (at % PAGE_SIZE / 8 * 8)));
            bytes.push(word.to_le_bytes()[at % 8]);
        }
        bytes
    }
}

/// What a fault comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The tables allow it: these runs are to be mapped.
    Map(Vec<(usize, Run)>),
    /// The tables refuse this access.
    Refuse(Access),
}

/// Judges the fault at `addr` of an instruction at `regs.rip`. The host does not say what the access was. It follows
/// from what is mapped already: a page that can be read faults on stores only. For the rest the instruction is asked.
pub(super) fn judge(space: &Space<'_>, tlb: &Tlb, regs: &user_regs_struct, addr: usize) -> Verdict {
    let ip = regs.rip as usize;
    let mapped = tlb.prot(addr);
    let executable = mapped.is_some_and(|prot| prot & PROT_EXEC != 0);
    let entry = space.page(addr);
    let allowed = |needed| entry.is_some_and(|(_, prot)| prot & needed == needed);
    let map = || Verdict::Map(around(space, tlb, addr));
    let stores = || store::writes(&space.instruction(ip), regs, addr);

    if addr == ip && !executable {
        return if allowed(PROT_EXEC) { map() } else { Verdict::Refuse(Access::Execute) };
    }
    // The start of the next page, perhaps within the instruction: its fetch, or data that happens to be there.
    let straddles = addr.is_multiple_of(PAGE_SIZE) && ip < addr && addr - ip < INSTRUCTION_MAX && !executable;
    match mapped {
        _ if straddles && allowed(PROT_EXEC) => map(),
        Some(_) if straddles && !stores() => Verdict::Refuse(Access::Execute),
        Some(_) if allowed(PROT_WRITE) => map(),
        Some(prot) if prot & PROT_WRITE == 0 => Verdict::Refuse(Access::Write),
        // Half of the instruction is not there to be decoded: a read is what brings it.
        _ if entry.is_none() && straddles => Verdict::Refuse(Access::Read),
        _ if entry.is_none() => Verdict::Refuse(if stores() { Access::Write } else { Access::Read }),
        _ if !allowed(PROT_WRITE) && stores() => Verdict::Refuse(Access::Write),
        _ => map(),
    }
}

/// What to map for `addr`, if it is present: its page, and of its neighbours those that are present and not mapped.
pub(super) fn around(space: &Space<'_>, tlb: &Tlb, addr: usize) -> Vec<(usize, Run)> {
    let wanted = addr & !(PAGE_SIZE - 1);
    let window = wanted & !(AROUND_PAGES * PAGE_SIZE - 1);
    let mut runs = Vec::new();
    for page in (window..window + AROUND_PAGES * PAGE_SIZE).step_by(PAGE_SIZE) {
        if (page == wanted || tlb.prot(page).is_none())
            && let Some((frame, prot)) = space.page(page)
        {
            append_page(&mut runs, page, frame, prot);
        }
    }
    runs
}

/// Only the page that holds `addr`, if it is present: for when mappings are scarce.
pub(super) fn alone(space: &Space<'_>, addr: usize) -> Vec<(usize, Run)> {
    let mut runs = Vec::new();
    if let Some((frame, prot)) = space.page(addr) {
        append_page(&mut runs, addr & !(PAGE_SIZE - 1), frame, prot);
    }
    runs
}

/// Whether the page that holds `addr` is present for users.
pub(super) fn is_present(space: &Space<'_>, addr: usize) -> bool {
    space.page(addr).is_some()
}
