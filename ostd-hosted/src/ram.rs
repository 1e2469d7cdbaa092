//! The machine's memory: a mapping, backed by a memfd where an engine needs other processes to map it too.
#![expect(unsafe_code, reason = "maps the machine's memory")]

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::ptr::{self, NonNull};

/// Alignment of frame metadata, as the waist promises it.
const METADATA_ALIGN: usize = 2 << 20;
/// Mappings a thread keeps for its next machine.
const POOLED_MAX: usize = 4;

/// A mapping of zero pages that are filled in when touched.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain shared memory; who may touch which byte is decided above.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(len: usize, fd: RawFd) -> io::Result<Self> {
        let flags = if fd < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags | libc::MAP_NORESERVE, fd, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("memory was mapped at address zero"))?;
        Ok(Self { start, len })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody uses it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// A machine's RAM.
pub(crate) struct Ram {
    mapping: Option<Mapping>,
    metadata: Option<Mapping>,
    memfd: Option<OwnedFd>,
}

thread_local! {
    /// Memory of machines that are gone, by size: their frames are all free, so a new machine can have it as it is.
    static POOL: RefCell<Vec<(Mapping, Mapping)>> = const { RefCell::new(Vec::new()) };
}

impl Ram {
    /// `len` bytes for programs that run in this process only.
    pub(crate) fn private(len: usize, metadata_len: usize) -> io::Result<Self> {
        let pooled = POOL.with_borrow_mut(|pool| {
            let found = pool.iter().position(|(ram, meta)| ram.len() == len && meta.len() == metadata_len);
            found.map(|i| pool.swap_remove(i))
        });
        let (mapping, metadata) = match pooled {
            Some(pair) => pair,
            None => (Mapping::new(len, -1)?, Mapping::new(metadata_len, -1)?),
        };
        Ok(Self { mapping: Some(mapping), metadata: Some(metadata), memfd: None })
    }

    /// `len` bytes that stub processes can map.
    pub(crate) fn shared(len: usize, metadata_len: usize) -> io::Result<Self> {
        // SAFETY: the name is a C string; the call makes a descriptor or fails.
        let fd = unsafe { libc::memfd_create(c"orrery-ram".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and ours.
        let memfd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = libc::off_t::try_from(len).map_err(io::Error::other)?;
        // SAFETY: sets the size of our own file.
        if unsafe { libc::ftruncate(fd, size) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping::new(len, memfd.as_raw_fd())?;
        Ok(Self { mapping: Some(mapping), metadata: Some(Mapping::new(metadata_len, -1)?), memfd: Some(memfd) })
    }

    pub(crate) fn memfd(&self) -> Option<RawFd> {
        self.memfd.as_ref().map(|fd| fd.as_raw_fd())
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.mapping.as_ref().expect("present until dropped").start()
    }

    /// Metadata, aligned inside its mapping.
    pub(crate) fn metadata(&self, len: usize) -> NonNull<u8> {
        let metadata = self.metadata.as_ref().expect("present until dropped");
        let skip = metadata.start().as_ptr().align_offset(METADATA_ALIGN);
        assert!(skip + len <= metadata.len(), "more metadata was asked for than planned");
        // SAFETY: inside the mapping, just checked.
        unsafe { metadata.start().byte_add(skip) }
    }

    /// Bytes to map so that `len` aligned ones are among them.
    pub(crate) fn metadata_mapping_len(len: usize) -> usize {
        len + METADATA_ALIGN
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        if self.memfd.is_some() {
            return;
        }
        if let (Some(mapping), Some(metadata)) = (self.mapping.take(), self.metadata.take()) {
            // A thread that is ending has no pool any more; then the mappings just go.
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < POOLED_MAX {
                    pool.push((mapping, metadata));
                }
            });
        }
    }
}
