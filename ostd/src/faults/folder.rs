//! A shared folder that fails when its machine's plan says so.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd_hal::device::{FolderAttributes, FolderEntry, FolderError, FolderNode, SharedFolder};

use super::FaultKind;
use crate::Machine;

/// EIO.
const BROKEN: FolderError = FolderError(5);

/// A folder between a kernel and the true one. Whatever asks for something may be refused with EIO; a read comes to no more
/// bytes than the plan lets a failing copy have, if that is more than none. It cannot be written to.
pub struct UnreliableFolder {
    machine: Machine,
    folder: Arc<dyn SharedFolder>,
}

impl UnreliableFolder {
    /// `folder`, as the plan of `machine` spoils it.
    pub fn new(machine: &Machine, folder: Arc<dyn SharedFolder>) -> Self {
        Self { machine: machine.clone(), folder }
    }

    #[track_caller]
    fn may_fail(&self) -> Result<(), FolderError> {
        if self.machine.faults().strikes(FaultKind::Folder) { Err(BROKEN) } else { Ok(()) }
    }
}

impl SharedFolder for UnreliableFolder {
    fn root(&self) -> FolderNode {
        self.folder.root()
    }

    fn lookup(&self, dir: FolderNode, name: &[u8]) -> Result<(FolderNode, FolderAttributes), FolderError> {
        self.may_fail()?;
        self.folder.lookup(dir, name)
    }

    fn attributes(&self, node: FolderNode) -> Result<FolderAttributes, FolderError> {
        self.may_fail()?;
        self.folder.attributes(node)
    }

    fn read(&self, node: FolderNode, offset: u64, into: &mut [u8]) -> Result<usize, FolderError> {
        let Err(broken) = self.may_fail() else { return self.folder.read(node, offset, into) };
        let len = self.machine.faults().plan.copied.min(into.len());
        if len == 0 { Err(broken) } else { self.folder.read(node, offset, &mut into[..len]) }
    }

    fn entries(&self, dir: FolderNode) -> Result<Vec<FolderEntry>, FolderError> {
        self.may_fail()?;
        self.folder.entries(dir)
    }

    fn link_target(&self, node: FolderNode) -> Result<Vec<u8>, FolderError> {
        self.may_fail()?;
        self.folder.link_target(node)
    }

    fn forget(&self, node: FolderNode) {
        self.folder.forget(node);
    }

    fn held(&self) -> usize {
        self.folder.held()
    }
}
