//! What the loader tells: a flattened device tree, read through the window on physical memory.
#![expect(unsafe_code, reason = "reads what the loader left in memory")]

use alloc::vec::Vec;

use fdt::Fdt;

use super::entry::DIRECT_MAP;
use super::time;
use crate::information::Information;
use crate::places;

/// Reads it, and starts the clock, whose speed it knows; `at` is what the entry was given.
pub(crate) fn information(at: usize) -> Option<Information> {
    // SAFETY: the firmware hands over a device tree in RAM, which nothing has been written to yet.
    let tree = unsafe { Fdt::from_ptr((DIRECT_MAP + at) as *const u8) }.ok()?;
    let memory = tree.memory();
    let ram = memory.regions().filter_map(|region| {
        let start = region.starting_address as usize;
        Some(start..start + region.size?)
    });
    let ram: Vec<_> = ram.collect();
    // What the tree lists, and what it has nodes for.
    let listed = tree.memory_reservations().map(|part| (part.address() as usize, part.size()));
    let nodes = tree.find_node("/reserved-memory").into_iter().flat_map(|node| node.children());
    let described = nodes.filter_map(|node| node.reg()).flatten();
    let described = described.filter_map(|region| Some((region.starting_address as usize, region.size?)));
    let reserved = listed.chain(described).map(|(start, len)| start..start.saturating_add(len)).collect();
    let chosen = tree.find_node("/chosen");
    let number = |name| chosen.and_then(|node| node.property(name)?.as_usize());
    let archive = number("linux,initrd-start").zip(number("linux,initrd-end")).map(|(start, end)| start..end);
    let seed = chosen.and_then(|node| node.property("rng-seed")?.value.first_chunk().copied());
    let usable = |status: Option<fdt::node::NodeProperty<'_>>| {
        status.and_then(|status| status.as_str()).is_none_or(|status| status == "okay")
    };
    let processors = tree.cpus().filter(|cpu| usable(cpu.property("status"))).map(|cpu| cpu.ids().first()).collect();
    let frequency = tree.find_node("/cpus").and_then(|node| node.property("timebase-frequency")?.as_usize());
    time::start(frequency? as u64);
    let command_line = tree.chosen().bootargs().unwrap_or_default().as_bytes().to_vec();
    let places = places::of_tree(&tree);
    Some(Information { ram, reserved, processors, archive, command_line, places, seed })
}
