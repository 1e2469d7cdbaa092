//! Copies to and from user memory, through the waist.
#![expect(unsafe_code, reason = "hands pointers of borrowed slices and frames to the waist")]

use core::panic::Location;

use ostd_hal::{Hal, SafePoint, Vaddr};

pub use ostd_hal::hal::CopyFault;

use crate::check::Culprit;
use crate::cpu::CurrentCpu;
use crate::frame::Frame;
use crate::user::PageFault;
use crate::vm::VmSpace;

/// Each copy says how far it came when an access is refused; what was copied stays copied. A kernel handles the fault
/// and goes on, or tells the program.
impl VmSpace {
    /// Copies user memory into a slice.
    #[track_caller]
    pub fn read(&self, from: Vaddr, into: &mut [u8]) -> Result<(), CopyFault> {
        self.about_to_copy();
        // SAFETY: the slice is ours, exclusively, and user code cannot reach it.
        unsafe { self.core().backend.user_read(self.root(), from, into.as_mut_ptr(), into.len()) }
    }

    /// Copies a slice to user memory.
    #[track_caller]
    pub fn write(&self, to: Vaddr, from: &[u8]) -> Result<(), CopyFault> {
        self.about_to_copy();
        // SAFETY: the slice is borrowed for the call.
        unsafe { self.core().backend.user_write(self.root(), to, from.as_ptr(), from.len()) }
    }

    /// Copies user memory into a frame, at `offset`.
    ///
    /// Panics if the range leaves the frame.
    #[track_caller]
    pub fn read_into_frame(&self, from: Vaddr, frame: &Frame, offset: usize, len: usize) -> Result<(), CopyFault> {
        self.about_to_copy();
        let into = frame.window(offset, len);
        // SAFETY: the window is inside the counted frame. Users may reach the frame too; the waist's copies are racy
        // by contract, and no reference to the bytes exists.
        unsafe { self.core().backend.user_read(self.root(), from, into, len) }
    }

    /// Copies from a frame, at `offset`, to user memory.
    ///
    /// Panics if the range leaves the frame.
    #[track_caller]
    pub fn write_from_frame(&self, to: Vaddr, frame: &Frame, offset: usize, len: usize) -> Result<(), CopyFault> {
        self.about_to_copy();
        let from = frame.window(offset, len);
        // SAFETY: as in `read_into_frame`.
        unsafe { self.core().backend.user_write(self.root(), to, from, len) }
    }

    /// Sets user memory.
    #[track_caller]
    pub fn fill(&self, to: Vaddr, byte: u8, len: usize) -> Result<(), CopyFault> {
        self.about_to_copy();
        self.core().backend.user_fill(self.root(), to, byte, len)
    }

    /// Reads an aligned 32-bit word of user memory, atomically.
    ///
    /// Panics if `at` is not aligned.
    #[track_caller]
    pub fn load32(&self, at: Vaddr) -> Result<u32, PageFault> {
        assert!(at.as_usize().is_multiple_of(4), "{at} is not aligned");
        self.about_to_copy();
        self.core().backend.user_load32(self.root(), at)
    }

    /// Compares an aligned 32-bit word of user memory with `old` and, if equal, replaces it, atomically. Returns what
    /// was there.
    ///
    /// Panics if `at` is not aligned.
    #[track_caller]
    pub fn cmpxchg32(&self, at: Vaddr, old: u32, new: u32) -> Result<u32, PageFault> {
        assert!(at.as_usize().is_multiple_of(4), "{at} is not aligned");
        self.about_to_copy();
        self.core().backend.user_cmpxchg32(self.root(), at, old, new)
    }

    #[track_caller]
    fn about_to_copy(&self) {
        CurrentCpu::safe_point(SafePoint::UserCopy);
        if self.core().checks_now()
            && let Some(why) = CurrentCpu::atomic_context()
        {
            panic!("user memory was copied {why}, at {}, {Culprit}", Location::caller());
        }
    }
}
