//! Where blocks of memory come to lie that are taken and given back: the rule of the pool that CPU tensors lie in
//! (`lower/pool.cpp`), so that a plan knows the gaps that will be between them.

use std::collections::{BTreeMap, BTreeSet};

/// Blocks are multiples of this.
const ALIGN: u64 = 64;

/// A range of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    start: u64,
    bytes: u64,
}

/// The smallest free block that fits, of those the lowest; neighbours join as soon as they are free.
#[derive(Default)]
pub struct Layout {
    /// From here on nothing was ever taken.
    pub used: u64,
    /// The largest sum of blocks at once.
    pub most_live: u64,
    live: u64,
    /// Bytes by start.
    free: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
}

impl Layout {
    pub fn take(&mut self, bytes: u64) -> Block {
        let bytes = bytes.next_multiple_of(ALIGN);
        if bytes == 0 {
            return Block::default();
        }
        self.live += bytes;
        self.most_live = self.most_live.max(self.live);
        if let Some((size, start)) = self.by_size.range((bytes, 0)..).next().copied() {
            self.remove(start, size);
            if size > bytes {
                self.insert(start + bytes, size - bytes);
            }
            return Block { start, bytes };
        }
        // The last free block may reach the end of what is used, and grow.
        let last = self.free.last_key_value().map(|(start, size)| (*start, *size));
        let start = match last.filter(|(start, size)| start + size == self.used) {
            Some((start, size)) => {
                self.remove(start, size);
                start
            }
            None => self.used,
        };
        self.used = start + bytes;
        Block { start, bytes }
    }

    pub fn give(&mut self, block: Block) {
        let Block { mut start, mut bytes } = block;
        if bytes == 0 {
            return;
        }
        self.live -= bytes;
        if let Some(size) = self.free.get(&(start + bytes)).copied() {
            self.remove(start + bytes, size);
            bytes += size;
        }
        let before = self.free.range(..start).next_back().map(|(start, size)| (*start, *size));
        if let Some((first, size)) = before.filter(|(first, size)| first + size == start) {
            self.remove(first, size);
            (start, bytes) = (first, bytes + size);
        }
        self.insert(start, bytes);
    }

    fn insert(&mut self, start: u64, bytes: u64) {
        self.free.insert(start, bytes);
        self.by_size.insert((bytes, start));
    }

    fn remove(&mut self, start: u64, bytes: u64) {
        self.free.remove(&start);
        self.by_size.remove(&(bytes, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_neighbours_join() {
        let mut layout = Layout::default();
        let [a, b, c] = [100, 64, 200].map(|bytes| layout.take(bytes));
        assert_eq!((layout.used, layout.most_live), (128 + 64 + 256, 448));
        layout.give(a);
        // Too large for the gap.
        let d = layout.take(192);
        assert_eq!((d.start, layout.used), (448, 640));
        layout.give(b);
        assert_eq!(layout.take(192).start, 0);
        layout.give(c);
        layout.give(d);
        // What is free at the end grows.
        assert_eq!((layout.take(512).start, layout.used), (192, 704));
        assert_eq!(layout.most_live, 704);
    }
}
