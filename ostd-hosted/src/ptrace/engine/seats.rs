//! Seats: which stub a program's address space has, who sits in it, and where registers are meanwhile.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

use libc::{pid_t, user_regs_struct};
use ostd_hal::user::SyscallFrame;
use ostd_hal::user::x86_64::Regs;
use ostd_hal::{Paddr, UserState};

use super::super::homes::{Parked, Place};
use super::super::stub::{Stub, Trouble};
use super::super::{registers, sys};
use super::{Inner, with_return, with_value};

impl Inner {
    /// The slot of a live stub for `root`: its own, one from the pool, a new one, or that of the address space used
    /// longest ago.
    pub(super) fn stub_for(&mut self, root: Paddr) -> Result<usize, Trouble> {
        let slot = match self.slot_of(root) {
            Some(slot) => slot,
            None => {
                let slot = self.free_slot()?;
                if let Some(stub) = &mut self.stubs[slot] {
                    stub.root = Some(root);
                }
                slot
            }
        };
        self.recent = slot;
        self.entries += 1;
        if let Some(stub) = &mut self.stubs[slot] {
            stub.used = self.entries;
        }
        Ok(slot)
    }

    pub(super) fn slot_of(&self, root: Paddr) -> Option<usize> {
        let is_for = |stub: &Option<Stub>| stub.as_ref().is_some_and(|stub| stub.root == Some(root));
        if is_for(&self.stubs[self.recent]) {
            return Some(self.recent);
        }
        self.stubs.iter().position(is_for)
    }

    fn free_slot(&mut self) -> Result<usize, Trouble> {
        if let Some(pooled) = self.stubs.iter().position(|stub| stub.as_ref().is_some_and(|stub| stub.root.is_none())) {
            return Ok(pooled);
        }
        let mut refusal = None;
        if let Some(empty) = self.stubs.iter().position(Option::is_none) {
            match Stub::start(&self.executable, &self.commands, self.ram.as_raw_fd(), empty, &self.config) {
                Ok(stub) => {
                    self.stubs[empty] = Some(stub);
                    return Ok(empty);
                }
                // Perhaps the user may have no more processes. There are others.
                Err(error) => refusal = Some(error),
            }
        }
        let live = self.stubs.iter().enumerate().filter_map(|(slot, stub)| stub.as_ref().map(|stub| (stub.used, slot)));
        match (live.min(), refusal) {
            (Some((_, slot)), _) => {
                self.vacate(slot);
                if self.stubs[slot].is_some() { Ok(slot) } else { Err(Trouble::Gone) }
            }
            (None, Some(error)) => Err(Trouble::Refused(error)),
            (None, None) => Err(Trouble::Gone),
        }
    }

    /// Takes a stub from its address space: registers are parked, mappings will go before it runs again.
    pub(super) fn vacate(&mut self, slot: usize) {
        if self.park(slot).is_err() {
            self.remove(slot);
        } else if let Some(stub) = &mut self.stubs[slot] {
            stub.root = None;
            stub.expected = None;
            stub.tlb.flush_all();
        }
    }

    /// Moves the registers of whoever is resident out of the stub.
    fn park(&mut self, slot: usize) -> Result<(), Trouble> {
        let Some(stub) = &mut self.stubs[slot] else { return Err(Trouble::Gone) };
        if let Some(home) = stub.resident {
            let parked = Parked { regs: sys::registers(stub.pid)?, fp: sys::xstate(stub.pid, self.xstate_len)? };
            stub.resident = None;
            self.homes.put(home, Place::Parked(Box::new(parked)));
        }
        Ok(())
    }

    /// Gets rid of the stub of `root`, which is dead.
    pub(super) fn bury(&mut self, root: Paddr) {
        if let Some(slot) = self.slot_of(root) {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        if let Some(stub) = self.stubs[slot].take()
            && let Some(home) = stub.resident
        {
            self.homes.put(home, Place::Lost);
        }
    }

    /// Makes the guest thread of `state` the resident of its stub. Returns the registers it continues with, unless
    /// they are in the stub already.
    pub(super) fn seat(
        &mut self,
        slot: usize,
        root: Paddr,
        state: &mut UserState<Regs>,
    ) -> Result<Option<user_regs_struct>, Trouble> {
        let Some(stub) = &mut self.stubs[slot] else { return Err(Trouble::Gone) };
        if stub.resident.is_some() && stub.resident == Some(state.home) {
            if state.fp_changed {
                let pid = stub.pid;
                self.set_fp(pid, state)?;
            }
            return Ok(state.changed.then(|| registers::to_host(&state.regs)));
        }
        if !self.homes.belongs(state.home, root) {
            state.home = self.homes.add(root);
        }
        self.park(slot)?;
        let Some(stub) = &mut self.stubs[slot] else { return Err(Trouble::Gone) };
        let pid = stub.pid;
        let place = self.homes.find(state.home).map(|(_, place)| place);
        let (regs, parked_fp) = match place {
            _ if state.changed => (registers::to_host(&state.regs), None),
            Some(Place::Parked(parked)) => (with_return(parked.regs, state.ret), Some(parked)),
            _ if state.loaded => (with_return(registers::to_host(&state.regs), state.ret), None),
            // Its stub died while it ran.
            _ => return Err(Trouble::Refused(io::ErrorKind::NotFound.into())),
        };
        match (parked_fp, place) {
            (Some(parked), _) | (None, Some(Place::Parked(parked))) if !state.fp_changed => {
                sys::set_xstate(pid, &parked.fp)?;
            }
            _ => self.set_fp(pid, state)?,
        }
        self.homes.put(state.home, Place::Stub);
        if let Some(stub) = &mut self.stubs[slot] {
            stub.resident = Some(state.home);
        }
        Ok(Some(regs))
    }

    /// Gives a stub the floating-point state that `state` has, or the initial one.
    fn set_fp(&self, pid: pid_t, state: &mut UserState<Regs>) -> Result<(), Trouble> {
        if !(state.fp_changed || state.fp_loaded) || state.fp.is_empty() {
            return Ok(sys::set_xstate(pid, &initial_xstate(self.xstate_len))?);
        }
        state.fp.resize(self.xstate_len, 0);
        match sys::set_xstate(pid, &state.fp).map_err(Trouble::from) {
            Err(Trouble::Refused(error)) => {
                // A program made it up (rt_sigreturn(2)). It is told once, and starts afresh.
                state.fp.clear();
                Err(Trouble::Refused(error))
            }
            result => result,
        }
    }

    pub(super) fn load(&self, state: &UserState<Regs>) -> Regs {
        let found = match self.homes.find(state.home) {
            Some((_, Place::Parked(parked))) => Some(parked.regs),
            Some((root, Place::Stub)) => self.resident_pid(root, state.home).and_then(|pid| sys::registers(pid).ok()),
            Some((_, Place::Lost)) | None => None,
        };
        match found {
            Some(regs) => registers::from_host(&with_value(regs, state.ret)),
            None => {
                // Lost with its stub: what every trap carries is all there is.
                let SyscallFrame { ip, sp, .. } = state.frame;
                Regs { rip: ip as u64, rsp: sp as u64, orig_rax: registers::NO_SYSCALL, ..Regs::default() }
            }
        }
    }

    pub(super) fn load_fp(&self, state: &UserState<Regs>) -> Vec<u8> {
        let found = match self.homes.find(state.home) {
            Some((_, Place::Parked(parked))) => Some(parked.fp.clone()),
            Some((root, Place::Stub)) => {
                self.resident_pid(root, state.home).and_then(|pid| sys::xstate(pid, self.xstate_len).ok())
            }
            Some((_, Place::Lost)) | None => None,
        };
        found.unwrap_or_else(|| initial_xstate(self.xstate_len))
    }

    fn resident_pid(&self, root: Paddr, home: u64) -> Option<pid_t> {
        let stub = self.stubs[self.slot_of(root)?].as_ref()?;
        (stub.resident == Some(home)).then_some(stub.pid)
    }
}

/// An XSAVE area (Intel SDM volume 1, chapter 13) with x87 and SSE in their initial states.
pub(super) fn initial_xstate(len: usize) -> Vec<u8> {
    const CONTROL_WORD: Range<usize> = 0..2;
    const MXCSR: Range<usize> = 24..28;
    const IN_USE: usize = 512;
    let mut area = vec![0; len];
    area[CONTROL_WORD].copy_from_slice(&0x37f_u16.to_le_bytes());
    area[MXCSR].copy_from_slice(&0x1f80_u32.to_le_bytes());
    area[IN_USE] = 0b11;
    area
}
