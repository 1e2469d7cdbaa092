//! Mapping an ELF file as its program headers say: what binfmt_elf does, and what it lets them get away with.

use alloc::sync::Arc;
use alloc::vec;

use ostd::PAGE_SIZE;

use super::elf::{Header, Kind, Layout, Segment};
use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, MapRequest, Place, Prot, Sharing, Source};
use crate::vfs::OpenFile;

/// What a mapped file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The program itself, without an interpreter.
    Program,
    /// The program itself, which an interpreter will start.
    Interpreted,
    /// The interpreter.
    Interpreter,
}

/// An ELF file, understood.
pub(super) struct Object {
    pub(super) file: Arc<OpenFile>,
    pub(super) header: Header,
    pub(super) layout: Layout,
}

/// Where an object is.
pub(super) struct Mapped {
    /// What was added to its addresses.
    pub(super) bias: usize,
    /// The end of its highest segment.
    pub(super) end: usize,
}

/// Where a program goes that may go anywhere.
const MOVABLE_BASE: usize = 0x5555_5555_4000;

impl Object {
    /// Maps all segments. Whatever this refuses kills: the old program is gone by then.
    pub(super) fn map(&self, space: &AddressSpace, role: Role) -> Result<Mapped> {
        let Self { layout, header, .. } = self;
        let mut bias = 0;
        let mut end = 0;
        let nowhere = match header.kind {
            Kind::Other => true,
            Kind::Movable => !layout.segments.is_empty() && layout.span_len() == 0,
            Kind::Fixed => false,
        };
        if nowhere {
            return Err(Errno::EINVAL);
        }
        for (number, segment) in layout.segments.iter().enumerate() {
            if number == 0 && header.kind == Kind::Movable {
                bias = self.place(space, role, segment)?;
            }
            let at = bias.wrapping_add(segment.at);
            let fixed = if number == 0 && role != Role::Interpreter { Place::FixedNoReplace } else { Place::Fixed };
            load(space, &self.file, segment, at, fixed)?;
            let limit = space.end();
            let inside = segment.mem_len <= limit && at <= limit - segment.mem_len;
            if !inside || segment.file_len > segment.mem_len {
                return Err(Errno::EINVAL);
            }
            end = end.max(at + segment.mem_len);
        }
        Ok(Mapped { bias, end })
    }

    /// Finds room for all of a movable object; the answer is what its addresses are moved by.
    fn place(&self, space: &AddressSpace, role: Role, first: &Segment) -> Result<usize> {
        let align = self.layout.align;
        let lead = first.at % PAGE_SIZE;
        let base = match role {
            Role::Interpreted => MOVABLE_BASE & !(align - 1),
            Role::Program | Role::Interpreter => {
                let len = self.layout.span_len().checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
                let found = space.map(&MapRequest::anonymous(Place::Hint(0), len, Prot::empty()))?;
                space.unmap(found, len)?;
                if role == Role::Program { found & !(align - 1) } else { found }
            }
        };
        Ok(base.wrapping_sub(first.at - lead))
    }
}

/// Maps one segment at `at`: its bytes of the file, zeros behind them in their last page if it can be written, and pages
/// of zeros, which can always be.
fn load(
    space: &AddressSpace,
    file: &Arc<OpenFile>,
    segment: &Segment,
    at: usize,
    fixed: fn(usize) -> Place,
) -> Result<()> {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, segment.read);
    prot.set(Prot::WRITE, segment.write);
    prot.set(Prot::EXECUTE, segment.execute);
    let lead = at % PAGE_SIZE;
    let start = at - lead;
    let file_end = at.checked_add(segment.file_len).ok_or(Errno::EINVAL)?;
    let memory_end = at.checked_add(segment.mem_len).ok_or(Errno::EINVAL)?;
    let mut zeros_from = start;
    if segment.file_len != 0 {
        let offset = segment.offset.checked_sub(lead as u64).filter(|offset| offset % PAGE_SIZE as u64 == 0);
        zeros_from = file_end.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        let source = Source::Backed(file.backing()?, offset.ok_or(Errno::EINVAL)?);
        let wish = MapRequest::anonymous(fixed(start), zeros_from - start, prot);
        space.map(&MapRequest { sharing: Sharing::Private, source, ..wish })?;
        if segment.write && segment.mem_len > segment.file_len {
            space.write(file_end, &vec![0; zeros_from - file_end])?;
        }
    }
    let zeros_to = memory_end.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
    if segment.mem_len > segment.file_len && zeros_to > zeros_from {
        let mut prot = Prot::READ | Prot::WRITE;
        prot.set(Prot::EXECUTE, segment.execute);
        space.map(&MapRequest::anonymous(Place::Fixed(zeros_from), zeros_to - zeros_from, prot))?;
    }
    Ok(())
}
