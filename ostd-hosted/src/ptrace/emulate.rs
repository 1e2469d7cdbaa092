//! Instructions that were made to trap so that a deterministic machine can answer them.
#![expect(unsafe_code, reason = "executes CPUID")]

use core::arch::x86_64::__cpuid_count;

use libc::user_regs_struct;

/// Answers the instruction at the start of `bytes`, if it is one of these, and steps over it.
pub(super) fn emulate(bytes: &[u8], regs: &mut user_regs_struct, tsc: &mut dyn FnMut() -> u64) -> bool {
    let len = match bytes {
        [0x0f, 0x31, ..] => {
            read_tsc(regs, tsc());
            2
        }
        [0x0f, 0x01, 0xf9, ..] => {
            read_tsc(regs, tsc());
            regs.rcx = 0; // IA32_TSC_AUX: CPU and node zero
            3
        }
        [0x0f, 0xa2, ..] => {
            let [eax, ebx, ecx, edx] = cpuid(regs.rax as u32, regs.rcx as u32);
            (regs.rax, regs.rbx) = (u64::from(eax), u64::from(ebx));
            (regs.rcx, regs.rdx) = (u64::from(ecx), u64::from(edx));
            2
        }
        _ => return false,
    };
    regs.rip = regs.rip.wrapping_add(len);
    true
}

fn read_tsc(regs: &mut user_regs_struct, value: u64) {
    regs.rax = value & 0xffff_ffff;
    regs.rdx = value >> 32;
}

/// Bytes of an XSAVE area with every component that the host has enabled.
pub(super) fn xstate_len() -> usize {
    cpuid(0xd, 0)[1] as usize
}

/// CPUID of this host without what differs between its CPUs and without sources of chance.
fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    const RDRAND: u32 = 1 << 30;
    const RDSEED: u32 = 1 << 18;
    // SAFETY: every x86-64 processor has the instruction, and it changes nothing.
    #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
    let found = unsafe { __cpuid_count(leaf, subleaf) };
    let mut answer = [found.eax, found.ebx, found.ecx, found.edx];
    match leaf {
        1 => {
            answer[1] &= 0x00ff_ffff; // initial APIC id
            answer[2] &= !RDRAND;
        }
        7 if subleaf == 0 => answer[1] &= !RDSEED,
        0xb | 0x1f => answer[3] = 0, // x2APIC id
        0x8000_001e => answer[0] = 0,
        _ => {}
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::super::stub::host_registers;
    use super::emulate;

    #[test]
    fn rdtsc_reads_the_given_clock_and_is_stepped_over() {
        let mut regs = host_registers();
        regs.rip = 0x1000;
        assert!(emulate(&[0x0f, 0x31], &mut regs, &mut || 0x1234_5678_9abc_def0));
        assert_eq!((regs.rdx, regs.rax, regs.rip), (0x1234_5678, 0x9abc_def0, 0x1002));
        assert!(!emulate(&[0x0f, 0x0b], &mut regs, &mut || 0));
    }

    #[test]
    fn cpuid_admits_no_random_numbers() {
        let mut regs = host_registers();
        regs.rax = 1;
        assert!(emulate(&[0x0f, 0xa2], &mut regs, &mut || 0));
        assert_eq!((regs.rcx >> 30 & 1, regs.rbx >> 24), (0, 0));
        assert_ne!(regs.rdx, 0);
    }
}
