//! What the loader tells: PVH's start information, read through the window on physical memory.
#![expect(unsafe_code, reason = "reads what the loader left in memory")]

use core::ops::Range;
use core::slice;

use alloc::vec::Vec;

use super::entry::{DEVICE_MAP_LEN, DIRECT_MAP};
use super::smp;
use crate::information::Information;
use crate::places;
use crate::pvh::{self, StartInfo};

/// The longest command line that is read.
const COMMAND_LINE_MAX: usize = 64 << 10;
/// The longest memory map that is read.
const MEMORY_LINES_MAX: u32 = 4096;
/// Left alone: the firmware's, and where other CPUs begin.
const RAM_START: u64 = 1 << 20;
/// Devices, and a window without a cache.
const DEVICES: Range<u64> = 3 << 30..4 << 30;

/// Bytes of physical memory; shorter at the end of what is mapped.
fn bytes(at: u64, len: usize) -> &'static [u8] {
    let at = (at as usize).min(DEVICE_MAP_LEN);
    // SAFETY: inside the window. What the loader wrote is read here, before anything else is put in memory, or lies in
    // ranges that `Information` keeps out of use.
    unsafe { slice::from_raw_parts((DIRECT_MAP + at) as *const u8, len.min(DEVICE_MAP_LEN - at)) }
}

/// Reads it; `at` is what the entry was given.
pub(crate) fn information(at: usize) -> Option<Information> {
    let info = StartInfo::read(bytes(at as u64, pvh::START_INFO_LEN))?;
    let line = |at: u64, index: u32, len: usize| bytes(at.saturating_add(u64::from(index) * len as u64), len);
    if info.memory_lines > MEMORY_LINES_MAX {
        return None;
    }
    let ram: Vec<Range<usize>> = (0..info.memory_lines)
        .filter_map(|index| pvh::ram_of(line(info.memory_at, index, pvh::MEMORY_LINE_LEN)))
        .flat_map(|range| {
            let below = range.start.max(RAM_START)..range.end.min(DEVICES.start);
            [below, range.start.max(DEVICES.end)..range.end]
        })
        .map(|range| range.start as usize..range.end as usize)
        .filter(|range| !range.is_empty())
        .collect();
    let archive = (info.modules > 0).then(|| pvh::module_of(line(info.modules_at, 0, 32))).flatten();
    let archive = archive.map(|range| range.start as usize..range.end as usize);
    let text = bytes(info.command_line_at, if info.command_line_at == 0 { 0 } else { COMMAND_LINE_MAX });
    let len = text.iter().position(|byte| *byte == 0).unwrap_or(0);
    let command_line = text[..len].to_vec();
    let places = places::of_command_line(&command_line);
    let processors = smp::processors(info.firmware_at, bytes);
    Some(Information { ram, reserved: Vec::new(), processors, archive, command_line, places, seed: None })
}
