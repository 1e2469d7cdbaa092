use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use ostd_hal::device::{FolderError, FolderNode, SharedFolder};

use super::nodes::{Access, Identity, Nodes, OPEN_MAX, Open};
use super::{HostFolder, Writable};
use crate::scratch::Scratch;

const ENOENT: FolderError = FolderError(libc::ENOENT);
const ESTALE: FolderError = FolderError(libc::ESTALE);

fn read_only(path: &Path) -> HostFolder {
    HostFolder::open(path, Writable::No).expect("a directory")
}

fn writable(path: &Path) -> HostFolder {
    HostFolder::open(path, Writable::Yes).expect("a directory")
}

/// The node at the end of names, each of which must be there.
fn at(folder: &HostFolder, path: &str) -> FolderNode {
    path.split('/').fold(folder.root(), |dir, name| folder.lookup(dir, name.as_bytes()).expect("a file").0)
}

fn contents(folder: &HostFolder, node: FolderNode) -> Result<Vec<u8>, FolderError> {
    let mut bytes = vec![0; 64];
    let len = folder.read(node, 0, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

#[test]
fn a_file_below_the_root_is_found_described_and_read() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("d")).expect("a directory");
    fs::write(scratch.join("d/f"), "hello").expect("a file");
    fs::set_permissions(scratch.join("d/f"), Permissions::from_mode(0o640)).expect("permissions");
    let folder = read_only(&scratch);
    let dir = folder.lookup(folder.root(), b"d").expect("a directory").0;
    let (node, attributes) = folder.lookup(dir, b"f").expect("a file");
    let host = fs::metadata(scratch.join("d/f")).expect("metadata");
    assert_eq!((attributes.ino, attributes.dev, attributes.mode), (host.ino(), host.dev(), libc::S_IFREG | 0o640));
    assert_eq!((attributes.size, attributes.mtime.0), (5, host.mtime()));
    let mut bytes = [0; 4];
    assert_eq!((folder.read(node, 1, &mut bytes), &bytes), (Ok(4), b"ello"));
    assert_eq!(folder.read(node, 4, &mut bytes), Ok(1));
    assert_eq!(folder.read(node, 5, &mut bytes), Ok(0));
    assert_eq!(folder.read(node, u64::MAX, &mut bytes), Err(FolderError(libc::EINVAL)));
    assert_eq!(folder.attributes(node).expect("attributes").ino, host.ino());
}

#[test]
fn a_directory_lists_every_entry_but_the_dots() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("dir")).expect("a directory");
    fs::write(scratch.join("file"), "").expect("a file");
    symlink("file", scratch.join("link")).expect("a link");
    let folder = read_only(&scratch);
    let mut entries = folder.entries(folder.root()).expect("entries");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let lines: Vec<_> = entries.iter().map(|entry| (entry.name.as_slice(), entry.kind)).collect();
    assert_eq!(lines, [(&b"dir"[..], libc::DT_DIR), (b"file", libc::DT_REG), (b"link", libc::DT_LNK)]);
    assert_eq!(entries[1].ino, fs::metadata(scratch.join("file")).expect("metadata").ino());
    assert_eq!(folder.entries(folder.root()).expect("again").len(), 3);
}

#[test]
fn no_name_leads_out_of_the_root() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("root")).expect("a directory");
    fs::write(scratch.join("secret"), "s").expect("a file");
    symlink("..", scratch.join("root/up")).expect("a link");
    symlink("../secret", scratch.join("root/link")).expect("a link");
    let folder = read_only(&scratch.join("root"));
    for name in ["..", ".", "../secret", "up/secret", "/etc", "a\0b"] {
        assert_eq!(folder.lookup(folder.root(), name.as_bytes()).err(), Some(FolderError(libc::EINVAL)), "{name}");
    }
    assert_eq!(folder.lookup(folder.root(), b"").err(), Some(ENOENT));
    let up = at(&folder, "up");
    assert_eq!(folder.lookup(up, b"secret").err(), Some(FolderError(libc::ENOTDIR)));
    assert_eq!(folder.entries(up).err(), Some(FolderError(libc::ENOTDIR)));
    let link = at(&folder, "link");
    assert_eq!(contents(&folder, link), Err(FolderError(libc::ELOOP)));
    assert_eq!(folder.link_target(link).as_deref(), Ok(&b"../secret"[..]));
}

#[test]
fn a_directory_that_became_a_link_to_outside_is_not_walked() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.join("root/d")).expect("directories");
    fs::create_dir(scratch.join("outside")).expect("a directory");
    fs::write(scratch.join("outside/f"), "s").expect("a file");
    let folder = read_only(&scratch.join("root"));
    let dir = at(&folder, "d");
    fs::remove_dir(scratch.join("root/d")).expect("an empty directory");
    symlink("../outside", scratch.join("root/d")).expect("a link");
    assert_eq!(folder.lookup(dir, b"f").err(), Some(FolderError(libc::ENOTDIR)));
}

#[test]
fn the_hosts_kernel_shows_nothing_of_itself_below_the_root() {
    let folder = read_only(Path::new("/"));
    let proc = at(&folder, "proc");
    assert_eq!(folder.attributes(proc).expect("a directory").mode & libc::S_IFMT, libc::S_IFDIR);
    assert_eq!(folder.lookup(proc, b"self").err(), Some(ENOENT));
    assert_eq!(folder.entries(proc).expect("entries").len(), 0);
    // Whoever asks for it by name has it.
    assert!(read_only(Path::new("/proc")).lookup(FolderNode(1), b"version").is_ok());
}

#[test]
fn what_may_block_or_act_is_shown_and_never_opened() {
    let scratch = Scratch::new();
    mkfifo(&scratch.join("fifo"), Mode::S_IRWXU).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(scratch.join("socket")).expect("a socket");
    let folder = read_only(&scratch);
    for (name, format) in [("fifo", libc::S_IFIFO), ("socket", libc::S_IFSOCK)] {
        let (node, attributes) = folder.lookup(folder.root(), name.as_bytes()).expect("an entry");
        assert_eq!(attributes.mode & libc::S_IFMT, format);
        assert_eq!(contents(&folder, node), Err(FolderError(libc::ENXIO)));
    }
    let dev = read_only(Path::new("/dev"));
    let (null, attributes) = dev.lookup(dev.root(), b"null").expect("a null device");
    assert_eq!(attributes.rdev, fs::metadata("/dev/null").expect("metadata").rdev());
    assert!(fs::metadata("/dev/null").expect("metadata").file_type().is_char_device());
    assert_eq!(contents(&dev, null), Err(FolderError(libc::ENXIO)));
    assert_eq!(contents(&folder, folder.root()), Err(FolderError(libc::EISDIR)));
    assert_eq!(folder.link_target(at(&folder, "fifo")), Err(FolderError(libc::EINVAL)));
}

#[test]
fn the_same_name_is_the_same_node_until_forgotten_as_often_as_found() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("d")).expect("a directory");
    fs::write(scratch.join("d/f"), "x").expect("a file");
    let folder = read_only(&scratch);
    let dir = at(&folder, "d");
    let file = folder.lookup(dir, b"f").expect("a file").0;
    assert_eq!(folder.lookup(dir, b"f").expect("a file").0, file);
    contents(&folder, file).expect("contents");
    folder.forget(file);
    assert_eq!(contents(&folder, file).as_deref(), Ok(&b"x"[..]));
    // The directory stays for as long as something below it is known.
    folder.forget(dir);
    assert_eq!(folder.nodes.lock().counts(), (3, 3));
    folder.forget(file);
    assert_eq!(folder.nodes.lock().counts(), (1, 1));
    assert_eq!(contents(&folder, file), Err(ESTALE));
    folder.forget(file);
    folder.forget(folder.root());
    assert!(folder.attributes(folder.root()).is_ok());
}

#[test]
fn more_files_than_descriptors_are_read_again_and_again() {
    let scratch = Scratch::new();
    let count = OPEN_MAX + 40;
    for number in 0..count {
        fs::create_dir(scratch.join(format!("d{number}"))).expect("a directory");
        fs::write(scratch.join(format!("d{number}/f")), number.to_string()).expect("a file");
    }
    let folder = read_only(&scratch);
    let nodes: Vec<_> = (0..count).map(|number| at(&folder, &format!("d{number}/f"))).collect();
    for _ in 0..2 {
        for (number, &node) in nodes.iter().enumerate() {
            assert_eq!(contents(&folder, node), Ok(number.to_string().into_bytes()));
        }
        assert_eq!(folder.nodes.lock().counts(), (1 + 2 * count, 1 + OPEN_MAX));
    }
}

#[test]
fn a_file_replaced_on_the_host_is_stale_and_its_name_is_a_new_node() {
    let scratch = Scratch::new();
    fs::write(scratch.join("f"), "old").expect("a file");
    fs::write(scratch.join("new"), "new").expect("a file");
    let folder = read_only(&scratch);
    let old = at(&folder, "f");
    fs::rename(scratch.join("new"), scratch.join("f")).expect("a rename");
    assert_eq!(contents(&folder, old), Err(ESTALE));
    assert_eq!(folder.attributes(old).err(), Some(ESTALE));
    let new = at(&folder, "f");
    assert_ne!(new, old);
    assert_eq!(contents(&folder, new).as_deref(), Ok(&b"new"[..]));
    fs::remove_file(scratch.join("f")).expect("a file");
    // Open already, so it can still be read; but it has no name.
    assert_eq!(contents(&folder, new).as_deref(), Ok(&b"new"[..]));
    assert_eq!(folder.lookup(folder.root(), b"f").err(), Some(ENOENT));
    assert_eq!(folder.attributes(old).err(), Some(ENOENT));
}

#[test]
fn a_directory_moved_on_the_host_still_leads_to_its_files_while_open() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("d")).expect("a directory");
    fs::write(scratch.join("d/f"), "x").expect("a file");
    let folder = read_only(&scratch);
    let file = at(&folder, "d/f");
    fs::rename(scratch.join("d"), scratch.join("e")).expect("a rename");
    assert_eq!(contents(&folder, file).as_deref(), Ok(&b"x"[..]));
}

#[test]
fn a_read_only_folder_changes_nothing_on_the_host() {
    let scratch = Scratch::new();
    fs::write(scratch.join("f"), "x").expect("a file");
    let folder = read_only(&scratch);
    let (root, file) = (folder.root(), at(&folder, "f"));
    let refused = Some(FolderError(libc::EROFS));
    assert!(!folder.is_writable());
    assert_eq!(folder.write(file, 0, b"y").err(), refused);
    assert_eq!(folder.truncate(file, 0).err(), refused);
    assert_eq!(folder.punch(file, 0, 1).err(), refused);
    assert_eq!(folder.create(root, b"g", libc::S_IFREG).err(), refused);
    assert_eq!(folder.symlink(root, b"g", b"f").err(), refused);
    assert_eq!(folder.link(file, root, b"g").err(), refused);
    assert_eq!(folder.remove(root, b"f", false).err(), refused);
    assert_eq!(folder.rename(root, b"f", root, b"g").err(), refused);
    assert_eq!(folder.set_mode(file, 0).err(), refused);
    assert_eq!(folder.set_times(file, (0, 0), (0, 0)).err(), refused);
    assert_eq!(folder.set_owner(file, None, None).err(), refused);
    assert_eq!(contents(&folder, file).as_deref(), Ok(&b"x"[..]));
    assert_eq!(fs::read_dir(&*scratch).expect("entries").count(), 1);
}

#[test]
fn a_writable_folder_makes_files_with_exactly_the_mode_asked_for() {
    let scratch = Scratch::new();
    let folder = writable(&scratch);
    let root = folder.root();
    let (dir, attributes) = folder.create(root, b"d", libc::S_IFDIR | 0o777).expect("a directory");
    assert_eq!(attributes.mode, libc::S_IFDIR | 0o777);
    let (file, attributes) = folder.create(dir, b"f", libc::S_IFREG | 0o206).expect("a file");
    assert_eq!(attributes.mode, libc::S_IFREG | 0o206);
    assert_eq!(folder.write(file, 2, b"xyz"), Ok(3));
    assert_eq!(contents(&folder, file).as_deref(), Ok(&b"\0\0xyz"[..]));
    match folder.punch(file, 3, 1) {
        // What lies below may know of no holes.
        Err(errno) => assert_eq!(errno, FolderError(libc::EOPNOTSUPP)),
        Ok(()) => assert_eq!(contents(&folder, file).as_deref(), Ok(&b"\0\0x\0z"[..])),
    }
    assert_eq!(folder.truncate(file, 3), Ok(()));
    assert_eq!(folder.attributes(file).expect("attributes").size, 3);
    assert_eq!(folder.create(dir, b"f", libc::S_IFREG).err(), Some(FolderError(libc::EEXIST)));
    assert_eq!(folder.create(dir, b"c", libc::S_IFCHR | 0o666).err(), Some(FolderError(libc::EPERM)));
    let (fifo, attributes) = folder.create(dir, b"p", libc::S_IFIFO | 0o622).expect("a FIFO");
    assert_eq!((attributes.mode, contents(&folder, fifo)), (libc::S_IFIFO | 0o622, Err(FolderError(libc::ENXIO))));
    let (uid, gid) = (attributes.uid, attributes.gid);
    assert_eq!((folder.set_owner(fifo, Some(uid), Some(gid)), folder.set_owner(dir, None, None)), (Ok(()), Ok(())));
    // Only a real root may give files away.
    let given = folder.set_owner(file, Some(uid + 1), None);
    let owner = folder.attributes(file).expect("attributes").uid;
    assert!((given, owner) == (Ok(()), uid + 1) || (given, owner) == (Err(FolderError(libc::EPERM)), uid));
    assert_eq!(folder.create(dir, b"..", libc::S_IFDIR).err(), Some(FolderError(libc::EINVAL)));
    assert_eq!(folder.set_mode(file, 0o600), Ok(()));
    assert_eq!(folder.set_mode(dir, 0o700), Ok(()));
    assert_eq!(folder.set_times(file, (1, 2), (-3, 4)), Ok(()));
    let attributes = folder.attributes(file).expect("attributes");
    assert_eq!((attributes.mode & 0o777, attributes.atime, attributes.mtime), (0o600, (1, 2), (-3, 4)));
}

#[test]
fn links_are_made_to_files_and_to_links_themselves() {
    let scratch = Scratch::new();
    let folder = writable(&scratch);
    let root = folder.root();
    let file = folder.create(root, b"f", libc::S_IFREG | 0o600).expect("a file").0;
    let (symbolic, attributes) = folder.symlink(root, b"s", b"/nowhere").expect("a link");
    assert_eq!(attributes.mode & libc::S_IFMT, libc::S_IFLNK);
    assert_eq!(folder.link(file, root, b"hard"), Ok(()));
    assert_eq!(folder.attributes(file).expect("attributes").nlink, 2);
    assert_eq!(folder.link(symbolic, root, b"t"), Ok(()));
    assert_eq!(fs::read_link(scratch.join("t")).expect("a link"), Path::new("/nowhere"));
    assert_eq!(folder.set_times(symbolic, (5, 0), (6, 0)), Ok(()));
    assert_eq!(folder.attributes(symbolic).expect("attributes").mtime, (6, 0));
    assert_eq!(folder.set_mode(symbolic, 0o600), Err(FolderError(libc::EOPNOTSUPP)));
}

#[test]
fn a_renamed_node_keeps_its_number_and_what_is_below_it() {
    let scratch = Scratch::new();
    let folder = writable(&scratch);
    let root = folder.root();
    let from = folder.create(root, b"from", libc::S_IFDIR | 0o700).expect("a directory").0;
    let to = folder.create(root, b"to", libc::S_IFDIR | 0o700).expect("a directory").0;
    let moved = folder.create(from, b"d", libc::S_IFDIR | 0o700).expect("a directory").0;
    let file = folder.create(moved, b"f", libc::S_IFREG | 0o600).expect("a file").0;
    folder.write(file, 0, b"x").expect("space");
    assert_eq!(folder.rename(from, b"d", to, b"e"), Ok(()));
    assert_eq!(folder.lookup(to, b"e").expect("a directory").0, moved);
    assert_eq!(folder.lookup(from, b"d").err(), Some(ENOENT));
    assert_eq!(folder.lookup(moved, b"f").expect("a file").0, file);
    assert_eq!(contents(&folder, file).as_deref(), Ok(&b"x"[..]));
    [from, to, moved, moved, file, file].into_iter().for_each(|node| folder.forget(node));
    assert_eq!(folder.nodes.lock().counts(), (1, 1));
}

#[test]
fn a_removed_or_replaced_file_can_be_read_by_whoever_has_it() {
    let scratch = Scratch::new();
    fs::write(scratch.join("f"), "f").expect("a file");
    fs::write(scratch.join("g"), "g").expect("a file");
    let folder = writable(&scratch);
    let (root, f, g) = (folder.root(), at(&folder, "f"), at(&folder, "g"));
    assert_eq!(folder.rename(root, b"f", root, b"g"), Ok(()));
    assert_eq!(contents(&folder, g).as_deref(), Ok(&b"g"[..]));
    assert_eq!(folder.remove(root, b"g", true), Err(FolderError(libc::ENOTDIR)));
    assert_eq!(folder.remove(root, b"g", false), Ok(()));
    assert_eq!(contents(&folder, f).as_deref(), Ok(&b"f"[..]));
    assert_eq!(folder.attributes(f).expect("attributes").nlink, 0);
    folder.forget(f);
    folder.forget(g);
    assert_eq!(folder.nodes.lock().counts(), (1, 1));
}

#[test]
fn renaming_one_name_of_a_file_over_another_changes_nothing() {
    let scratch = Scratch::new();
    fs::write(scratch.join("a"), "x").expect("a file");
    fs::hard_link(scratch.join("a"), scratch.join("b")).expect("a link");
    let folder = writable(&scratch);
    let (a, b) = (at(&folder, "a"), at(&folder, "b"));
    assert_eq!(folder.rename(folder.root(), b"a", folder.root(), b"b"), Ok(()));
    assert_eq!((at(&folder, "a"), at(&folder, "b")), (a, b));
}

#[test]
fn the_least_recently_used_descriptor_goes_first() {
    let null = Arc::new(File::open("/dev/null").expect("a null device"));
    let open = || Open { fd: null.clone(), access: Access::Path };
    let identity = Identity::of(&nix::sys::stat::fstat(&null).expect("attributes"));
    let mut nodes = Nodes::new(null.clone(), identity);
    let ids: Vec<_> = (0..=OPEN_MAX)
        .map(|number| nodes.look_up(super::nodes::ROOT, number.to_string().as_bytes(), identity).expect("the root"))
        .collect();
    for &id in &ids[..OPEN_MAX] {
        assert!(nodes.keep(id, open()).is_empty());
    }
    assert!(nodes.open(ids[0], Access::Path).is_some());
    assert_eq!(nodes.keep(ids[OPEN_MAX], open()).len(), 1);
    assert!(nodes.open(ids[1], Access::Path).is_none());
    assert!(nodes.open(ids[0], Access::Path).is_some());
    assert!(nodes.open(ids[0], Access::Read).is_none());
}
