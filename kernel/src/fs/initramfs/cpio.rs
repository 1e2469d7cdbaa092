//! cpio's newc format: a header of hexadecimal words, a name, contents; names and contents are padded to four bytes.

use core::ops::Range;

/// Bytes of a header: six of magic, thirteen words of eight digits.
const HEADER_LEN: usize = 6 + 13 * 8;
/// The formats that are read, and the second one's check of contents.
const NEWC: &[u8] = b"070701";
const NEWC_CHECKED: &[u8] = b"070702";
/// The name that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// A file of an archive; ranges are of the bytes it was read from.
pub(super) struct Header {
    pub(super) ino: u32,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) mtime: u32,
    pub(super) dev: (u32, u32),
    pub(super) rdev: (u32, u32),
    pub(super) name: Range<usize>,
    pub(super) data: Range<usize>,
}

/// Whether an archive may begin so.
pub(super) fn is_start(bytes: &[u8]) -> bool {
    bytes.starts_with(NEWC) || bytes.starts_with(NEWC_CHECKED)
}

/// The file at `at` and where the next one begins, or only that behind the archive's last. `start` is where the
/// archive begins: padding counts from there.
pub(super) fn read(bytes: &[u8], start: usize, at: usize) -> Result<(Option<Header>, usize), &'static str> {
    let header = bytes.get(at..).and_then(|rest| rest.get(..HEADER_LEN)).ok_or("the archive is cut off")?;
    if !is_start(header) {
        return Err("no cpio header (newc)");
    }
    let mut words = [0; 13];
    for (word, digits) in words.iter_mut().zip(header[6..].chunks_exact(8)) {
        *word = hexadecimal(digits).ok_or("the header is not hexadecimal")?;
    }
    let [ino, mode, uid, gid, nlink, mtime, len, dev_major, dev_minor, rdev_major, rdev_minor, name_len, check] = words;
    let name = part(bytes, at + HEADER_LEN, name_len).ok_or("the name ends behind the archive")?;
    let data_at = padded(start, name.end).ok_or("the archive is cut off")?;
    let data = part(bytes, data_at, len).ok_or("the contents end behind the archive")?;
    // What follows the last file's contents may be missing.
    let next = padded(start, data.end).ok_or("the archive is cut off")?.min(bytes.len());
    let Some((0, text)) = bytes[name.clone()].split_last() else { return Err("the name does not end") };
    if text.contains(&0) {
        return Err("the name has a zero in it");
    }
    if text == TRAILER {
        return Ok((None, next));
    }
    let sum = |data: &[u8]| data.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    if header.starts_with(NEWC_CHECKED) && check != sum(&bytes[data.clone()]) {
        return Err("the checksum of the contents is wrong");
    }
    let (dev, rdev) = ((dev_major, dev_minor), (rdev_major, rdev_minor));
    let name = name.start..name.end - 1;
    Ok((Some(Header { ino, mode, uid, gid, nlink, mtime, dev, rdev, name, data }), next))
}

fn part(bytes: &[u8], at: usize, len: u32) -> Option<Range<usize>> {
    if len == 0 {
        // Even where the padding before it is missing.
        return Some(at.min(bytes.len())..at.min(bytes.len()));
    }
    let end = at.checked_add(usize::try_from(len).ok()?)?;
    (end <= bytes.len()).then_some(at..end)
}

fn padded(start: usize, at: usize) -> Option<usize> {
    Some(start + (at - start).checked_next_multiple_of(4)?)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |word, digit| Some((word << 4) | char::from(*digit).to_digit(16)?))
}
