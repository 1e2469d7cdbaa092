//! A new address space out of a program file, its interpreter, its arguments and its environment.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ostd::user::{ARCH, Arch, Registers as _, Regs};
use ostd::{Machine, PAGE_SIZE};

use super::elf::{self, Header, Layout, Segment};
use super::{script, stack};
use crate::abi::flags::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_FLAGS, AT_GID, AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM,
    AT_SECURE, AT_UID, OpenFlags,
};
use crate::credentials::Credentials;
use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, Label, MapRequest, Place, Prot, Sharing, Source};
use crate::process::ExecInfo;
use crate::vfs::{Access, FileKind, FsContext, Identity, OpenFile, OpenRequest, Path, SliceSink};

/// Where a program goes that may go anywhere.
const MOVABLE_BASE: usize = 0x5555_5555_4000;
/// What a stack has from the start, below its strings.
const STACK_LEN: usize = 128 << 10;
/// Above the stack: a page that stays free.
const STACK_GAP: usize = PAGE_SIZE;
/// Reads in one go.
const CHUNK: usize = 64 << 10;

const MACHINE: u16 = match ARCH {
    Arch::X86_64 => elf::EM_X86_64,
    Arch::Riscv64 => elf::EM_RISCV,
};

/// A program ready to start.
pub struct Image {
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// What /proc tells of it.
    pub info: ExecInfo,
    /// The last component of its path, its first thread's name.
    pub name: Vec<u8>,
    entry: usize,
    sp: usize,
}

impl Image {
    /// The registers it starts with.
    pub fn regs(&self) -> Regs {
        let mut regs = Regs::default();
        regs.set_ip(self.entry);
        regs.set_sp(self.sp);
        regs
    }
}

/// Opens a file to be executed.
fn open(fs: &FsContext, at: Option<&Path>, path: &[u8], who: &Identity) -> Result<Arc<OpenFile>> {
    let request = OpenRequest { flags: OpenFlags::from_bits_retain(0), mode: 0 };
    // Being allowed to execute is enough; to read is not asked for.
    let reader = Identity { may_override: true, ..who.clone() };
    let place = fs.resolve(at, path, crate::vfs::Follow::Yes, who)?;
    if place.inode.kind() != FileKind::Regular {
        return Err(Errno::EACCES);
    }
    place.inode.attributes()?.permit(who, Access::EXECUTE)?;
    fs.open_place(&place, request.flags, &reader)
}

fn read_at(file: &OpenFile, at: u64, into: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < into.len() {
        let offset = i64::try_from(at + done as u64).map_err(|_| Errno::ENOEXEC)?;
        let end = into.len().min(done + CHUNK);
        let count = file.pread(&mut SliceSink::new(&mut into[done..end]), offset)?;
        if count == 0 {
            break;
        }
        done += count;
    }
    Ok(done)
}

fn read_all_at(file: &OpenFile, at: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    if read_at(file, at, &mut bytes)? < len { Err(Errno::ENOEXEC) } else { Ok(bytes) }
}

/// What starts: a file and the arguments that scripts made of the caller's.
struct Chosen {
    file: Arc<OpenFile>,
    beginning: Vec<u8>,
    argv: Vec<Vec<u8>>,
}

/// Follows `#!` lines to a file that is no script.
fn choose(fs: &FsContext, at: Option<&Path>, path: &[u8], who: &Identity, mut argv: Vec<Vec<u8>>) -> Result<Chosen> {
    let mut name = path.to_vec();
    let mut at = at;
    for _ in 0..=script::DEPTH_MAX {
        let file = open(fs, at.take(), &name, who)?;
        let mut beginning = vec![0; script::BEGINNING_LEN];
        let len = read_at(&file, 0, &mut beginning)?;
        beginning.truncate(len);
        let Some((interpreter, argument)) = script::parse(&beginning)? else {
            return Ok(Chosen { file, beginning, argv });
        };
        // The script's own name takes the place of its first argument.
        let mut new: Vec<Vec<u8>> = vec![interpreter.to_vec()];
        new.extend(argument.map(<[u8]>::to_vec));
        new.push(name);
        new.extend(argv.into_iter().skip(1));
        argv = new;
        name = interpreter.to_vec();
    }
    Err(Errno::ELOOP)
}

/// Makes a program out of the file at `path`, as execve(2) does. `stack_limit` is `RLIMIT_STACK`.
#[expect(clippy::too_many_arguments, reason = "a program is made of all this")]
pub fn load(
    machine: &Machine,
    fs: &FsContext,
    credentials: &Credentials,
    at: Option<&Path>,
    path: &[u8],
    mut argv: Vec<Vec<u8>>,
    envp: Vec<Vec<u8>>,
    stack_limit: usize,
) -> Result<Image> {
    let who = crate::process::identity_of(credentials);
    if argv.is_empty() {
        // Linux has given programs at least an empty name since 5.18.
        argv.push(Vec::new());
    }
    let Chosen { file, beginning, argv } = choose(fs, at, path, &who, argv)?;
    let len = |strings: &[Vec<u8>]| strings.iter().map(|string| string.len() + 9).sum::<usize>();
    if len(&argv) + len(&envp) > stack::STRINGS_LEN_MAX.min((stack_limit / 4).max(STACK_LEN)) {
        return Err(Errno::E2BIG);
    }
    let space = AddressSpace::new(machine)?;
    let program = Object::read(&file, &beginning, space.end())?;
    let interpreter = match program.layout.interpreter {
        None => None,
        Some((offset, len)) => {
            let mut name = read_all_at(&file, offset, len)?;
            if name.pop() != Some(0) {
                return Err(Errno::ENOEXEC);
            }
            let file = open(fs, None, &name, &who)?;
            let mut beginning = [0; elf::HEADER_LEN];
            if read_at(&file, 0, &mut beginning)? < beginning.len() {
                return Err(Errno::EIO);
            }
            let object = Object::read(&file, &beginning, space.end()).map_err(|errno| match errno {
                Errno::ENOEXEC => Errno::ELIBBAD,
                other => other,
            })?;
            Some((file, object))
        }
    };
    let base = program.map(&space, &file, Some(MOVABLE_BASE))?;
    let span = program.layout.span();
    space.set_brk_start(base.wrapping_add(span.end));
    let entry = base.wrapping_add(program.header.entry);
    let (start, interpreter_base) = match &interpreter {
        None => (entry, 0),
        Some((file, object)) => {
            let base = object.map(&space, file, None)?;
            (base.wrapping_add(object.header.entry), base)
        }
    };
    let auxv = [
        (AT_PAGESZ, PAGE_SIZE),
        (AT_CLKTCK, 100),
        (AT_PHDR, base.wrapping_add(program.layout.headers_in_memory(&program.header))),
        (AT_PHENT, elf::PROGRAM_HEADER_LEN),
        (AT_PHNUM, program.header.headers),
        (AT_BASE, interpreter_base),
        (AT_FLAGS, 0),
        (AT_ENTRY, entry),
        (AT_UID, credentials.user.real as usize),
        (AT_EUID, credentials.user.effective as usize),
        (AT_GID, credentials.group.real as usize),
        (AT_EGID, credentials.group.effective as usize),
        (AT_SECURE, 0),
    ];
    let mut random = [0; 16];
    machine.entropy(&mut random);
    let top = space.end() - STACK_GAP;
    let built = stack::build(top, &argv, &envp, path, &random, &auxv);
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXECUTE, program.layout.executable_stack);
    let floor = (built.at - STACK_LEN) / PAGE_SIZE * PAGE_SIZE;
    let wish = MapRequest {
        grows_down: true,
        label: Label::Stack,
        ..MapRequest::anonymous(Place::Fixed(floor), top - floor, prot)
    };
    space.map(&wish)?;
    space.set_stack_limit(stack_limit);
    space.write(built.at, &built.bytes)?;
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path).to_vec();
    let info =
        ExecInfo { file: file.path().cloned(), args: built.args, env: built.env, auxv: built.auxv, stack: built.at };
    Ok(Image { space, info, name, entry: start, sp: built.at })
}

/// An ELF file, understood.
struct Object {
    header: Header,
    layout: Layout,
}

impl Object {
    fn read(file: &OpenFile, beginning: &[u8], user_end: usize) -> Result<Self> {
        let header = Header::parse(beginning, MACHINE)?;
        let headers = read_all_at(file, header.headers_at, header.headers_len())?;
        let layout = Layout::parse(&headers, user_end)?;
        if layout.segments.is_empty() {
            return Err(Errno::ENOEXEC);
        }
        Ok(Self { header, layout })
    }

    /// Maps all segments; returns what is added to their addresses.
    fn map(&self, space: &AddressSpace, file: &Arc<OpenFile>, wish: Option<usize>) -> Result<usize> {
        let span = self.layout.span();
        let base = if self.header.movable {
            let len = span.end - span.start;
            let hint = wish.filter(|&at| at < space.end() / 2).map(|at| at.next_multiple_of(self.layout.align));
            // The whole range first, so that nothing else is between the segments.
            let place = Place::Hint(hint.unwrap_or(0));
            let at = space.map(&MapRequest::anonymous(place, len, Prot::empty()))?;
            space.unmap(at, len)?;
            at.wrapping_sub(span.start)
        } else {
            0
        };
        for segment in &self.layout.segments {
            map_segment(space, file, segment, base.wrapping_add(segment.at))?;
        }
        Ok(base)
    }
}

fn map_segment(space: &AddressSpace, file: &Arc<OpenFile>, segment: &Segment, at: usize) -> Result<()> {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, segment.read);
    prot.set(Prot::WRITE, segment.write);
    prot.set(Prot::EXECUTE, segment.execute);
    let lead = at % PAGE_SIZE;
    let start = at - lead;
    let file_end = at + segment.file_len;
    let end = (at + segment.mem_len).next_multiple_of(PAGE_SIZE);
    let mut behind = start;
    if segment.file_len != 0 {
        behind = file_end.next_multiple_of(PAGE_SIZE);
        let source = Source::Backed(file.backing()?, segment.offset - lead as u64);
        let anonymous = MapRequest::anonymous(Place::Fixed(start), behind - start, prot);
        space.map(&MapRequest { sharing: Sharing::Private, source, ..anonymous })?;
        // What follows the file's bytes in their last page is zero, where it can be written at all.
        if segment.write && segment.mem_len > segment.file_len && behind > file_end {
            space.write(file_end, &vec![0; behind - file_end])?;
        }
    }
    if end > behind {
        space.map(&MapRequest::anonymous(Place::Fixed(behind), end - behind, prot))?;
    }
    Ok(())
}
