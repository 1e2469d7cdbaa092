//! Where devices are and how they interrupt: registers in memory with a line each, or PCI with messages.
#![expect(unsafe_code, reason = "reaches devices' registers")]

use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;

use ostd_hal::Paddr;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};
use virtio_drivers::transport::{DeviceType, InterruptStatus, SomeTransport, Transport as _};

use super::memory::Memory;
use crate::copy::window;
use crate::places::Place;
use crate::{arch, pci, serial};

/// The device follows version 1 of the specification, or a later one.
pub(super) const VERSION_1: u64 = 1 << 32;
/// Offsets in PCI's common registers: messages for changes of configuration, the queue in question, its messages.
const CONFIGURATION_MESSAGE: usize = 0x10;
const QUEUE_SELECT: usize = 0x16;
const QUEUE_MESSAGE: usize = 0x1a;
/// No message.
const NO_MESSAGE: u16 = 0xffff;
/// A PCI bus has so many devices; only the first bus is looked at, where QEMU puts them.
const FIRST_BUS: u8 = 0;

/// Where devices are below 4 GiB on PCs: behind the most memory that is there, and in front of interrupt controllers.
const LOW_MEMORY: Range<u64> = 0xc000_0000..0xfec0_0000;

/// A device before and while a driver has it.
pub(super) struct Device {
    transport: SomeTransport<'static>,
    line: u32,
    /// Where PCI's common registers are.
    common: Option<usize>,
    features: u64,
}

bitflags::bitflags! {
    /// Any features, as the transport wants them.
    #[derive(Clone, Copy, Debug)]
    struct Features: u64 {
        const ANY = !0;
    }
}

impl Device {
    /// What it is.
    pub(super) fn kind(&self) -> DeviceType {
        self.transport.device_type()
    }

    /// The line it raises.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// Resets it and agrees on those of `wanted` that it has.
    pub(super) fn begin(&mut self, wanted: u64) {
        let agreed = self.transport.begin_init(Features::from_bits_retain(wanted | VERSION_1));
        self.features = agreed.bits();
        self.write_common(CONFIGURATION_MESSAGE, NO_MESSAGE);
    }

    /// Whether `feature` was agreed on.
    pub(super) fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    /// Lets it work: its queues are there.
    pub(super) fn finish(&mut self) {
        self.transport.finish_init();
    }

    /// Has queue `index` raise the device's line.
    pub(super) fn route(&mut self, index: u16) {
        self.write_common(QUEUE_SELECT, index);
        self.write_common(QUEUE_MESSAGE, 0);
    }

    /// For making queues.
    pub(super) fn transport(&mut self) -> &mut SomeTransport<'static> {
        &mut self.transport
    }

    /// Has it look at a queue.
    pub(super) fn notify(&mut self, index: u16) {
        self.transport.notify(index);
    }

    /// Lets its line go down; messages need no answer.
    pub(super) fn heard(&mut self) {
        if self.common.is_none() {
            let _: InterruptStatus = self.transport.ack_interrupt();
        }
    }

    /// The byte at `offset` of its own configuration; zero if there is none.
    pub(super) fn configuration(&self, offset: usize) -> u8 {
        self.transport.read_config_space(offset).unwrap_or_default()
    }

    /// The word of four bytes at `offset` of its own configuration.
    pub(super) fn configuration_word(&self, offset: usize) -> u32 {
        self.transport.read_config_space(offset).unwrap_or_default()
    }

    fn write_common(&mut self, register: usize, value: u16) {
        if let Some(common) = self.common {
            // SAFETY: the device's common registers, as its configuration space says; these route interrupts.
            unsafe { ((common + register) as *mut u16).write_volatile(value) };
        }
    }
}

/// Every virtio device there is.
pub(super) fn all(places: &[Place]) -> Vec<Device> {
    let mut devices: Vec<Device> = places.iter().filter_map(in_memory).collect();
    if arch::has_pci() {
        on_pci(&mut devices);
    }
    devices
}

fn in_memory(place: &Place) -> Option<Device> {
    if place.at.checked_add(place.len)? > arch::DEVICE_MAP_LEN || place.line >= arch::LINES_OF_PINS {
        return None;
    }
    let header = NonNull::new(window(Paddr::new(place.at)).cast::<VirtIOHeader>())?;
    // SAFETY: the window covers it for ever; the loader says that it is a device, and its first word is looked at.
    let transport = unsafe { MmioTransport::new(header, place.len) }.ok()?;
    Some(Device { transport: transport.into(), line: place.line, common: None, features: 0 })
}

/// PCI's configuration space, by ports.
struct Ports;

fn address(function: DeviceFunction, register: u8) -> u32 {
    let function = u32::from(function.bus) << 16 | u32::from(function.device) << 11 | u32::from(function.function) << 8;
    1 << 31 | function | u32::from(register & !3)
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        arch::pci_read(address(function, register))
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        arch::pci_write(address(function, register), data);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

fn on_pci(devices: &mut Vec<Device>) {
    let mut root = PciRoot::new(Ports);
    let functions = root.enumerate_bus(FIRST_BUS).filter(|(_, found)| virtio_device_type(found).is_some());
    let functions: Vec<_> = functions.map(|(function, _)| function).collect();
    bring_within_reach(&mut root, &functions);
    for (line, function) in (arch::LINES_OF_PINS..arch::LINES_MAX).zip(functions) {
        match used_on_pci(&mut root, function, line) {
            Some(device) => devices.push(device),
            None => serial::write(b"orrery: a virtio device on PCI has no messages, or registers out of reach\n"),
        }
    }
}

/// Memory of the first bus: each function, which of its base addresses, where, how long.
fn regions(root: &mut PciRoot<Ports>) -> Vec<(DeviceFunction, u8, u64, u64)> {
    let functions: Vec<_> = root.enumerate_bus(FIRST_BUS).map(|(function, _)| function).collect();
    let mut regions = Vec::new();
    for function in functions {
        let Ok(bars) = root.bars(function) else { continue };
        for (bar, info) in (0..).zip(bars) {
            if let Some((at, len)) = info.and_then(|info| info.memory_address_size()) {
                regions.push((function, bar, at, len));
            }
        }
    }
    regions
}

/// Where there is memory above 4 GiB, firmware puts devices far behind it. Those of `functions` that the window does not
/// cover are moved in front of the lowest one below 4 GiB.
fn bring_within_reach(root: &mut PciRoot<Ports>, functions: &[DeviceFunction]) {
    let regions = regions(root);
    let lows = regions.iter().map(|(_, _, at, _)| *at).filter(|at| LOW_MEMORY.contains(at));
    let mut lowest = lows.min().unwrap_or(LOW_MEMORY.end);
    for (function, bar, at, len) in regions {
        if !functions.contains(&function) || at.saturating_add(len) <= arch::DIRECT_MAP_LEN as u64 {
            continue;
        }
        // Lengths are powers of two, and addresses their multiples.
        let place = lowest.saturating_sub(len) & !(len - 1);
        if !LOW_MEMORY.contains(&place) {
            return;
        }
        let (_, command) = root.get_status_command(function);
        root.set_command(function, command - Command::MEMORY_SPACE);
        root.set_bar_64(function, bar, place);
        lowest = place;
    }
}

/// A device of PCI that interrupts by messages; nothing if it cannot, or its registers are out of reach.
fn used_on_pci(root: &mut PciRoot<Ports>, function: DeviceFunction, line: u32) -> Option<Device> {
    let read = |register| Ports.read_word(function, register);
    let reachable = |region| {
        let at = usize::try_from(pci::address(&read, region)?).ok()?;
        (at.checked_add(1 << 20)? <= arch::DEVICE_MAP_LEN).then(|| window(Paddr::new(at)) as usize)
    };
    let messages = pci::messages(&read)?;
    let common = reachable(pci::common_registers(&read)?)?;
    let table = reachable(messages.table)?;
    root.set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE);
    let transport = PciTransport::new::<Memory, _>(root, function).ok()?;
    let (at, data) = arch::message(line)?;
    for (word, value) in [at as u32, (at >> 32) as u32, data, 0].into_iter().enumerate() {
        // SAFETY: the first line of the device's table of messages, as its configuration space says.
        unsafe { ((table + 4 * word) as *mut u32).write_volatile(value) };
    }
    let control = read(messages.capability) & !pci::MESSAGES_MASKED | pci::MESSAGES_ON;
    Ports.write_word(function, messages.capability, control);
    Some(Device { transport: transport.into(), line, common: Some(common), features: 0 })
}
