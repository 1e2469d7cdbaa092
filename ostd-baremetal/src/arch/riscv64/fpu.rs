//! Floating-point state: f0 to f31 and fcsr. The kernel has no floating-point instruction but these.
#![expect(unsafe_code, reason = "saves and restores the floating-point registers")]

use core::arch::{asm, naked_asm};

use alloc::vec;
use alloc::vec::Vec;

/// 32 registers of 8 bytes, and fcsr.
const LEN: usize = 33 * 8;
/// `sstatus.FS`: on, and taken as changed always.
const FS_DIRTY: usize = 0b11 << 13;

/// Turns the unit on.
pub(super) fn start() {
    // SAFETY: the registers are programs' alone.
    unsafe { asm!("csrs sstatus, {}", in(reg) FS_DIRTY, options(nomem, nostack)) };
}

/// The state that a program starts with.
pub(crate) fn fp_initial() -> Vec<u8> {
    vec![0; LEN]
}

/// Whether there are enough bytes; each value of each is one.
pub(crate) fn fp_accepts(area: &[u8]) -> bool {
    area.len() >= LEN
}

/// Writes the hart's registers to `area`.
///
/// # Safety
/// 1. `area` is ours, aligned to 8 bytes, and as long as [`fp_initial`]'s answer.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn fp_save(area: *mut u8) {
    naked_asm!(
        ".option push",
        ".option arch, +d",
        "fsd f0, 0(a0)",
        "fsd f1, 8(a0)",
        "fsd f2, 16(a0)",
        "fsd f3, 24(a0)",
        "fsd f4, 32(a0)",
        "fsd f5, 40(a0)",
        "fsd f6, 48(a0)",
        "fsd f7, 56(a0)",
        "fsd f8, 64(a0)",
        "fsd f9, 72(a0)",
        "fsd f10, 80(a0)",
        "fsd f11, 88(a0)",
        "fsd f12, 96(a0)",
        "fsd f13, 104(a0)",
        "fsd f14, 112(a0)",
        "fsd f15, 120(a0)",
        "fsd f16, 128(a0)",
        "fsd f17, 136(a0)",
        "fsd f18, 144(a0)",
        "fsd f19, 152(a0)",
        "fsd f20, 160(a0)",
        "fsd f21, 168(a0)",
        "fsd f22, 176(a0)",
        "fsd f23, 184(a0)",
        "fsd f24, 192(a0)",
        "fsd f25, 200(a0)",
        "fsd f26, 208(a0)",
        "fsd f27, 216(a0)",
        "fsd f28, 224(a0)",
        "fsd f29, 232(a0)",
        "fsd f30, 240(a0)",
        "fsd f31, 248(a0)",
        "frcsr t0",
        "sd t0, 256(a0)",
        ".option pop",
        "ret",
    )
}

/// Sets the hart's registers from `area`.
///
/// # Safety
/// 1. As for [`fp_save`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn fp_restore(area: *const u8) {
    naked_asm!(
        ".option push",
        ".option arch, +d",
        "fld f0, 0(a0)",
        "fld f1, 8(a0)",
        "fld f2, 16(a0)",
        "fld f3, 24(a0)",
        "fld f4, 32(a0)",
        "fld f5, 40(a0)",
        "fld f6, 48(a0)",
        "fld f7, 56(a0)",
        "fld f8, 64(a0)",
        "fld f9, 72(a0)",
        "fld f10, 80(a0)",
        "fld f11, 88(a0)",
        "fld f12, 96(a0)",
        "fld f13, 104(a0)",
        "fld f14, 112(a0)",
        "fld f15, 120(a0)",
        "fld f16, 128(a0)",
        "fld f17, 136(a0)",
        "fld f18, 144(a0)",
        "fld f19, 152(a0)",
        "fld f20, 160(a0)",
        "fld f21, 168(a0)",
        "fld f22, 176(a0)",
        "fld f23, 184(a0)",
        "fld f24, 192(a0)",
        "fld f25, 200(a0)",
        "fld f26, 208(a0)",
        "fld f27, 216(a0)",
        "fld f28, 224(a0)",
        "fld f29, 232(a0)",
        "fld f30, 240(a0)",
        "fld f31, 248(a0)",
        "lwu t0, 256(a0)",
        "fscsr t0",
        ".option pop",
        "ret",
    )
}
