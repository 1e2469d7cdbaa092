//! The command file: one page of stub code, then a page per stub on which the tracer writes what to do.
#![expect(unsafe_code, reason = "writes a mapping that other processes read")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::{self, NonNull};

use ostd_hal::PAGE_SIZE;

use super::{image, sys};

/// A system call for a stub to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) number: i64,
    pub(super) args: [usize; 6],
}

/// The file and our mapping of it. Stubs map it too, but cannot write.
pub(super) struct CommandFile {
    file: File,
    start: NonNull<u8>,
    slots: usize,
}

impl CommandFile {
    /// A file with room for `slots` stubs.
    pub(super) fn new(slots: usize) -> io::Result<Self> {
        let mut file = File::from(sys::executable_memfd(c"orrery-stub-commands")?);
        let len = (slots + 1) * PAGE_SIZE;
        file.set_len(len as u64)?;
        file.write_all(image::CODE)?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { file, start, slots })
    }

    /// The descriptor, to be handed to a stub.
    pub(super) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Where in the file the page of stub `slot` begins.
    pub(super) fn page_offset(slot: usize) -> usize {
        (slot + 1) * PAGE_SIZE
    }

    /// Writes `bytes` to the page of stub `slot`.
    ///
    /// Panics if they leave the page.
    pub(super) fn write(&self, slot: usize, offset: usize, bytes: &[u8]) {
        assert!(slot < self.slots && offset <= PAGE_SIZE && bytes.len() <= PAGE_SIZE - offset);
        // SAFETY: the range lies in the mapping, as just checked; its stub is stopped and only ever reads it.
        unsafe {
            let to = self.start.as_ptr().add(Self::page_offset(slot) + offset);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// Writes a batch to the page of stub `slot`.
    pub(super) fn write_batch(&self, slot: usize, batch: &[Command]) {
        for (at, command) in batch.iter().enumerate() {
            let mut bytes = [0; image::COMMAND_LEN];
            bytes[..8].copy_from_slice(&command.number.to_le_bytes());
            for (to, arg) in bytes[8..].chunks_exact_mut(8).zip(command.args) {
                to.copy_from_slice(&arg.to_le_bytes());
            }
            self.write(slot, at * image::COMMAND_LEN, &bytes);
        }
    }
}

impl Drop for CommandFile {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone in this process, and nothing borrows from it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), (self.slots + 1) * PAGE_SIZE) };
    }
}
