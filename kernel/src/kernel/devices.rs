//! What the machine carries besides its standard streams, as nodes of `/dev`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::Machine;
use ostd::device::Devices;

use crate::driver::Disk;
use crate::error::Result;
use crate::fs::dev::{self, DeviceTable, Node};
use crate::fs::stream::StreamFile;
use crate::tty::{Console, TtyFile};
use crate::vfs::FileKind;

/// Linux gives virtio disks the first major number that is free, most often this one.
const DISK_MAJOR: u32 = 254;
/// Minor numbers of a disk: itself, and parts that nobody makes here.
const DISK_MINORS: u32 = 16;
/// More disks than letters are not shown; nor more consoles.
const DISKS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const CONSOLE_MAJOR: u32 = 229;
const CONSOLES: &[u8] = b"01234567";
const GENERATOR: (u32, u32) = (10, 183);

/// Adds what opens the devices to `table`; returns their nodes, and the terminals among them, which have tasks to end.
pub(super) fn add(machine: &Machine, devices: &Devices, table: &DeviceTable) -> Result<(Vec<Node>, Vec<Arc<Console>>)> {
    let mut nodes = Vec::new();
    let mut consoles = Vec::new();
    for ((letter, number), device) in DISKS.iter().zip(0..).zip(&devices.disks) {
        let number = (DISK_MAJOR, number * DISK_MINORS);
        let disk = Arc::new(Disk::new(machine, Arc::clone(device)));
        table.add_block(number, Box::new(move |_| Ok(dev::open_disk(&disk, number))));
        nodes.push(Node { name: [b"vd".as_slice(), &[*letter]].concat(), kind: FileKind::Block, number, mode: 0o660 });
    }
    for ((digit, minor), channel) in CONSOLES.iter().zip(0..).zip(&devices.consoles) {
        let number = (CONSOLE_MAJOR, minor);
        let console = Console::new(machine, Arc::clone(channel))?;
        consoles.push(Arc::clone(&console));
        table.add(number, Box::new(move |_| Ok(TtyFile::of(&console))));
        nodes.push(Node { name: [b"hvc".as_slice(), &[*digit]].concat(), kind: FileKind::Char, number, mode: 0o600 });
    }
    if let Some(generator) = devices.generators.first() {
        let file = StreamFile::of(machine, Arc::clone(generator));
        table.add(GENERATOR, Box::new(move |_| Ok(Arc::clone(&file))));
        nodes.push(Node { name: b"hwrng".to_vec(), kind: FileKind::Char, number: GENERATOR, mode: 0o600 });
    }
    Ok((nodes, consoles))
}
