//! A run's record on its way to disk: values gathered in blocks, and a thread that writes the blocks.
//!
//! Whoever records encodes a value into a block in its own memory, and never waits: if the disk is slower than the
//! run, values are dropped and counted. Memory is bounded by [`BLOCKS_MAX`] blocks, however long the run.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::iter::Peekable;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::interrupt::Interrupt;

/// A block leaves when it holds so many bytes.
const BLOCK_BYTES: usize = 1 << 18;
/// Blocks that may wait for the disk: 16 MiB.
const BLOCKS_MAX: usize = 64;

/// Takes in the values of one thread.
#[derive(Debug)]
pub(super) struct Spool {
    block: Vec<u8>,
    in_block: u64,
    dropped: u64,
    to_disk: SyncSender<Vec<u8>>,
    emptied: Receiver<Vec<u8>>,
    writer: JoinHandle<io::Result<File>>,
}

/// What was recorded, to be read once.
#[derive(Debug)]
pub(super) struct Spooled<T> {
    file: BufReader<File>,
    block: Vec<u8>,
    read: usize,
    /// How many could not be taken in.
    pub(super) dropped: u64,
    kind: PhantomData<fn() -> T>,
}

impl Spool {
    /// A spool in a file without a name in `folder`: it is gone with the process, however that ends. If it cannot be
    /// written, that ends the run by `interrupt`.
    ///
    /// # Errors
    /// The file cannot be made, or its thread cannot be started.
    pub(super) fn begin(folder: &Path, interrupt: &Interrupt) -> io::Result<Self> {
        Self::over(tempfile::tempfile_in(folder)?, interrupt)
    }

    fn over(mut file: File, interrupt: &Interrupt) -> io::Result<Self> {
        let interrupt = interrupt.clone();
        let (to_disk, blocks) = sync_channel::<Vec<u8>>(BLOCKS_MAX);
        let (give_back, emptied) = channel();
        let writer =
            std::thread::Builder::new().name("passbook-spool".to_owned()).spawn(move || {
                while let Ok(mut block) = blocks.recv() {
                    let length = u32::try_from(block.len()).map_err(io::Error::other)?;
                    let block_written =
                        file.write_all(&length.to_le_bytes()).and_then(|()| file.write_all(&block));
                    interrupt.watch_writing(block_written)?;
                    block.clear();
                    // Nobody needs it back at the end.
                    let _ = give_back.send(block);
                }
                file.rewind()?;
                Ok(file)
            })?;
        Ok(Self { block: Vec::new(), in_block: 0, dropped: 0, to_disk, emptied, writer })
    }

    fn hand_over(&mut self) {
        let next = self.emptied.try_recv().unwrap_or_default();
        let full = std::mem::replace(&mut self.block, next);
        match self.to_disk.try_send(full) {
            Ok(()) => {}
            Err(TrySendError::Full(mut block) | TrySendError::Disconnected(mut block)) => {
                self.dropped += self.in_block;
                block.clear();
                self.block = block;
            }
        }
        self.in_block = 0;
    }

    /// Ends it: waits until all that was taken in is written.
    ///
    /// # Errors
    /// The file could not be written.
    pub(super) fn finish<T>(mut self) -> io::Result<Spooled<T>> {
        if !self.block.is_empty() {
            // Nothing is in a hurry now: what is left waits for its place.
            let left = std::mem::take(&mut self.block);
            if self.to_disk.send(left).is_err() {
                self.dropped += self.in_block;
            }
        }
        drop(self.to_disk);
        let ended = self.writer.join();
        let file =
            ended.map_err(|_| io::Error::other("the thread that writes the record died"))??;
        Ok(Spooled {
            file: BufReader::with_capacity(BLOCK_BYTES, file),
            block: Vec::new(),
            read: 0,
            dropped: self.dropped,
            kind: PhantomData,
        })
    }

    /// Takes a value in. Never waits.
    pub(super) fn push(&mut self, value: &impl Serialize) {
        let before = self.block.len();
        if postcard::to_io(value, &mut self.block).is_err() {
            self.block.truncate(before);
            self.dropped += 1;
            return;
        }
        self.in_block += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.hand_over();
        }
    }
}

impl<T: DeserializeOwned> Spooled<T> {
    fn next_value(&mut self) -> io::Result<Option<T>> {
        while self.read == self.block.len() {
            if self.file.fill_buf()?.is_empty() {
                return Ok(None);
            }
            let mut length = [0; 4];
            self.file.read_exact(&mut length)?;
            let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
            self.block.resize(length, 0);
            self.file.read_exact(&mut self.block)?;
            self.read = 0;
        }
        let (value, rest) =
            postcard::take_from_bytes(&self.block[self.read..]).map_err(io::Error::other)?;
        self.read = self.block.len() - rest.len();
        Ok(Some(value))
    }
}

impl<T: DeserializeOwned> Iterator for Spooled<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_value().transpose()
    }
}

/// The values of all `spools`, each in ascending order of `key`, merged into one such order.
pub(super) fn merge_by_key<T: DeserializeOwned>(
    spools: Vec<Spooled<T>>,
    key: impl Fn(&T) -> u64,
) -> impl Iterator<Item = io::Result<T>> {
    let mut spools: Vec<_> = spools.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        // An error comes first and ends it all.
        let next = |spool: &mut Peekable<Spooled<T>>| {
            spool.peek().map(|value| value.as_ref().map_or(0, &key))
        };
        let heads = spools.iter_mut().enumerate();
        let heads = heads.filter_map(|(index, spool)| Some((next(spool)?, index)));
        let (_, first) = heads.min()?;
        spools.get_mut(first)?.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_its_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut spool = Spool::begin(folder.path(), &Interrupt::default()).expect("begun");
        // More than a block, and less than all that may wait.
        let value = |number: u64| (number, number.is_multiple_of(3).then(|| "x".repeat(20)));
        let count = 100_000;
        (0..count).for_each(|number| spool.push(&value(number)));
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
        let spooled: Spooled<(u64, Option<String>)> = spool.finish().expect("written");
        assert_eq!(spooled.dropped, 0);
        let read: io::Result<Vec<_>> = spooled.collect();
        assert_eq!(read.expect("readable"), (0..count).map(value).collect::<Vec<_>>());
    }

    #[test]
    fn spools_are_merged_by_key_without_loss() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let spools = [vec![1, 4, 4, 9], vec![], vec![2, 4, 10, 11]].map(|values: Vec<u64>| {
            let spool = Spool::begin(folder.path(), &Interrupt::default());
            let mut spool = spool.expect("begun");
            for value in &values {
                spool.push(value);
            }
            spool.finish().expect("written")
        });
        let merged: io::Result<Vec<u64>> = merge_by_key(spools.into(), |value| *value).collect();
        assert_eq!(merged.expect("readable"), [1, 2, 4, 4, 4, 9, 10, 11]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn full_disk_ends_the_run_and_blocks_nobody() {
        let full = File::options().write(true).open("/dev/full").expect("there");
        let interrupt = Interrupt::default();
        let mut spool = Spool::over(full, &interrupt).expect("begun");
        while !interrupt.drain().is_cancelled() {
            spool.push(&u64::MAX);
        }
        let blocks = u64::try_from(BLOCK_BYTES * (BLOCKS_MAX + 2) / 9).expect("small");
        (0..blocks).for_each(|number| spool.push(&(u64::MAX - number)));
        assert!(spool.dropped > 0);
        let error = spool.finish::<u64>().expect_err("nothing could be written");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let spool = Spool::begin(folder.path(), &Interrupt::default()).expect("begun");
        assert_eq!(spool.finish::<u64>().expect("written").count(), 0);
    }
}
