//! [`Link`]: one end of a socket, whose reader spins before it sleeps.
//!
//! To put a process to sleep and wake it takes longer than many an environment's step (20 against
//! 7 microseconds for `CartPole-v1` in a virtual machine). So both ends look for bytes for a while before
//! they block, but only if the last wait was short: slow environments and slow agents cost no
//! processor time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long to look before blocking; the same as in `worker/link.py`.
const SPIN: Duration = Duration::from_micros(100);

/// A socket with a timeout for reading.
pub(super) struct Link {
    /// Non-blocking, except inside `block`.
    socket: UnixStream,
    timeout: Duration,
    /// Was the last wait short?
    brisk: bool,
}

impl Link {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, timeout: Duration::ZERO, brisk: true })
    }

    /// Of a read that follows; above zero.
    pub(super) fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if self.timeout != timeout {
            self.socket.set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        Ok(())
    }

    /// Tells the other end that nothing more will come, or be read.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    fn spin(&mut self, bytes: &mut [u8], begin: Instant) -> io::Result<usize> {
        loop {
            match self.socket.read(bytes) {
                Err(error) if would_block(&error) && begin.elapsed() < SPIN => thread::yield_now(),
                read => return read,
            }
        }
    }

    fn block<T>(&mut self, run: impl FnOnce(&mut UnixStream) -> io::Result<T>) -> io::Result<T> {
        self.socket.set_nonblocking(false)?;
        let result = run(&mut self.socket);
        self.socket.set_nonblocking(true)?;
        result
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

impl Read for Link {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let begin = Instant::now();
        let early = if self.brisk { self.spin(bytes, begin) } else { self.socket.read(bytes) };
        let read = match early {
            Err(error) if would_block(&error) => self.block(|socket| socket.read(bytes)),
            early => early,
        };
        self.brisk = begin.elapsed() < SPIN;
        read
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.write(bytes) {
            Err(error) if would_block(&error) => self.block(|socket| socket.write(bytes)),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
