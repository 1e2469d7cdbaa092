//! The tree by itself and over a folder that remembers what was asked of it.

mod host;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use ostd::sync::SpinLock;

use kernel_abi::flags::{OpenFlags, RenameFlags, Whence};
use ostd::device::{FolderAttributes, FolderEntry, FolderError, FolderNode, SharedFolder};
use ostd::hosted::{Hosted, HostedConfig};
use ostd::{Machine, MachineConfig};

use super::MemoryFs;
use crate::error::{Errno, Result};
use crate::vfs::{
    FileKind, Follow, FsContext, Identity, MountTable, New, OpenFile, OpenRequest, Quota, SliceSink, SliceSource,
    Source,
};

/// Files in a tree, and open.
const INODES_MAX: u64 = 100;
const OPEN_FILES_MAX: u64 = 50;

/// Directories have even numbers, files odd ones, and `0` is the root.
struct Folder {
    files: Vec<(u64, &'static str, u64, Vec<u8>)>,
    forgotten: SpinLock<Vec<u64>>,
    found: SpinLock<Vec<u64>>,
}

impl Folder {
    /// `/etc/{motd,passwd}`, `/hello`.
    fn new() -> Arc<Self> {
        let files = vec![
            (0, "etc", 2, Vec::new()),
            (2, "motd", 11, b"welcome".to_vec()),
            (2, "passwd", 13, vec![b'x'; 5000]),
            (0, "hello", 15, b"hello below".to_vec()),
        ];
        Arc::new(Self { files, forgotten: SpinLock::default(), found: SpinLock::default() })
    }

    fn describe(&self, node: u64) -> FolderAttributes {
        let size = self.files.iter().find(|file| file.2 == node).map_or(0, |file| file.3.len() as u64);
        let (mode, nlink) = if node.is_multiple_of(2) { (0o40755, 2) } else { (0o100_644, 1) };
        let time = (1, 0);
        let (ino, dev) = (node, 9);
        FolderAttributes {
            ino,
            dev,
            mode,
            nlink,
            uid: 0,
            gid: 0,
            rdev: 0,
            size,
            blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
        }
    }
}

impl SharedFolder for Folder {
    fn root(&self) -> FolderNode {
        FolderNode(0)
    }

    fn lookup(
        &self,
        dir: FolderNode,
        name: &[u8],
    ) -> core::result::Result<(FolderNode, FolderAttributes), FolderError> {
        let found = self.files.iter().find(|file| file.0 == dir.0 && file.1.as_bytes() == name);
        let node = found.ok_or(FolderError(2))?.2;
        self.found.lock().push(node);
        Ok((FolderNode(node), self.describe(node)))
    }

    fn attributes(&self, node: FolderNode) -> core::result::Result<FolderAttributes, FolderError> {
        Ok(self.describe(node.0))
    }

    fn read(&self, node: FolderNode, offset: u64, into: &mut [u8]) -> core::result::Result<usize, FolderError> {
        let bytes = &self.files.iter().find(|file| file.2 == node.0).ok_or(FolderError(2))?.3;
        let left = bytes.get(offset as usize..).unwrap_or(&[]);
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        Ok(count)
    }

    fn entries(&self, dir: FolderNode) -> core::result::Result<Vec<FolderEntry>, FolderError> {
        let inside = self.files.iter().filter(|file| file.0 == dir.0);
        Ok(inside.map(|file| FolderEntry { name: file.1.into(), ino: file.2, kind: 8 }).collect())
    }

    fn link_target(&self, _node: FolderNode) -> core::result::Result<Vec<u8>, FolderError> {
        Err(FolderError(22))
    }

    fn forget(&self, node: FolderNode) {
        self.forgotten.lock().push(node.0);
    }
}

/// A process's view of one tree.
struct World {
    machine: Machine,
    fs: Arc<FsContext>,
    who: Identity,
}

impl World {
    fn tmpfs() -> Self {
        Self::tmpfs_of(INODES_MAX)
    }

    fn tmpfs_of(inodes_max: u64) -> Self {
        let machine = machine();
        let tree = MemoryFs::new(&machine, &Quota::new(inodes_max), 1, 0o755);
        Self {
            fs: FsContext::new(&MountTable::new(tree, b"tmpfs", Quota::new(OPEN_FILES_MAX))),
            machine,
            who: Identity::root(),
        }
    }

    fn overlay(folder: &Arc<Folder>) -> Self {
        Self::over(Arc::clone(folder) as Arc<dyn SharedFolder>)
    }

    fn over(folder: Arc<dyn SharedFolder>) -> Self {
        let machine = machine();
        let tree = MemoryFs::over(&machine, &Quota::new(INODES_MAX), 1, &folder).expect("a root");
        Self {
            fs: FsContext::new(&MountTable::new(tree, b"host", Quota::new(OPEN_FILES_MAX))),
            machine,
            who: Identity::root(),
        }
    }

    fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        self.fs.open(None, path.as_bytes(), OpenRequest { flags, mode: 0o644, ..OpenRequest::default() }, &self.who)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.open(path, OpenFlags::O_CREAT | OpenFlags::O_RDWR).expect("a file");
        assert_eq!(file.write(&mut SliceSource::new(text.as_bytes())), Ok(text.len()));
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.open(path, OpenFlags::O_RDONLY)?;
        let mut bytes = vec![0; 8192];
        let count = file.read(&mut SliceSink::new(&mut bytes))?;
        bytes.truncate(count);
        Ok(bytes)
    }

    fn mkdir(&self, path: &str) {
        assert_eq!(self.fs.make(None, path.as_bytes(), New::Directory, 0o755, &self.who), Ok(()));
    }

    fn symlink(&self, target: &str, path: &str) {
        let new = New::Symlink(target.as_bytes());
        assert_eq!(self.fs.make(None, path.as_bytes(), new, 0, &self.who), Ok(()));
    }

    fn rename(&self, old: &str, new: &str) -> Result<()> {
        self.fs.rename((None, old.as_bytes()), (None, new.as_bytes()), RenameFlags::empty(), &self.who)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.fs.unlink(None, path.as_bytes(), &self.who)
    }

    fn ino(&self, path: &str) -> Result<u64> {
        let found = self.fs.resolve(None, path.as_bytes(), Follow::Yes, &self.who)?;
        Ok(found.inode.attributes()?.ino)
    }

    fn names(&self, path: &str) -> Vec<String> {
        let directory = self.open(path, OpenFlags::O_DIRECTORY).expect("a directory");
        let mut names = Vec::new();
        let listed = directory.entries(&mut |entry| {
            names.push(String::from_utf8_lossy(&entry.name).into_owned());
            true
        });
        assert_eq!(listed, Ok(()));
        names
    }
}

fn machine() -> Machine {
    Machine::new(Hosted::new(&HostedConfig::default()).expect("the host has memory"), MachineConfig::default())
}

#[test]
fn a_path_goes_through_dots_links_and_slashes() {
    let world = World::tmpfs();
    world.mkdir("/a");
    world.mkdir("/a/b");
    world.write("/a/b/file", "text");
    world.symlink("b/file", "/a/link");
    world.symlink("/a/../a", "/again");
    world.symlink("loop", "/loop");
    assert_eq!(world.read("/again/./b/../link"), Ok(b"text".to_vec()));
    assert_eq!(world.read("//..//a/b/file"), Ok(b"text".to_vec()));
    assert_eq!(world.read("/a/b/file/").err(), Some(Errno::ENOTDIR));
    assert_eq!(world.read("/a/b/file/x").err(), Some(Errno::ENOTDIR));
    assert_eq!(world.read("/loop").err(), Some(Errno::ELOOP));
    assert_eq!(world.read("").err(), Some(Errno::ENOENT));
    assert_eq!(world.read(&"x".repeat(256)).err(), Some(Errno::ENAMETOOLONG));
    assert_eq!(world.read(&"./".repeat(2048)).err(), Some(Errno::ENAMETOOLONG));
    let no_follow = world.open("/a/link", OpenFlags::O_NOFOLLOW);
    assert_eq!(no_follow.err(), Some(Errno::ELOOP));
    let exclusive = world.open("/a/link", OpenFlags::O_CREAT | OpenFlags::O_EXCL);
    assert_eq!(exclusive.err(), Some(Errno::EEXIST));
    assert_eq!(world.open("/a", OpenFlags::O_WRONLY).err(), Some(Errno::EISDIR));
}

#[test]
fn permission_bits_count_for_who_may_not_override_them() {
    let mut world = World::tmpfs();
    world.mkdir("/home");
    world.write("/home/mine", "text");
    world.who = Identity { uid: 7, gid: 7, groups: vec![], may_override: false, keeps_set_ids: false };
    assert_eq!(world.read("/home/mine"), Ok(b"text".to_vec()));
    assert_eq!(world.open("/home/mine", OpenFlags::O_WRONLY).err(), Some(Errno::EACCES));
    assert_eq!(world.unlink("/home/mine"), Err(Errno::EACCES));
}

#[test]
fn renaming_a_directory_moves_the_node_and_its_name() {
    let folder = Folder::new();
    let world = World::overlay(&folder);
    let cwd = world.fs.resolve(None, b"/etc", Follow::Yes, &world.who).expect("found");
    let before = (world.ino("/etc"), world.ino("/etc/motd"));
    world.fs.set_cwd(cwd);
    world.mkdir("/new");
    assert_eq!(world.rename("/etc", "/new/etc"), Ok(()));
    assert_eq!((world.ino("/new/etc"), world.ino("motd")), before);
    assert_eq!(world.fs.path_of(&world.fs.cwd()).0, b"/new/etc");
    assert_eq!(world.read("/etc/motd").err(), Some(Errno::ENOENT));
    assert_eq!(world.read("passwd").map(|bytes| bytes.len()), Ok(5000));
    assert_eq!(world.rename("/new", "/new/etc/new"), Err(Errno::EINVAL));
    assert_eq!(world.names("/"), [".", "..", "new", "hello"]);
}

#[test]
fn writing_keeps_the_inode_number_and_leaves_the_folder_alone() {
    let folder = Folder::new();
    let world = World::overlay(&folder);
    let before = world.ino("/hello");
    world.write("/hello", "HELLO");
    assert_eq!(world.read("/hello"), Ok(b"HELLO below".to_vec()));
    assert_eq!(world.ino("/hello"), before);
    world.open("/hello", OpenFlags::O_WRONLY | OpenFlags::O_TRUNC).expect("opens");
    world.write("/hello", "hi");
    assert_eq!(world.read("/hello"), Ok(b"hi".to_vec()));
}

#[test]
fn what_was_removed_does_not_show_through() {
    let folder = Folder::new();
    let world = World::overlay(&folder);
    assert_eq!(world.fs.rmdir(None, b"/etc", &world.who), Err(Errno::ENOTEMPTY));
    assert_eq!(world.unlink("/etc/motd"), Ok(()));
    assert_eq!(world.read("/etc/motd").err(), Some(Errno::ENOENT));
    assert_eq!(world.names("/etc"), [".", "..", "passwd"]);
    world.write("/etc/motd", "ours");
    assert_eq!(world.read("/etc/motd"), Ok(b"ours".to_vec()));
    assert_eq!((world.unlink("/etc/motd"), world.unlink("/etc/passwd")), (Ok(()), Ok(())));
    assert_eq!(world.fs.rmdir(None, b"/etc", &world.who), Ok(()));
    world.mkdir("/etc");
    assert_eq!(world.names("/etc"), [".", ".."]);
}

#[test]
fn each_lookup_below_is_forgotten_once() {
    let folder = Folder::new();
    let world = World::overlay(&folder);
    assert_eq!(world.read("/etc/motd").map(|bytes| bytes.len()), Ok(7));
    assert_eq!(world.unlink("/etc/motd"), Ok(()));
    drop(world.fs);
    let (mut found, mut forgotten) = (folder.found.lock().clone(), folder.forgotten.lock().clone());
    found.sort_unstable();
    forgotten.sort_unstable();
    assert_eq!(found, forgotten);
    assert_eq!(world.machine.frames().used(), 0);
}

#[test]
fn holes_are_zeros_and_take_no_frames() {
    let world = World::tmpfs();
    let file = world.open("/sparse", OpenFlags::O_CREAT | OpenFlags::O_RDWR).expect("made");
    let before = world.machine.frames().used();
    assert_eq!(file.pwrite(&mut SliceSource::new(b"end"), 1 << 30), Ok(3));
    assert_eq!(world.machine.frames().used(), before + 1);
    let mut bytes = [1; 6];
    assert_eq!(file.pread(&mut SliceSink::new(&mut bytes), (1 << 30) - 3), Ok(6));
    assert_eq!(&bytes, b"\0\0\0end");
    assert_eq!(file.truncate(2), Ok(()));
    assert_eq!(file.truncate(1 << 31), Ok(()));
    assert_eq!(file.pread(&mut SliceSink::new(&mut bytes), 1 << 30), Ok(6));
    assert_eq!((bytes, world.machine.frames().used()), ([0; 6], before));
    assert_eq!(file.pwrite(&mut SliceSource::new(b"x"), i64::MAX), Err(Errno::EINVAL));
}

#[test]
fn a_tree_that_is_deeper_than_the_stack_ends() {
    let world = World::tmpfs_of(100_000);
    let mut here = world.fs.resolve(None, b"/", Follow::Yes, &world.who).expect("the root");
    for _ in 0..50_000 {
        assert_eq!(world.fs.make(Some(&here), b"d", New::Directory, 0o755, &world.who), Ok(()));
        here = world.fs.resolve(Some(&here), b"d", Follow::Yes, &world.who).expect("made");
    }
    drop(here);
    drop(world);
}

/// A program's buffer that is not there.
struct Nowhere;

impl Source for Nowhere {
    fn remaining(&self) -> usize {
        1
    }

    fn take(&mut self, _into: &mut [u8]) -> Result<usize> {
        Err(Errno::EFAULT)
    }
}

#[test]
fn a_write_of_what_cannot_be_read_grows_a_file_up_to_its_place() {
    let world = World::tmpfs();
    let file = world.open("/f", OpenFlags::O_CREAT | OpenFlags::O_RDWR).expect("made");
    assert_eq!(file.pwrite(&mut Nowhere, 5000), Err(Errno::EFAULT));
    assert_eq!(file.attributes().map(|found| found.size), Ok(5000));
    assert_eq!(file.pwrite(&mut Nowhere, 4), Err(Errno::EFAULT));
    assert_eq!(file.attributes().map(|found| found.size), Ok(5000));
}

#[test]
fn what_is_allocated_takes_frames_and_is_zeros() {
    let world = World::tmpfs();
    let file = world.open("/f", OpenFlags::O_CREAT | OpenFlags::O_RDWR).expect("made");
    assert_eq!(file.pwrite(&mut SliceSource::new(b"x"), 5000), Ok(1));
    let before = world.machine.frames().used();
    assert_eq!(file.file().allocate(100, 12_000, false), Ok(()));
    assert_eq!(world.machine.frames().used(), before + 2);
    let found = file.attributes().expect("there");
    assert_eq!((found.size, found.blocks), (12_100, 24));
    let mut bytes = [1; 3];
    assert_eq!((file.pread(&mut SliceSink::new(&mut bytes), 4999), bytes), (Ok(3), [0, b'x', 0]));
    assert_eq!(file.file().allocate(0, 1 << 50, true), Err(Errno::ENOSPC));
    assert_eq!((world.machine.frames().used(), file.attributes().map(|found| found.size)), (before + 2, Ok(12_100)));
}

#[test]
fn seeking_finds_data_and_holes() {
    let world = World::tmpfs();
    let file = world.open("/sparse", OpenFlags::O_CREAT | OpenFlags::O_RDWR).expect("made");
    assert_eq!(file.pwrite(&mut SliceSource::new(b"data"), 2 * 4096 + 10), Ok(4));
    assert_eq!(file.truncate(5 * 4096 + 1), Ok(()));
    for (from, data, hole) in [
        (0, Ok(8192), Ok(0)),
        (8191, Ok(8192), Ok(8191)),
        (8200, Ok(8200), Ok(12_288)),
        (12_288, Err(Errno::ENXIO), Ok(12_288)),
        (20_480, Err(Errno::ENXIO), Ok(20_480)),
        (20_481, Err(Errno::ENXIO), Err(Errno::ENXIO)),
        (-1, Err(Errno::ENXIO), Err(Errno::ENXIO)),
    ] {
        assert_eq!((file.seek(from, Whence::SEEK_DATA), file.seek(from, Whence::SEEK_HOLE)), (data, hole), "{from}");
    }
}

#[test]
fn appending_goes_to_the_end_whatever_the_offset() {
    let world = World::tmpfs();
    world.write("/log", "one");
    let file = world.open("/log", OpenFlags::O_WRONLY | OpenFlags::O_APPEND).expect("opens");
    assert_eq!(file.write(&mut SliceSource::new(b"two")), Ok(3));
    assert_eq!(world.read("/log"), Ok(b"onetwo".to_vec()));
}

#[test]
fn links_are_counted_and_the_last_one_takes_the_file() {
    let world = World::tmpfs();
    world.write("/one", "text");
    let one = world.fs.resolve(None, b"/one", Follow::No, &world.who).expect("found");
    assert_eq!(world.fs.link(&one, None, b"/two", &world.who), Ok(()));
    assert_eq!(one.inode.attributes().map(|found| found.nlink), Ok(2));
    assert_eq!((world.rename("/one", "/two"), world.read("/one").is_ok()), (Ok(()), true));
    assert_eq!((world.unlink("/one"), world.unlink("/two")), (Ok(()), Ok(())));
    assert_eq!(world.fs.link(&one, None, b"/three", &world.who), Err(Errno::ENOENT));
}

#[test]
fn places_to_mount_on_are_counted_as_directories() {
    let tree = MemoryFs::new(&machine(), &Quota::new(INODES_MAX), 1, 0o755);
    for name in [b"dev", b"sys", b"dev"] {
        tree.make_place(name, 0o755).expect("a place");
    }
    assert_eq!(tree.root.meta.lock().nlink, 4);
}

#[test]
fn mappers_and_readers_share_one_frame() {
    let world = World::tmpfs();
    world.write("/file", "shared");
    let file = world.open("/file", OpenFlags::O_RDWR).expect("opens");
    let backing = file.backing().expect("a regular file");
    let frame = backing.page(0).expect("below the end");
    frame.write(0, b"S");
    assert_eq!(world.read("/file"), Ok(b"Shared".to_vec()));
    assert_eq!(backing.page(1).err(), Some(Errno::EFAULT));
    assert_eq!(backing.name(), b"/file");
}

#[test]
fn a_mount_covers_a_directory_until_it_is_removed() {
    let world = World::tmpfs();
    world.mkdir("/mnt");
    let other = MemoryFs::new(&world.machine, &Quota::new(INODES_MAX), 2, 0o755);
    let at = world.fs.resolve(None, b"/mnt", Follow::Yes, &world.who).expect("found");
    world.fs.mounts().mount(other, &at, 0, b"tmpfs").expect("mounts");
    world.write("/mnt/file", "inside");
    let inside = world.fs.resolve(None, b"/mnt/file", Follow::Yes, &world.who).expect("found");
    assert_eq!(world.fs.path_of(&inside).0, b"/mnt/file");
    assert_eq!(world.ino("/mnt/.."), world.ino("/"));
    assert_eq!(world.rename("/mnt/file", "/file"), Err(Errno::EXDEV));
    assert_eq!(world.fs.rmdir(None, b"/mnt", &world.who), Err(Errno::EBUSY));
    let top = world.fs.resolve(None, b"/mnt", Follow::Yes, &world.who).expect("found");
    assert_eq!(world.fs.mounts().unmount(&top), Ok(()));
    assert_eq!(world.read("/mnt/file").err(), Some(Errno::ENOENT));
    assert_eq!(inside.inode.kind(), FileKind::Regular);
    assert_eq!(at.mount.fs.name(), "tmpfs");
}

#[test]
fn files_and_their_names_end_and_what_goes_makes_room() {
    let world = World::tmpfs();
    let make = |path: &str| world.open(path, OpenFlags::O_CREAT | OpenFlags::O_WRONLY).map(drop);
    let link = |path: &str| {
        let first = world.fs.resolve(None, b"/first", Follow::No, &world.who)?;
        world.fs.link(&first, None, path.as_bytes(), &world.who)
    };
    let free = || world.fs.root().mount.fs.attributes().files_free;
    make("/first").expect("room");
    for number in 1..INODES_MAX - 1 {
        link(&format!("/name{number}")).expect("room");
    }
    assert_eq!(free(), 1);
    make("/last").expect("room");
    assert_eq!((make("/more"), link("/more")), (Err(Errno::ENOSPC), Err(Errno::ENOSPC)));
    // Whichever name goes: the file's own right is the last.
    world.unlink("/first").expect("gone");
    make("/more").expect("room");
    world.rename("/more", "/last").expect("over another");
    assert_eq!(free(), 1);
    for number in 1..INODES_MAX - 1 {
        world.unlink(&format!("/name{number}")).expect("gone");
    }
    assert_eq!(free(), INODES_MAX - 1);
}

#[test]
fn open_files_end() {
    let world = World::tmpfs();
    let flags = OpenFlags::O_CREAT | OpenFlags::O_RDWR;
    let mut open: Vec<_> = (0..OPEN_FILES_MAX).map(|_| world.open("/file", flags).expect("room")).collect();
    assert_eq!(world.open("/other", flags).err(), Some(Errno::ENFILE));
    open.pop();
    assert_eq!(world.open("/other", OpenFlags::empty()).err(), Some(Errno::ENOENT), "it was not made");
}
