//! Flags of calls on names and files, one by one: what each does, and which belong to other calls.

use kernel_abi::flags::{
    AccessAtFlags, AccessMode, AtFlags, F_SEAL_EXEC, Fadvice, FallocateMode, FcntlCommand, MemfdFlags, OpenFlags,
    PipeFlags, RenameFlags, RwFlags, S_IFMT, S_IFREG, StatxMask, SyncRangeFlags, Whence, XattrFlags,
};
use kernel_abi::structs::{Iovec, Stat, Statx, status_exited};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::exec::{SELF, arguments};
use super::file::{create, descriptor, open, read, write};
use super::pipe::pipe;
use super::process::wait;

cases! { "how":
    a_file_is_opened_by_every_flag, a_third_way_to_open, flags_of_other_calls, fields_by_the_bit,
    how_fresh_an_answer_is_to_be, a_link_may_be_what_is_meant, a_descriptor_gets_a_name, a_name_is_not_replaced,
    what_was_is_whited_out, an_attribute_is_made_or_replaced_by_name, a_transfer_of_its_own_kind,
    advice_of_every_kind, a_range_is_brought_to_its_device, what_a_file_may_be_asked_for, room_of_every_kind,
    a_memory_file_that_is_no_program, a_program_by_its_own_name, a_link_has_no_mode,
    who_means_a_descriptor_is_asked_nothing_else,
}

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn other(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page() + 0x1000, name)
}

fn into(sys: &dyn Sys) -> usize {
    sys.page() + 0x2000
}

pub(super) fn about(sys: &dyn Sys, file: Fd) -> Result<Stat> {
    sys.fstat(file, into(sys))?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into(sys), Stat::size(sys.arch()))).expect("long enough"))
}

/// Opens by both calls; both are to give the same answer.
fn opened(sys: &dyn Sys, name: &str, flags: OpenFlags) -> Result<Fd> {
    let old = sys.open(path(sys, name), flags, Mode(0o644)).map(descriptor);
    let new = sys.openat(Fd::CWD, path(sys, name), flags, Mode(0o644)).map(descriptor);
    assert_eq!(old.err(), new.err(), "{name}, {flags:?}");
    if let Ok(old) = old {
        sys.close(old)?;
    }
    new
}

fn status(sys: &dyn Sys, file: Fd) -> Result<OpenFlags> {
    sys.fcntl(file, FcntlCommand::F_GETFL, 0).map(|flags| OpenFlags::from_bits_retain(flags as u32))
}

fn a_file_is_opened_by_every_flag(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    // What stays is shown.
    for flags in [
        OpenFlags::O_APPEND,
        OpenFlags::O_NONBLOCK,
        OpenFlags::O_SYNC,
        OpenFlags::O_DSYNC,
        OpenFlags::FASYNC,
        OpenFlags::O_LARGEFILE,
        OpenFlags::O_NOATIME,
    ] {
        let file = opened(sys, "file", flags | OpenFlags::O_WRONLY)?;
        // It can only be cleared where it may be set: FASYNC is not what every file does.
        if flags != OpenFlags::FASYNC {
            assert!(status(sys, file)?.contains(flags), "{flags:?}");
        }
        sys.close(file)?;
    }
    // What acts at once is not.
    for flags in [OpenFlags::O_NOCTTY, OpenFlags::O_CLOEXEC, OpenFlags::O_TRUNC, OpenFlags::O_CREAT] {
        let file = opened(sys, "file", flags | OpenFlags::O_RDWR)?;
        assert_eq!(status(sys, file)?.difference(OpenFlags::O_LARGEFILE), OpenFlags::O_RDWR, "{flags:?}");
        sys.close(file)?;
    }
    opened(sys, ".", OpenFlags::O_DIRECTORY)?;
    opened(sys, "file", OpenFlags::O_NOFOLLOW)?;
    opened(sys, "file", OpenFlags::O_PATH)?;
    let exclusive = OpenFlags::O_CREAT | OpenFlags::O_EXCL | OpenFlags::O_RDWR;
    sys.open(path(sys, "new"), exclusive, Mode(0o600))?;
    for flags in [OpenFlags::O_TMPFILE | OpenFlags::O_RDWR, OpenFlags::O_DIRECT] {
        // Not every file system has it.
        let name = if flags.contains(OpenFlags::O_TMPFILE) { "." } else { "file" };
        let answer = opened(sys, name, flags);
        assert!(matches!(answer, Ok(_) | Err(Errno::EOPNOTSUPP | Errno::EINVAL)), "{flags:?}: {answer:?}");
    }
    Ok(())
}

/// An access mode of 3 asks for both rights and gives neither: for commands to devices, open(2).
fn a_third_way_to_open(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let file = opened(sys, "file", OpenFlags::O_ACCMODE)?;
    assert_eq!(status(sys, file)?.intersection(OpenFlags::O_ACCMODE), OpenFlags::O_ACCMODE);
    assert_eq!(read(sys, file, 1), Err(Errno::EBADF));
    assert_eq!(write(sys, file, b"x"), Err(Errno::EBADF));
    assert_eq!(about(sys, file)?.size, 0);
    Ok(())
}

fn flags_of_other_calls(sys: &dyn Sys) -> Outcome {
    type Step = (&'static str, AtFlags, fn(&dyn Sys, AtFlags) -> Result);
    const SAME: u32 = u32::MAX;
    let asked = AtFlags::AT_SYMLINK_NOFOLLOW
        | AtFlags::AT_NO_AUTOMOUNT
        | AtFlags::AT_EMPTY_PATH
        | AtFlags::AT_STATX_FORCE_SYNC
        | AtFlags::AT_STATX_DONT_SYNC;
    let changed = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_EMPTY_PATH;
    let steps: &[Step] = &[
        ("newfstatat", asked, |sys, flags| sys.newfstatat(Fd::CWD, path(sys, "file"), into(sys), flags)),
        ("statx", asked, |sys, flags| sys.statx(Fd::CWD, path(sys, "file"), flags, 0, into(sys))),
        ("fchmodat2", changed, |sys, flags| sys.fchmodat2(Fd::CWD, path(sys, "file"), Mode(0o600), flags)),
        ("fchownat", changed, |sys, flags| sys.fchownat(Fd::CWD, path(sys, "file"), SAME, SAME, flags)),
        ("utimensat", changed, |sys, flags| sys.utimensat(Fd::CWD, path(sys, "file"), 0, flags)),
        ("execveat", changed, |sys, flags| sys.execveat(Fd::CWD, path(sys, "file"), 0, 0, flags)),
        ("unlinkat", AtFlags::AT_REMOVEDIR, |sys, flags| sys.unlinkat(Fd::CWD, path(sys, "file"), flags)),
        ("linkat", AtFlags::AT_SYMLINK_FOLLOW | AtFlags::AT_EMPTY_PATH, |sys, flags| {
            sys.linkat(Fd::CWD, path(sys, "file"), Fd::CWD, other(sys, "link"), flags)
        }),
    ];
    create(sys, "file")?;
    for (name, known, step) in steps {
        for flag in AtFlags::all().difference(*known).iter() {
            assert_eq!(step(sys, flag), Err(Errno::EINVAL), "{name}, {flag:?}");
        }
    }
    Ok(())
}

fn fields_by_the_bit(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"12345")?;
    let always = StatxMask::STATX_BASIC_STATS;
    for (_, bits) in StatxMask::NAMES {
        let bit = StatxMask::from_bits_retain(*bits as u32);
        if bit == StatxMask::STATX__RESERVED {
            continue;
        }
        sys.store(into(sys), &[0_u8; size_of::<Statx>()]);
        sys.statx(Fd::CWD, path(sys, "file"), AtFlags::empty(), bit, into(sys))?;
        let found: Statx = sys.load(into(sys));
        let given = StatxMask::from_bits_retain(found.stx_mask);
        // What costs nothing is told unasked; of the rest only what the file system knows.
        assert!(given.contains(always.intersection(bit)), "{bit:?}: {given:?}");
        assert_eq!((found.stx_size, found.stx_nlink, found.stx_mode & S_IFMT), (5, 1, S_IFREG));
        if bit == StatxMask::STATX_MNT_ID {
            assert!(given.contains(bit) && found.stx_mnt_id != 0);
        }
    }
    // None at all is a question too.
    sys.statx(Fd::CWD, path(sys, "file"), AtFlags::empty(), StatxMask::empty(), into(sys))?;
    Ok(())
}

fn how_fresh_an_answer_is_to_be(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"12345")?;
    for flags in [AtFlags::AT_STATX_FORCE_SYNC, AtFlags::AT_STATX_DONT_SYNC, AtFlags::AT_NO_AUTOMOUNT] {
        sys.statx(Fd::CWD, path(sys, "file"), flags, StatxMask::STATX_SIZE, into(sys))?;
        assert_eq!(sys.load::<Statx>(into(sys)).stx_size, 5);
        sys.newfstatat(Fd::CWD, path(sys, "file"), into(sys), flags)?;
        let stat = Stat::decode(sys.arch(), &sys.bytes(into(sys), Stat::size(sys.arch()))).expect("long enough");
        assert_eq!(stat.size, 5);
    }
    // The older call does not mind being asked for both.
    let both = AtFlags::AT_STATX_FORCE_SYNC | AtFlags::AT_STATX_DONT_SYNC;
    sys.newfstatat(Fd::CWD, path(sys, "file"), into(sys), both)?;
    Ok(())
}

fn a_link_may_be_what_is_meant(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    sys.symlinkat(path(sys, "file"), Fd::CWD, other(sys, "link"))?;
    let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW;
    // What is no link is not followed.
    sys.fchmodat2(Fd::CWD, path(sys, "file"), Mode(0o640), nofollow)?;
    assert_eq!(about(sys, open(sys, "file", OpenFlags::O_PATH)?)?.mode & 0o7777, 0o640);
    sys.faccessat2(Fd::CWD, path(sys, "link"), AccessMode::F_OK, AccessAtFlags::AT_SYMLINK_NOFOLLOW)?;
    sys.unlinkat(Fd::CWD, path(sys, "file"), AtFlags::empty())?;
    assert_eq!(sys.faccessat2(Fd::CWD, path(sys, "link"), AccessMode::F_OK, 0), Err(Errno::ENOENT));
    sys.faccessat2(Fd::CWD, path(sys, "link"), AccessMode::F_OK, AccessAtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Whoever opened it may, or nobody without a capability: that changed in Linux 6.10.
fn a_descriptor_gets_a_name(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"named")?;
    match sys.linkat(file, path(sys, ""), Fd::CWD, other(sys, "again"), AtFlags::AT_EMPTY_PATH) {
        Err(Errno::ENOENT) if sys.geteuid()? != 0 => return Ok(()),
        answer => answer?,
    };
    let again = open(sys, "again", OpenFlags::O_RDONLY)?;
    assert_eq!((read(sys, again, 10)?, about(sys, file)?.nlink), (b"named".to_vec(), 2));
    assert_eq!(
        sys.linkat(file, path(sys, ""), Fd::CWD, other(sys, "again"), AtFlags::AT_EMPTY_PATH),
        Err(Errno::EEXIST)
    );
    assert_eq!(sys.linkat(file, path(sys, ""), Fd::CWD, other(sys, "third"), 0), Err(Errno::ENOENT));
    Ok(())
}

fn a_name_is_not_replaced(sys: &dyn Sys) -> Outcome {
    let rename =
        |old, new| sys.renameat2(Fd::CWD, path(sys, old), Fd::CWD, other(sys, new), RenameFlags::RENAME_NOREPLACE);
    create(sys, "a")?;
    create(sys, "b")?;
    assert_eq!(rename("a", "b"), Err(Errno::EEXIST));
    match rename("a", "c") {
        // Of a file system that cannot.
        Err(Errno::EINVAL) => return Ok(()),
        answer => answer?,
    };
    assert_eq!(open(sys, "a", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    open(sys, "c", OpenFlags::O_RDONLY)?;
    Ok(())
}

/// For the upper half of an overlay: what was moved away hides what is below it. A device of 0 and 0 does that.
fn what_was_is_whited_out(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "a")?;
    write(sys, file, b"moved")?;
    let answer = sys.renameat2(Fd::CWD, path(sys, "a"), Fd::CWD, other(sys, "b"), RenameFlags::RENAME_WHITEOUT);
    match answer {
        // Whoever makes devices; or a file system that cannot.
        Err(Errno::EPERM | Errno::EINVAL) => return Ok(()),
        answer => answer?,
    };
    assert_eq!(read(sys, open(sys, "b", OpenFlags::O_RDONLY)?, 10)?, b"moved");
    let left = about(sys, open(sys, "a", OpenFlags::O_PATH)?)?;
    assert_eq!((left.mode as u16 & S_IFMT, left.rdev), (kernel_abi::flags::S_IFCHR, 0));
    let both = RenameFlags::RENAME_WHITEOUT | RenameFlags::RENAME_EXCHANGE;
    assert_eq!(sys.renameat2(Fd::CWD, path(sys, "a"), Fd::CWD, other(sys, "b"), both), Err(Errno::EINVAL));
    let both = RenameFlags::RENAME_WHITEOUT | RenameFlags::RENAME_NOREPLACE;
    sys.renameat2(Fd::CWD, path(sys, "b"), Fd::CWD, other(sys, "c"), both)?;
    Ok(())
}

fn an_attribute_is_made_or_replaced_by_name(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    type Set = fn(&dyn Sys, &[u8], XattrFlags) -> Result;
    let calls: [(&str, Set); 2] = [
        ("user.one", |sys, value, flags| {
            sys.poke(into(sys), value);
            sys.setxattr(path(sys, "file"), other(sys, "user.one"), into(sys), value.len(), flags)
        }),
        ("user.two", |sys, value, flags| {
            sys.poke(into(sys), value);
            sys.lsetxattr(path(sys, "file"), other(sys, "user.two"), into(sys), value.len(), flags)
        }),
    ];
    for (name, set) in calls {
        match set(sys, b"x", XattrFlags::XATTR_CREATE) {
            Err(Errno::EOPNOTSUPP) => return Ok(()),
            answer => answer?,
        };
        assert_eq!(set(sys, b"y", XattrFlags::XATTR_CREATE), Err(Errno::EEXIST));
        set(sys, b"longer", XattrFlags::XATTR_REPLACE)?;
        let len = sys.getxattr(path(sys, "file"), other(sys, name), into(sys), 100)?;
        assert_eq!(sys.bytes(into(sys), len), b"longer");
        // Asked for both, a file must have it and not have it.
        let both = XattrFlags::XATTR_CREATE | XattrFlags::XATTR_REPLACE;
        assert_eq!(set(sys, b"z", both), Err(Errno::EEXIST));
    }
    Ok(())
}

fn a_transfer_of_its_own_kind(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let from = |bytes: &[u8]| {
        sys.poke(into(sys), bytes);
        sys.store(sys.page() + 0x3000, &Iovec { iov_base: into(sys), iov_len: bytes.len() })
    };
    for flags in [RwFlags::RWF_SYNC, RwFlags::RWF_DSYNC, RwFlags::RWF_HIPRI] {
        assert_eq!(sys.pwritev2(file, from(b"bytes"), 1, 0, 0, flags)?, 5, "{flags:?}");
        assert_eq!(sys.preadv2(file, from(b"....."), 1, 0, 0, flags)?, 5, "{flags:?}");
        assert_eq!(sys.bytes(into(sys), 5), b"bytes");
    }
    // A reader has nothing to add to, and says nothing.
    for flags in [RwFlags::RWF_APPEND, RwFlags::RWF_NOAPPEND] {
        assert_eq!(sys.preadv2(file, from(b"....."), 1, 0, 0, flags)?, 5, "{flags:?}");
    }
    let both = RwFlags::RWF_APPEND | RwFlags::RWF_NOAPPEND;
    assert_eq!(sys.preadv2(file, from(b"....."), 1, 0, 0, both), Err(Errno::EINVAL));
    // Where nobody waits for anything, nobody has to be told so: but not every file system says it.
    for answer in [
        sys.preadv2(file, from(b"....."), 1, 0, 0, RwFlags::RWF_NOWAIT),
        sys.pwritev2(file, from(b"bytes"), 1, 0, 0, RwFlags::RWF_NOWAIT),
    ] {
        assert!(matches!(answer, Ok(5) | Err(Errno::EAGAIN | Errno::EOPNOTSUPP)), "{answer:?}");
    }
    // Nobody writes all or nothing to what is in memory, or adds and does not.
    let both = RwFlags::RWF_APPEND | RwFlags::RWF_NOAPPEND;
    assert!(matches!(sys.preadv2(file, from(b"....."), 1, 0, 0, both), Err(Errno::EINVAL | Errno::EOPNOTSUPP)));
    assert_eq!(sys.preadv2(file, from(b"....."), 1, 0, 0, RwFlags::RWF_ATOMIC), Err(Errno::EOPNOTSUPP));
    let unknown = RwFlags::from_bits_retain(1 << 30);
    assert_eq!(sys.preadv2(file, from(b"....."), 1, 0, 0, both | unknown), Err(Errno::EOPNOTSUPP));
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let here = -1_i64;
    assert_eq!(sys.preadv2(reader, from(b"....."), 1, here, 0, RwFlags::RWF_NOWAIT), Err(Errno::EAGAIN));
    assert_eq!(sys.pwritev2(writer, from(b"bytes"), 1, here, 0, RwFlags::RWF_NOWAIT)?, 5);
    assert_eq!(sys.preadv2(reader, from(b"....."), 1, here, 0, RwFlags::RWF_NOWAIT)?, 5);
    assert_eq!(sys.bytes(into(sys), 5), b"bytes");
    // Since Linux 6.18 a signal may be declined, by a reader to whom none comes too.
    match sys.pwritev2(writer, from(b"bytes"), 1, here, 0, RwFlags::RWF_NOSIGNAL) {
        Ok(_) => assert_eq!(sys.preadv2(reader, from(b"....."), 1, here, 0, RwFlags::RWF_NOSIGNAL)?, 5),
        answer => assert_eq!(answer, Err(Errno::EOPNOTSUPP)),
    }
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    let appended = sys.pwritev2(file, from(b"!"), 1, 0, 0, RwFlags::RWF_APPEND)?;
    assert_eq!((appended, about(sys, file)?.size), (1, 6));
    Ok(())
}

fn advice_of_every_kind(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"advised")?;
    for number in 0..=5 {
        sys.fadvise64(file, 0, 0, Fadvice(number))?;
        sys.fadvise64(file, 1_i64 << 40, 10, Fadvice(number))?;
    }
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"advised");
    Ok(())
}

fn a_range_is_brought_to_its_device(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"bytes")?;
    for flags in SyncRangeFlags::all().iter() {
        sys.sync_file_range(file, 0, 0, flags)?;
        sys.sync_file_range(file, 2, 1_i64 << 40, flags)?;
    }
    sys.sync_file_range(file, 0, 5, SyncRangeFlags::all())?;
    Ok(())
}

fn what_a_file_may_be_asked_for(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let ask = |mode| {
        let answers = [
            sys.access(path(sys, "file"), mode),
            sys.faccessat(Fd::CWD, path(sys, "file"), mode),
            sys.faccessat2(Fd::CWD, path(sys, "file"), mode, AccessAtFlags::AT_EACCESS),
        ];
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{mode:?}: {answers:?}");
        answers[0]
    };
    sys.fchmod(file, Mode(0o755))?;
    for mode in [AccessMode::R_OK, AccessMode::W_OK, AccessMode::X_OK, AccessMode::R_OK | AccessMode::X_OK] {
        ask(mode)?;
    }
    sys.fchmod(file, Mode(0o666))?;
    assert_eq!(ask(AccessMode::X_OK), Err(Errno::EACCES));
    ask(AccessMode::R_OK | AccessMode::W_OK)?;
    Ok(())
}

/// A file system does each of these truly, or says that it cannot.
fn room_of_every_kind(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    const BLOCK: usize = 4096;
    let fill = || {
        sys.lseek(file, 0, Whence::SEEK_SET)?;
        for byte in [b'a', b'b', b'c'] {
            write(sys, file, &[byte; BLOCK])?;
        }
        sys.ftruncate(file, 3 * BLOCK)
    };
    let starts = || -> Result<[u8; 4]> {
        let mut found = [b'-'; 4];
        for (place, found) in found.iter_mut().enumerate() {
            if sys.pread64(file, into(sys), 1, place * BLOCK)? == 1 {
                *found = sys.bytes(into(sys), 1)[0];
            }
        }
        Ok(found)
    };
    for (mode, after) in [
        (FallocateMode::FALLOC_FL_ZERO_RANGE, b"a\0c-"),
        (FallocateMode::FALLOC_FL_ZERO_RANGE | FallocateMode::FALLOC_FL_KEEP_SIZE, b"a\0c-"),
        (FallocateMode::FALLOC_FL_COLLAPSE_RANGE, b"ac--"),
        (FallocateMode::FALLOC_FL_INSERT_RANGE, b"a\0bc"),
        (FallocateMode::FALLOC_FL_UNSHARE_RANGE, b"abc-"),
        (FallocateMode::FALLOC_FL_PUNCH_HOLE | FallocateMode::FALLOC_FL_KEEP_SIZE, b"a\0c-"),
    ] {
        fill()?;
        match sys.fallocate(file, mode, BLOCK, BLOCK) {
            Ok(_) => assert_eq!(&starts()?, after, "{mode:?}"),
            Err(errno) => assert_eq!((errno, &starts()?), (Errno::EOPNOTSUPP, b"abc-"), "{mode:?}"),
        }
    }
    // Nobody hides stale bytes, and nobody does two things at once.
    for mode in [
        FallocateMode::FALLOC_FL_NO_HIDE_STALE,
        FallocateMode::FALLOC_FL_COLLAPSE_RANGE | FallocateMode::FALLOC_FL_INSERT_RANGE,
    ] {
        let answer = sys.fallocate(file, mode, BLOCK, BLOCK);
        assert!(matches!(answer, Err(Errno::EOPNOTSUPP | Errno::EINVAL)), "{mode:?}: {answer:?}");
    }
    Ok(())
}

fn a_memory_file_that_is_no_program(sys: &dyn Sys) -> Outcome {
    let made = |flags| sys.memfd_create(path(sys, "name"), flags).map(descriptor);
    let program = made(MemfdFlags::MFD_EXEC)?;
    let plain = made(MemfdFlags::MFD_NOEXEC_SEAL)?;
    let mode = |file| about(sys, file).map(|found| found.mode & 0o777);
    assert_eq!((mode(program)?, mode(plain)?), (0o777, 0o666));
    assert_eq!(sys.fcntl(plain, FcntlCommand::F_GET_SEALS, 0)?, F_SEAL_EXEC as usize);
    // It stays so.
    assert_eq!(sys.fchmod(plain, Mode(0o777)), Err(Errno::EPERM));
    sys.fchmod(plain, Mode(0o600))?;
    sys.fchmod(program, Mode(0o600))?;
    let both = MemfdFlags::MFD_EXEC | MemfdFlags::MFD_NOEXEC_SEAL;
    assert_eq!(made(both), Err(Errno::EINVAL));
    Ok(())
}

fn a_program_by_its_own_name(sys: &dyn Sys) -> Outcome {
    let from = descriptor(sys.openat(Fd::CWD, path(sys, SELF), OpenFlags::O_RDONLY, 0)?);
    let to = create(sys, "copy")?;
    while sys.sendfile(to, from, 0, 1 << 24)? > 0 {}
    sys.fchmod(to, Mode(0o755))?;
    sys.close(to)?;
    arguments(sys, &["program", "--exit", "7"]);
    let child = |sys: &dyn Sys, _| {
        let name = path(sys, "copy");
        let _ = sys.execveat(Fd::CWD, name, sys.page() + 0x8000, 0, AtFlags::AT_SYMLINK_NOFOLLOW);
        1
    };
    assert_eq!(wait(sys, sys.fork_with(child, 0)?)?, status_exited(7));
    Ok(())
}

/// A descriptor leads to the link itself, where no path can end.
fn a_link_has_no_mode(sys: &dyn Sys) -> Outcome {
    sys.symlinkat(path(sys, "target"), Fd::CWD, other(sys, "link"))?;
    let link = open(sys, "link", OpenFlags::O_PATH | OpenFlags::O_NOFOLLOW)?;
    let by_descriptor = alloc::format!("/proc/self/fd/{}", link.0);
    assert_eq!(sys.fchmodat(Fd::CWD, path(sys, &by_descriptor), Mode(0o600)), Err(Errno::EOPNOTSUPP));
    assert_eq!(sys.chmod(path(sys, &by_descriptor), Mode(0o600)), Err(Errno::EOPNOTSUPP));
    assert_eq!(sys.fchmodat2(link, path(sys, ""), Mode(0o600), AtFlags::AT_EMPTY_PATH), Err(Errno::EOPNOTSUPP));
    Ok(())
}

/// Linux looks at the flags of a path, and here there is none.
fn who_means_a_descriptor_is_asked_nothing_else(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let flags = AtFlags::AT_EMPTY_PATH | AtFlags::AT_REMOVEDIR;
    let ask = |path, flags| {
        let answers = [sys.newfstatat(file, path, into(sys), flags), sys.statx(file, path, flags, 0, into(sys))];
        assert_eq!(answers[0], answers[1]);
        answers[0]
    };
    let empty = path(sys, "");
    ask(empty, flags)?;
    ask(empty, AtFlags::from_bits_retain(0x10_0000) | AtFlags::AT_EMPTY_PATH)?;
    assert_eq!(ask(empty, AtFlags::AT_REMOVEDIR), Err(Errno::EINVAL));
    assert_eq!(ask(other(sys, "file"), flags), Err(Errno::EINVAL));
    assert_eq!(ask(8, flags), Err(Errno::EINVAL));
    Ok(())
}
