//! Files as memory: the one place of this folder with `unsafe`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The bytes of a file, brought in as they are read.
#[derive(Clone, Debug)]
pub struct Mapped(Option<Arc<memmap2::Mmap>>);

impl Mapped {
    /// Maps a whole file. Corpora and stores do not change under a run: stores are renamed into place whole, and a
    /// corpus that somebody shortens meanwhile ends the program, as it must.
    pub fn open(path: &Path) -> io::Result<Mapped> {
        let file = File::open(path)?;
        // An empty file cannot be mapped on every system.
        if file.metadata()?.len() == 0 {
            return Ok(Mapped(None));
        }
        // SAFETY: the mapping is private and read only; the bytes are any bytes, and no reference outlives the map.
        // What remains is a writer beside us, see above.
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file)? };
        Ok(Mapped(Some(Arc::new(map))))
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |map| map)
    }
}
