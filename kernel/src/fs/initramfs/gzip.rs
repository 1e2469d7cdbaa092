//! gzip (RFC 1952): a header, a deflate stream, a checksum and a length.

use alloc::vec;
use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus as Status;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF as TO_ONE_BUFFER;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// How a member begins: its magic and the one method there is.
pub(super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Flags of the header: what follows it.
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;
/// Where the optional parts of the header begin.
const HEADER_LEN: usize = 10;
/// Output is made room for in steps of at least this.
const STEP: usize = 64 << 10;

/// Expands the member at the start of `from` to at most `len_max` bytes. Gives them, and how long the member is.
pub(super) fn inflate(from: &[u8], len_max: usize) -> Result<(Vec<u8>, usize), &'static str> {
    let start = header_len(from).ok_or("the gzip header is cut off or unknown")?;
    let mut state = DecompressorOxide::new();
    let (mut used, mut done) = (start, 0);
    let mut into = vec![0; from.len().saturating_mul(4).max(STEP).min(len_max)];
    loop {
        let (status, read, written) = decompress(&mut state, &from[used..], &mut into, done, TO_ONE_BUFFER);
        used += read;
        done += written;
        match status {
            Status::Done => break,
            Status::HasMoreOutput if into.len() >= len_max => return Err("expands to more than the machine's memory"),
            Status::HasMoreOutput => into.resize(into.len().saturating_mul(2).min(len_max), 0),
            Status::NeedsMoreInput | Status::FailedCannotMakeProgress => return Err("the gzip stream is cut off"),
            _ => return Err("the gzip stream is corrupt"),
        }
    }
    into.truncate(done);
    let trailer = from.get(used..used + 8).ok_or("the gzip stream is cut off")?;
    let (checksum, len) = (word(&trailer[..4]), word(&trailer[4..]));
    if checksum != crc32(&into) || len != done as u32 {
        return Err("the gzip checksum is wrong");
    }
    Ok((into, used + 8))
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}

/// Bytes before the stream; `None` if they are not all there.
fn header_len(from: &[u8]) -> Option<usize> {
    let flags = *from.get(3)?;
    if !from.starts_with(&MAGIC) || flags & RESERVED != 0 || from.len() < HEADER_LEN {
        return None;
    }
    let mut at = HEADER_LEN;
    if flags & HAS_EXTRA != 0 {
        let len = from.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            at += from.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        at += 2;
    }
    (at <= from.len()).then_some(at)
}

/// The checksum of RFC 1952, a table of sixteen at a time: archives are megabytes, tables of 256 words are not code.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut at = 0;
        while at < 16 {
            let mut word = at as u32;
            let mut bit = 0;
            while bit < 4 {
                word = (word >> 1) ^ (0xedb8_8320 & (word & 1).wrapping_neg());
                bit += 1;
            }
            table[at] = word;
            at += 1;
        }
        table
    };
    let half = |crc: u32| (crc >> 4) ^ TABLE[(crc & 15) as usize];
    !bytes.iter().fold(!0, |crc, byte| half(half(crc ^ u32::from(*byte))))
}
