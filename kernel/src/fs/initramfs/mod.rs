//! Initramfs: an archive, given to the machine as it boots, that becomes the root file system.
//!
//! [`Archive::read`] checks all of it before anything is made, so that a truncated or hostile archive is one
//! [`Broken`] with its place, and unpacking one that was read fails only for want of memory. Understood is what Linux
//! understands: cpio in the newc format, with or without checksums, several one behind the other, each of them plain
//! or compressed by gzip. Unlike Linux, names that lead out (`..`, or from the top) are refused, and so is a file
//! behind a symbolic link of the archive.

mod archive;
mod cpio;
mod gzip;
#[cfg(test)]
mod tests;
mod unpack;

pub use archive::{Archive, Broken};
