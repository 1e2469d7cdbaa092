//! Mounting and unmounting.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Context, path};
use crate::abi::Fd;
use crate::abi::arg::{UserAddr, UserName, UserPath};
use crate::abi::flags::{
    CAP_SYS_ADMIN, MountFlags, ST_NOATIME, ST_NODEV, ST_NODIRATIME, ST_NOEXEC, ST_NOSUID, ST_NOSYMFOLLOW, ST_RDONLY,
    ST_RELATIME, ST_SYNCHRONOUS, UmountFlags,
};
use crate::error::{Errno, Result};
use crate::fs::memory::MemoryFs;
use crate::fs::proc::ProcFs;
use crate::vfs::{Extent, FileSystem, Follow, Path};

/// The longest name of a source or a file system.
const NAME_MAX: usize = 4096;
/// What programs of long ago put into the upper half of the flags.
const MAGIC: u64 = 0xc0ed_0000;

fn name(cx: &Context<'_>, at: usize) -> Result<Vec<u8>> {
    if at == 0 { Ok(Vec::new()) } else { cx.space().read_string(at, NAME_MAX) }
}

/// `ST_*` for what mount(2) was told.
fn shown(flags: MountFlags) -> u32 {
    let pairs = [
        (MountFlags::MS_RDONLY, ST_RDONLY),
        (MountFlags::MS_NOSUID, ST_NOSUID),
        (MountFlags::MS_NODEV, ST_NODEV),
        (MountFlags::MS_NOEXEC, ST_NOEXEC),
        (MountFlags::MS_SYNCHRONOUS, ST_SYNCHRONOUS),
        (MountFlags::MS_NODIRATIME, ST_NODIRATIME),
        (MountFlags::MS_NOSYMFOLLOW, ST_NOSYMFOLLOW),
    ];
    let shown: u32 = pairs.into_iter().filter(|(given, _)| flags.contains(*given)).map(|(_, shown)| shown).sum();
    // When something was read is kept, if nobody says otherwise, as far as anybody would notice.
    shown
        | match flags {
            flags if flags.contains(MountFlags::MS_STRICTATIME) => 0,
            flags if flags.contains(MountFlags::MS_NOATIME) => ST_NOATIME,
            _ => ST_RELATIME,
        }
}

/// Changes how a mount may be used. What is read leaves its time as before, unless the flags say so.
fn remount(cx: &Context<'_>, at: &Path, flags: MountFlags) -> Result {
    if !at.is_mount_root() {
        return Err(Errno::EINVAL);
    }
    let about_times =
        MountFlags::MS_NOATIME | MountFlags::MS_NODIRATIME | MountFlags::MS_RELATIME | MountFlags::MS_STRICTATIME;
    const TIMES: u32 = ST_NOATIME | ST_NODIRATIME | ST_RELATIME;
    let mut wanted = shown(flags);
    if !flags.intersects(about_times) {
        wanted = wanted & !TIMES | at.mount.flags() & TIMES;
    }
    let extent = if flags.contains(MountFlags::MS_BIND) { Extent::Mount } else { Extent::FileSystem };
    cx.kernel.mounts().remount(&at.mount, wanted, extent).map(|()| 0)
}

/// Says whether what is mounted is shown elsewhere too: nowhere by itself, for no mount is anybody else's.
fn spread(at: &Path, flags: MountFlags) -> Result {
    let kind = flags.difference(MountFlags::MS_REC | MountFlags::MS_SILENT);
    let kinds = [MountFlags::MS_PRIVATE, MountFlags::MS_SLAVE, MountFlags::MS_UNBINDABLE];
    if !kinds.contains(&kind) || !at.is_mount_root() {
        return Err(Errno::EINVAL);
    }
    at.mount.set_may_be_bound(kind != MountFlags::MS_UNBINDABLE);
    Ok(0)
}

/// `mode=` among a file system's options; /tmp's bits without it.
fn mode_of(options: &[u8]) -> Result<u32> {
    let value = options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(b"mode="));
    let Some(value) = value else { return Ok(0o1777) };
    let text = core::str::from_utf8(value).map_err(|_| Errno::EINVAL)?;
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or(Errno::EINVAL)
}

pub(super) fn mount(
    cx: &mut Context<'_>,
    source: UserName,
    target: UserPath,
    kind: UserName,
    flags: MountFlags,
    data: UserAddr,
) -> Result {
    let (kind, source_name, options) = (name(cx, kind.0)?, name(cx, source.0)?, name(cx, data.0)?);
    let at = path::resolve(cx, Fd::CWD, target, Follow::Yes)?;
    if !cx.credentials().can(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let bits = if flags.bits() & 0xffff_0000 == MAGIC { flags.bits() & 0xffff } else { flags.bits() };
    let flags = MountFlags::from_bits_retain(bits);
    if flags.contains(MountFlags::MS_REMOUNT) {
        mode_of(&options)?;
        return remount(cx, &at, flags);
    }
    let mounts = cx.kernel.mounts();
    if flags.contains(MountFlags::MS_BIND) {
        let from = path::resolve(cx, Fd::CWD, UserPath(source.0), Follow::Yes)?;
        if flags.contains(MountFlags::MS_REC) {
            mounts.bind_all(&from, &at)?;
        } else {
            mounts.bind(&from, &at)?;
        }
        return Ok(0);
    }
    let spreads = MountFlags::MS_SHARED | MountFlags::MS_SLAVE | MountFlags::MS_UNBINDABLE | MountFlags::MS_PRIVATE;
    if flags.intersects(spreads) {
        return spread(&at, flags);
    }
    if flags.contains(MountFlags::MS_MOVE) {
        return Err(Errno::EINVAL);
    }
    let fs: Arc<dyn FileSystem> = match &kind[..] {
        b"tmpfs" | b"ramfs" => {
            let kernel = cx.kernel;
            MemoryFs::new(kernel.machine(), kernel.inodes(), kernel.next_dev(), mode_of(&options)?)
        }
        b"proc" => {
            ProcFs::new(cx.kernel.machine(), cx.kernel.processes(), mounts, cx.kernel.next_dev(), super::RELEASE)
        }
        _ => return Err(Errno::ENODEV),
    };
    mounts.mount(fs, &at, shown(flags), &source_name)?;
    Ok(0)
}

pub(super) fn umount2(cx: &mut Context<'_>, target: UserPath, flags: UmountFlags) -> Result {
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    let follow = if flags.contains(UmountFlags::UMOUNT_NOFOLLOW) { Follow::No } else { Follow::Yes };
    let target = path::text(cx, target)?;
    let at = path::start(cx, Fd::CWD, &target)?;
    let at = cx.fs().look(at.as_ref(), &target, follow, &cx.thread.identity())?;
    if !at.is_mount_root() {
        return Err(Errno::EINVAL);
    }
    if !cx.credentials().can(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let otherwise = UmountFlags::MNT_FORCE | UmountFlags::MNT_DETACH;
    if flags.contains(UmountFlags::MNT_EXPIRE) && flags.intersects(otherwise) {
        return Err(Errno::EINVAL);
    }
    // The table and this place know the mount; whoever else does is somewhere in it.
    if !flags.contains(UmountFlags::MNT_DETACH) && Arc::strong_count(&at.mount) > 2 {
        return Err(Errno::EBUSY);
    }
    if flags.contains(UmountFlags::MNT_EXPIRE) && !at.mount.expires() {
        return Err(Errno::EAGAIN);
    }
    cx.kernel.mounts().unmount(&at)?;
    Ok(0)
}
