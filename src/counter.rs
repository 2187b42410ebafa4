//! How far long work is: numbers that whoever works adds to, and that somebody else reads at the same
//! time to show them. To add costs next to nothing, whether or not anybody reads.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is done, and what there is to be done. Nothing else is synchronised by it.
#[derive(Debug, Default)]
pub struct Counter {
    done: AtomicU64,
    all: AtomicU64,
    bytes: AtomicU64,
    all_bytes: AtomicU64,
}

impl Counter {
    /// So much more is to be done. What is not said beforehand is only counted.
    pub fn expect(&self, number: u64, bytes: u64) {
        self.all.fetch_add(number, Ordering::Relaxed);
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One more is done, and had so many bytes that were not added before.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many are done by now.
    pub fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn read(&self) -> Count {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Count {
            done: read(&self.done),
            all: read(&self.all),
            bytes: read(&self.bytes),
            all_bytes: read(&self.all_bytes),
        }
    }

    /// A file whose bytes are counted as they are read. Whoever knows how many there should have been
    /// adds the rest.
    pub(crate) fn reading<R>(&self, file: R) -> Bytes<'_, R> {
        Bytes {
            file,
            counter: self,
            read: 0,
        }
    }
}

/// Numbers of one moment, or of several that lie close together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// What is done.
    pub done: u64,
    /// What there is; 0 if nobody knows.
    pub all: u64,
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes that there are; 0 if nobody knows.
    pub all_bytes: u64,
}

/// See [`Counter::reading`].
pub(crate) struct Bytes<'a, R> {
    file: R,
    counter: &'a Counter,
    read: u64,
}

impl<R: Read> Read for Bytes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read += n as u64;
        self.counter.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl<R> Bytes<'_, R> {
    /// How many bytes were read.
    pub(crate) fn read_so_far(&self) -> u64 {
        self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_while_they_are_read() {
        let counter = Counter::default();
        counter.expect(2, 7);
        let mut bytes = counter.reading(&b"hello"[..]);
        let mut two = [0; 2];
        bytes.read_exact(&mut two).unwrap();
        assert_eq!(counter.read().bytes, 2);
        io::copy(&mut bytes, &mut io::sink()).unwrap();
        assert_eq!(bytes.read_so_far(), 5);
        counter.add(0);
        counter.add(2);
        let count = counter.read();
        assert_eq!((count.done, count.all), (2, 2));
        assert_eq!((count.bytes, count.all_bytes), (7, 7));
    }
}
