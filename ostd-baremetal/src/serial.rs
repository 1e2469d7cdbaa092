//! The serial line: the emergency console, and a byte channel for programs. A 16550, found by `arch`.

use alloc::sync::Arc;

use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, Readiness};

use crate::arch::{UART_LINE, line_enable, relax, uart_read, uart_write};
use crate::lock::Lock;

const DATA: u8 = 0;
const INTERRUPT_ENABLE: u8 = 1;
const FIFO_CONTROL: u8 = 2;
const MODEM_CONTROL: u8 = 4;
const LINE_STATUS: u8 = 5;
/// Interrupt when a byte has arrived.
const RECEIVED: u8 = 1;
/// DTR, RTS, and the output that lets the chip's interrupt through.
const MODEM_ON: u8 = 0b1011;
/// Line status: a byte has arrived; a byte may be sent.
const HAS_BYTE: u8 = 1;
const READY_TO_SEND: u8 = 1 << 5;

/// Whose bytes go out: what one CPU writes at once stays together.
static LINE: Lock<()> = Lock::new(());

/// Sends bytes, waiting for each.
pub(crate) fn write(bytes: &[u8]) {
    let _mine = LINE.lock();
    write_at_once(bytes);
}

/// The same for who is alone, or will be the last to write.
pub(crate) fn write_at_once(bytes: &[u8]) {
    for byte in bytes {
        while uart_read(LINE_STATUS) & READY_TO_SEND == 0 {
            relax();
        }
        uart_write(DATA, *byte);
    }
}

/// The chip has raised its line: no more until somebody asks again.
pub(crate) fn quiet() {
    uart_write(INTERRUPT_ENABLE, 0);
}

/// What is at the other end of the serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// A person at a keyboard.
    Terminal,
    /// Somebody who only listens: input is at its end at once.
    Listener,
}

/// The serial line as programs' standard streams.
pub fn channel(far: Far) -> Arc<dyn ByteChannel> {
    uart_write(FIFO_CONTROL, 1);
    uart_write(MODEM_CONTROL, MODEM_ON);
    line_enable(UART_LINE);
    Arc::new(Serial(far))
}

struct Serial(Far);

impl ByteChannel for Serial {
    fn kind(&self) -> ChannelKind {
        match self.0 {
            Far::Terminal => ChannelKind::Terminal,
            Far::Listener => ChannelKind::Pipe,
        }
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        if self.0 == Far::Listener || into.is_empty() {
            return Ok(0);
        }
        let mut done = 0;
        while done < into.len() && uart_read(LINE_STATUS) & HAS_BYTE != 0 {
            into[done] = uart_read(DATA);
            done += 1;
        }
        if done == 0 { Err(ChannelError::Busy) } else { Ok(done) }
    }

    fn write(&self, from: &[u8]) -> Result<usize, ChannelError> {
        write(from);
        Ok(from.len())
    }

    fn ready(&self) -> Readiness {
        let mut ready = Readiness::WRITE;
        ready.set(Readiness::READ, self.0 == Far::Listener || uart_read(LINE_STATUS) & HAS_BYTE != 0);
        ready
    }

    fn arm(&self, what: Readiness) {
        // Sending never waits for long, and a listener's input is always at its end: nobody sleeps for those.
        if what.contains(Readiness::READ) && self.0 == Far::Terminal {
            uart_write(INTERRUPT_ENABLE, RECEIVED);
        }
    }

    fn line(&self) -> u32 {
        UART_LINE
    }
}
