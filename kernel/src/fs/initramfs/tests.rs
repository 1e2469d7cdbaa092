//! Archives as they come, and as nobody should make them.

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use ostd::hosted::{Hosted, HostedConfig};
use ostd::{Machine, MachineConfig};

use super::Archive;
use crate::fs::memory::MemoryFs;
use crate::vfs::{Block, FileKind, FileSystem as _, Quota, SliceSink};

/// More than any archive here expands to.
const PLENTY: usize = 1 << 20;

/// A member: mode, inode number, links, name, contents.
fn member(mode: u32, ino: u32, nlink: u32, name: &str, data: &[u8]) -> Vec<u8> {
    let words = [ino, mode, 1, 2, nlink, 99, data.len() as u32, 8, 1, 1, 3, name.len() as u32 + 1, 0];
    let mut bytes = b"070701".to_vec();
    for word in words {
        bytes.extend_from_slice(format!("{word:08x}").as_bytes());
    }
    for part in [&[name.as_bytes(), b"\0"].concat(), data] {
        bytes.extend_from_slice(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), member(0, 0, 1, "TRAILER!!!", b"")].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let stream = miniz_oxide::deflate::compress_to_vec(bytes, 6);
    let header = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, b'n', 0];
    [&header[..], &stream, &(!crc).to_le_bytes(), &(bytes.len() as u32).to_le_bytes()].concat()
}

fn refusal(bytes: Vec<u8>) -> String {
    Archive::read(bytes, PLENTY).err().expect("refused").to_string()
}

/// What is found at a path: kind, permission bits, links and contents.
type Found = (FileKind, u32, u32, Vec<u8>);

fn found(bytes: Vec<u8>, paths: &[&str]) -> Vec<Option<Found>> {
    let machine =
        Machine::new(Hosted::new(&HostedConfig::default()).expect("the host has memory"), MachineConfig::default());
    let tree = MemoryFs::new(&machine, &Quota::new(1000), 1, 0o755);
    Archive::read(bytes, PLENTY).expect("sound").unpack(&tree.root()).expect("memory");
    let look = |path: &&str| {
        let mut steps = path.split('/');
        let inode = steps.try_fold(tree.root(), |above, name| above.lookup(name.as_bytes())).ok()?;
        let attributes = inode.attributes().expect("attributes");
        let mut contents = vec![0; attributes.size as usize];
        match attributes.kind {
            FileKind::Regular => {
                let file = inode.open(kernel_abi::flags::OpenFlags::O_RDONLY).expect("opens");
                let read = file.read(&mut SliceSink::new(&mut contents), Some(0), Block::Wait);
                assert_eq!(read, Ok(contents.len()));
            }
            FileKind::Symlink => contents = inode.read_link().expect("a link"),
            _ => contents.clear(),
        }
        Some((attributes.kind, attributes.mode, attributes.nlink, contents))
    };
    paths.iter().map(look).collect()
}

#[test]
fn files_directories_links_and_devices_come_out_as_they_went_in() {
    let bytes = archive(&[
        member(0o040_700, 1, 2, ".", b""),
        member(0o040_750, 2, 2, "bin", b""),
        member(0o104_711, 3, 1, "bin/su", b"#!"),
        member(0o100_644, 4, 2, "one", b""),
        member(0o100_644, 4, 2, "./two", b"both"),
        member(0o120_777, 5, 1, "link", b"bin/su"),
        member(0o020_666, 6, 1, "deep/er/null", b""),
        member(0o010_600, 7, 1, "pipe", b""),
    ]);
    let paths = ["bin", "bin/su", "one", "two", "link", "deep/er/null", "pipe", "TRAILER!!!"];
    let expected = vec![
        Some((FileKind::Directory, 0o750, 2, vec![])),
        Some((FileKind::Regular, 0o4711, 1, b"#!".to_vec())),
        Some((FileKind::Regular, 0o644, 2, b"both".to_vec())),
        Some((FileKind::Regular, 0o644, 2, b"both".to_vec())),
        Some((FileKind::Symlink, 0o777, 1, b"bin/su".to_vec())),
        Some((FileKind::Char, 0o666, 1, vec![])),
        Some((FileKind::Fifo, 0o600, 1, vec![])),
        None,
    ];
    assert_eq!(found(bytes.clone(), &paths), expected);
    assert_eq!(found(gzip(&bytes), &paths), expected);
}

#[test]
fn archives_may_follow_one_another_and_a_later_file_replaces_an_earlier() {
    let first = archive(&[member(0o100_600, 1, 2, "a", b"first"), member(0o100_600, 2, 1, "b", b"b")]);
    let second = archive(&[member(0o100_644, 1, 2, "c", b"second"), member(0o100_644, 2, 1, "b", b"new")]);
    let bytes = [&first, &[0; 512][..], &gzip(&second), &[0; 3]].concat();
    let expected = [(0o600, b"first".as_slice()), (0o644, b"new"), (0o644, b"second")]
        .map(|(mode, data)| Some((FileKind::Regular, mode, 1, data.to_vec())));
    assert_eq!(found(bytes, &["a", "b", "c"]), expected);
}

#[test]
fn what_is_no_archive_is_refused() {
    assert_eq!(refusal(vec![]), "byte 0: empty");
    assert_eq!(refusal(vec![0; 512]), "byte 0: empty");
    assert!(refusal(b"root:x:0:0:root:/root:/bin/bash\n".repeat(9)).contains("no cpio header"));
    assert!(refusal(b"\x7fELF".to_vec()).contains("cut off"));
    assert!(refusal(archive(&[]).iter().chain(b"more than one, but what?").copied().collect()).contains("byte 124"));
}

#[test]
fn names_that_lead_out_or_through_files_are_refused() {
    let one = |mode: u32, name: &str| refusal(archive(&[member(mode, 1, 1, name, b"")]));
    for name in ["../x", "a/../b", "..", "/etc/passwd", "", &"x".repeat(256), &"x/".repeat(2048)] {
        let told = one(0o100_644, name);
        assert!(told.contains("name"), "{name}: {told}");
    }
    let link = member(0o120_777, 1, 1, "out", b"/etc");
    for way in ["out/passwd", "out/a/b"] {
        let bytes = archive(&[link.clone(), member(0o100_644, 2, 1, way, b"x")]);
        assert!(refusal(bytes).contains("through a file"));
    }
    let both = |first, second| refusal(archive(&[member(first, 1, 1, "a/b", b""), member(second, 2, 1, "a/b", b"")]));
    assert!(both(0o040_755, 0o100_644).contains("both") && both(0o100_644, 0o040_755).contains("both"));
    assert!(one(0o100_644, ".").contains("both"));
    assert!(one(0o030_644, "x").contains("kind") && one(0, "x").contains("kind"));
    assert!(one(0o120_777, "x").contains("nowhere"));
}

#[test]
fn every_cut_and_every_changed_byte_of_a_header_ends_in_an_answer() {
    let bytes = archive(&[member(0o100_644, 1, 1, "file", b"contents"), member(0o040_755, 2, 2, "dir", b"")]);
    let whole = bytes.len() - 124 + 110 + "TRAILER!!!".len() + 1;
    for len in 0..whole {
        assert!(Archive::read(bytes[..len].to_vec(), PLENTY).is_err(), "cut to {len}");
    }
    assert!(Archive::read(bytes[..whole].to_vec(), PLENTY).is_ok());
    let packed = gzip(&bytes);
    for len in 0..packed.len() {
        assert!(Archive::read(packed[..len].to_vec(), PLENTY).is_err(), "cut to {len}");
    }
    for at in 0..110 {
        for value in [0, b'0', b'7', b'f', b'g', 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            // Sound or not, an answer; sizes of up to 4 GiB must not be believed.
            drop(Archive::read(changed, PLENTY));
        }
    }
    for at in 0..packed.len() {
        let mut changed = packed.clone();
        changed[at] ^= 0x10;
        drop(Archive::read(changed, PLENTY));
    }
}

#[test]
fn checksums_are_checked_where_there_are_any() {
    let mut bytes = archive(&[member(0o100_644, 1, 1, "f", b"\x01\x02")]);
    bytes[5] = b'2';
    assert!(refusal(bytes.clone()).contains("checksum"));
    bytes[102..110].copy_from_slice(b"00000003");
    assert!(Archive::read(bytes, PLENTY).is_ok());
    let mut packed = gzip(&archive(&[]));
    let at = packed.len() - 8;
    packed[at] ^= 1;
    assert!(refusal(packed).contains("checksum"));
}

#[test]
fn a_bomb_is_refused_before_it_is_large() {
    let bomb = gzip(&vec![0; 2 * PLENTY]);
    assert!(refusal(bomb).contains("more than the machine's memory"));
}
