//! The tree over real folders of the host, which change under it or are changed by it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path as HostPath, PathBuf};

use kernel_abi::flags::{OpenFlags, RenameFlags};
use kernel_abi::structs::Timespec;
use ostd::hosted::folder::{HostFolder, Writable};

use super::*;
use crate::vfs::{Attributes, Change};

/// A directory of the test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let place = |number: u32| std::env::temp_dir().join(format!("orrery-tree-{}-{number}", std::process::id()));
        let free = (0..).map(place).find(|path| fs::create_dir(path).is_ok());
        Self(free.expect("numbers do not end"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).expect("a file");
    }

    fn world(&self, writable: Writable) -> World {
        World::over(Arc::new(HostFolder::open(&self.0, writable).expect("a folder")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A test that failed may have left it half-removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn attributes(world: &World, path: &str) -> Result<Attributes> {
    world.fs.resolve(None, path.as_bytes(), Follow::No, &world.who)?.inode.attributes()
}

fn text(path: &HostPath) -> String {
    fs::read_to_string(path).expect("a file")
}

#[test]
fn a_file_that_changes_on_the_host_shows_what_is_there_now() {
    let scratch = Scratch::new();
    scratch.put("f", "old");
    scratch.put("g", "g");
    let world = scratch.world(Writable::No);
    let before = attributes(&world, "/f").expect("a file").ino;
    assert_eq!(world.read("/f"), Ok(b"old".to_vec()));
    scratch.put("new", "replaced");
    fs::rename(scratch.at("new"), scratch.at("f")).expect("renamed");
    assert_eq!(world.read("/f"), Ok(b"replaced".to_vec()));
    assert_ne!(attributes(&world, "/f").expect("a file").ino, before);
    scratch.put("f", "rewritten and longer");
    assert_eq!(attributes(&world, "/f").expect("a file").size, 20);
    assert_eq!(world.read("/f"), Ok(b"rewritten and longer".to_vec()));
    fs::set_permissions(scratch.at("f"), fs::Permissions::from_mode(0o640)).expect("permissions");
    assert_eq!(attributes(&world, "/f").expect("a file").mode, 0o640);
    fs::remove_file(scratch.at("g")).expect("removed");
    assert_eq!(world.read("/g").err(), Some(Errno::ENOENT));
    symlink("f", scratch.at("g")).expect("a link");
    assert_eq!(world.read("/g"), Ok(b"rewritten and longer".to_vec()));
}

#[test]
fn names_that_come_and_go_on_the_host_do_so_here_and_a_directory_may_be_replaced() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.at("d")).expect("a directory");
    scratch.put("d/a", "a");
    scratch.put("d/b", "b");
    let world = scratch.world(Writable::No);
    assert_eq!(world.names("/d").len(), 4);
    assert_eq!(world.read("/d/a"), Ok(b"a".to_vec()));
    fs::remove_file(scratch.at("d/a")).expect("removed");
    scratch.put("d/c", "c");
    let mut names = world.names("/d");
    names.sort();
    assert_eq!(names, [".", "..", "b", "c"]);
    fs::rename(scratch.at("d"), scratch.at("e")).expect("renamed");
    fs::create_dir(scratch.at("d")).expect("a directory");
    scratch.put("d/b", "another");
    assert_eq!(world.read("/d/b"), Ok(b"another".to_vec()));
    assert_eq!(world.read("/e/c"), Ok(b"c".to_vec()));
}

#[test]
fn what_was_changed_here_stays_whatever_happens_below() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.at("d")).expect("a directory");
    for name in ["f", "mode", "d/deep"] {
        scratch.put(name, "below");
    }
    let world = scratch.world(Writable::No);
    world.write("/f", "HERE!");
    world.write("/d/deep", "HERE!");
    let place = world.fs.resolve(None, b"/mode", Follow::No, &world.who).expect("found");
    assert_eq!(place.inode.set_attributes(&Change { mode: Some(0o600), ..Change::default() }), Ok(()));
    assert_eq!(world.rename("/d", "/moved"), Ok(()));
    fs::remove_dir_all(scratch.at("d")).expect("removed");
    fs::remove_file(scratch.at("f")).expect("removed");
    scratch.put("mode", "rewritten");
    assert_eq!((world.read("/f"), world.read("/moved/deep")), (Ok(b"HERE!".to_vec()), Ok(b"HERE!".to_vec())));
    let mode = attributes(&world, "/mode").expect("a file");
    assert_eq!((mode.mode, world.read("/mode")), (0o600, Ok(b"rewritten".to_vec())));
    fs::create_dir(scratch.at("d")).expect("a directory");
    assert_eq!(world.read("/d/deep").err(), Some(Errno::ENOENT));
}

#[test]
fn files_are_described_as_the_host_does() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.at("d")).expect("a directory");
    (0..300).for_each(|number| scratch.put(&format!("d/{number}"), ""));
    scratch.put("f", &"x".repeat(5000));
    fs::hard_link(scratch.at("f"), scratch.at("g")).expect("a link");
    let world = scratch.world(Writable::No);
    for name in ["d", "f", "g"] {
        let (ours, host) = (attributes(&world, name).expect("there"), fs::metadata(scratch.at(name)).expect("there"));
        assert_eq!(
            (ours.size, ours.blocks, u64::from(ours.nlink), ours.uid),
            (host.size(), host.blocks(), host.nlink(), host.uid()),
            "{name}"
        );
    }
    assert_eq!(world.ino("/f"), world.ino("/g"));
    world.write("/f", "y");
    assert_eq!(world.read("/g").map(|bytes| bytes[0]), Ok(b'y'));
}

#[test]
fn what_may_block_or_act_on_the_host_is_shown_and_not_opened() {
    let scratch = Scratch::new();
    let made = std::process::Command::new("mkfifo").arg(scratch.at("fifo")).status().expect("mkfifo");
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(scratch.at("socket")).expect("a socket");
    let world = scratch.world(Writable::No);
    assert_eq!(attributes(&world, "/fifo").expect("there").kind, FileKind::Fifo);
    assert_eq!(attributes(&world, "/socket").expect("there").kind, FileKind::Socket);
    for name in ["/fifo", "/socket"] {
        assert_eq!(world.open(name, OpenFlags::O_RDONLY).err(), Some(Errno::ENXIO));
    }
}

#[test]
fn names_are_bytes_and_may_be_very_many() {
    let scratch = Scratch::new();
    let odd = OsStr::from_bytes(b"\xff\xfe\n");
    fs::write(scratch.0.join(odd), "odd").expect("a file");
    fs::create_dir(scratch.at("many")).expect("a directory");
    (0..3_000).for_each(|number| drop(fs::File::create(scratch.at(&format!("many/{number}"))).expect("a file")));
    let world = scratch.world(Writable::No);
    assert_eq!(world.names("/many").len(), 3_002);
    assert_eq!(world.unlink("/many/17"), Ok(()));
    assert_eq!(world.names("/many").len(), 3_001);
    let found = world.fs.resolve(None, b"/\xff\xfe\n", Follow::No, &world.who).expect("found");
    assert_eq!(found.inode.attributes().expect("there").size, 3);
}

#[test]
fn changes_go_through_to_a_writable_folder() {
    let scratch = Scratch::new();
    scratch.put("old", "before");
    let world = scratch.world(Writable::Yes);
    world.write("/old", "AFTER");
    world.write("/new", "made here");
    world.mkdir("/d");
    world.symlink("../new", "/d/link");
    assert_eq!(text(&scratch.at("old")), "AFTERe");
    let place = world.fs.resolve(None, b"/new", Follow::No, &world.who).expect("found");
    let time = Timespec { tv_sec: 1000, tv_nsec: 5 };
    let change = Change { mode: Some(0o4751), mtime: Some(time), ..Change::default() };
    assert_eq!(place.inode.set_attributes(&change), Ok(()));
    let host = fs::metadata(scratch.at("new")).expect("there");
    assert_eq!((host.mode() & 0o7777, host.mtime(), host.mtime_nsec()), (0o4751, 1000, 5));
    assert_eq!(world.fs.link(&place, None, b"/d/hard", &world.who), Ok(()));
    assert_eq!(fs::metadata(scratch.at("d/hard")).expect("there").ino(), host.ino());
    assert_eq!(attributes(&world, "/new").expect("there").nlink, 2);
    assert_eq!(world.rename("/d", "/e"), Ok(()));
    assert_eq!(fs::read_link(scratch.at("e/link")).expect("a link"), HostPath::new("../new"));
    assert_eq!(world.read("/e/link"), Ok(b"made here".to_vec()));
    let file = world.open("/e/hard", OpenFlags::O_WRONLY | OpenFlags::O_APPEND).expect("opens");
    assert_eq!(file.write(&mut SliceSource::new(b", twice")), Ok(7));
    assert_eq!(file.truncate(12), Ok(()));
    assert_eq!(text(&scratch.at("new")), "made here, t");
    assert_eq!(world.fs.rmdir(None, b"/e", &world.who), Err(Errno::ENOTEMPTY));
    assert_eq!((world.unlink("/e/link"), world.unlink("/e/hard")), (Ok(()), Ok(())));
    assert_eq!(world.fs.rmdir(None, b"/e", &world.who), Ok(()));
    assert_eq!(world.fs.make(None, b"/fifo", New::Special(FileKind::Fifo, 0), 0o644, &world.who), Ok(()));
    assert!(fs::metadata(scratch.at("fifo")).expect("there").file_type().is_fifo());
    let device = world.fs.make(None, b"/null", New::Special(FileKind::Char, 0x103), 0o666, &world.who);
    assert_eq!(device, Err(Errno::EPERM));
    let mut names: Vec<_> =
        fs::read_dir(&scratch.0).expect("entries").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["fifo", "new", "old"]);
    assert_eq!(world.rename("/new", "/old"), Ok(()));
    assert_eq!((text(&scratch.at("old")), world.read("/new").err()), ("made here, t".into(), Some(Errno::ENOENT)));
    scratch.put("old", "the host's again");
    assert_eq!(world.read("/old"), Ok(b"the host's again".to_vec()));
    let exchange = world.fs.rename((None, b"/old"), (None, b"/fifo"), RenameFlags::RENAME_EXCHANGE, &world.who);
    assert_eq!(exchange, Err(Errno::EINVAL));
}

#[test]
fn stores_of_a_mapping_reach_a_writable_folder_when_synced_and_when_it_ends() {
    let scratch = Scratch::new();
    scratch.put("f", &"x".repeat(5000));
    let world = scratch.world(Writable::Yes);
    let file = world.open("/f", OpenFlags::O_RDWR).expect("opens");
    let backing = file.backing().expect("a regular file");
    backing.note_write(1);
    backing.page(1).expect("below the end").write(100, b"stored");
    drop(file);
    assert_eq!(backing.sync(), Ok(()));
    assert_eq!(&text(&scratch.at("f"))[4190..4210], "xxxxxxstoredxxxxxxxx");
    backing.page(1).expect("below the end").write(100, b"STORED");
    drop(backing);
    assert_eq!(&text(&scratch.at("f"))[4190..4210], "xxxxxxSTOREDxxxxxxxx");
    assert_eq!(text(&scratch.at("f")).len(), 5000);
    scratch.put("f", "short");
    assert_eq!(world.read("/f"), Ok(b"short".to_vec()));
}

#[test]
fn nothing_above_a_writable_folder_can_be_reached() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.at("root")).expect("a directory");
    scratch.put("secret", "secret");
    symlink(scratch.at("secret"), scratch.at("root/absolute")).expect("a link");
    symlink("../secret", scratch.at("root/relative")).expect("a link");
    symlink("..", scratch.at("root/up")).expect("a link");
    let world = World::over(Arc::new(HostFolder::open(scratch.at("root"), Writable::Yes).expect("a folder")));
    for name in ["/absolute", "/relative", "/../secret", "/up/secret", "/up/../../secret"] {
        assert_eq!(world.read(name).err(), Some(Errno::ENOENT), "{name}");
    }
    world.write("/relative", "inside");
    world.write("/../../up/other", "inside");
    assert_eq!((world.rename("/relative", "/../stolen"), world.unlink("/up/../stolen")), (Ok(()), Ok(())));
    assert_eq!(text(&scratch.at("secret")), "secret");
    let mut names: Vec<_> =
        fs::read_dir(&scratch.0).expect("entries").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["root", "secret"]);
    assert_eq!((text(&scratch.at("root/secret")), text(&scratch.at("root/other"))), ("inside".into(), "inside".into()));
}
