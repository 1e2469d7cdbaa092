//! Virtio devices: disks, consoles, networks, random numbers.
//!
//! - [`bus`]: finds them, by the loader's words or on PCI, and gives each a [`Device`](bus::Device) and a line.
//! - [`ring`]: a queue whose buffers are the device's while they are in it. What is unsafe about devices is there, in
//!   `bus` and in `memory`; the drivers are safe code.
//!
//! A device's state is behind a lock that keeps interrupts away. Order: `RAISED`, the pool of random numbers, a device,
//! the heap.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd_hal::device::Devices;
use virtio_drivers::transport::DeviceType;

use crate::lock::Lock;
use crate::places::Place;
use crate::{arch, random};

mod bus;
mod console;
mod disk;
mod memory;
mod network;
mod ring;
mod rng;

pub(crate) use rng::Generator;

/// A device that keeps its line up until it is told that it was heard.
trait Raises: Send + Sync {
    /// Lets the line go down. Called with interrupts kept away.
    fn heard(&self);
}

/// Who keeps which line up; found out once at boot.
static RAISED: Lock<Vec<(u32, Arc<dyn Raises>)>> = Lock::new(Vec::new());

/// A device has raised `line`. Called with interrupts kept away.
pub(crate) fn raised(line: u32) {
    for (_, device) in RAISED.lock().iter().filter(|(other, _)| *other == line) {
        device.heard();
    }
}

/// Begins to use every device there is, and lets them interrupt. Called once, when there is a heap.
pub(crate) fn start(places: &[Place]) -> Devices {
    let mut devices = Devices::default();
    for device in bus::all(places) {
        let line = device.line();
        let kept: Option<Arc<dyn Raises>> =
            match device.kind() {
                DeviceType::Block => disk::Disk::start(device).map(|disk| kept(disk, &mut devices.disks, |disk| disk)),
                DeviceType::Console => console::Console::start(device)
                    .map(|console| kept(console, &mut devices.consoles, |console| console)),
                DeviceType::Network => network::Network::start(device)
                    .map(|network| kept(network, &mut devices.networks, |network| network)),
                DeviceType::EntropySource => Generator::start(device).map(|generator| {
                    random::add(&generator);
                    kept(generator, &mut devices.generators, |generator| generator)
                }),
                _ => None,
            };
        if let Some(device) = kept {
            RAISED.lock().push((line, device));
            arch::line_enable(line);
        }
    }
    devices
}

/// Puts a device where the kernel finds it, and returns it as what its line needs.
fn kept<D: Raises + 'static, T: ?Sized>(
    device: D,
    list: &mut Vec<Arc<T>>,
    as_kind: fn(Arc<D>) -> Arc<T>,
) -> Arc<dyn Raises> {
    let device = Arc::new(device);
    list.push(as_kind(Arc::clone(&device)));
    device
}
