//! What a loader and the firmware tell an image, whatever the architecture.

use core::ops::Range;

use alloc::vec::Vec;

use crate::places::Place;
use crate::random::Seed;

/// Memory, processors, the initial file system, the command line.
#[derive(Clone, Debug)]
pub(crate) struct Information {
    /// Free memory, the image not taken off.
    pub(crate) ram: Vec<Range<usize>>,
    /// What of it is somebody else's: the firmware's, a device's.
    pub(crate) reserved: Vec<Range<usize>>,
    /// The hardware's numbers of the processors, the running one among them.
    pub(crate) processors: Vec<usize>,
    /// Where the archive of the initial file system lies.
    pub(crate) archive: Option<Range<usize>>,
    /// The words for the kernel.
    pub(crate) command_line: Vec<u8>,
    /// Where virtio devices are, besides those on PCI.
    pub(crate) places: Vec<Place>,
    /// Bytes that nobody else knows.
    pub(crate) seed: Option<Seed>,
}
