//! Who writes a run folder: one process at a time. The hold is a lock of the operating system on the file
//! `writer`, so it ends with the process that has it, however that ends; the file itself may stay.

use super::error::{At, Result, StoreError};
use super::run_folder::RunFolder;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Stands in a run folder; holds the number of the process that wrote last.
const FILE: &str = "writer";

/// The right to write a run folder, as long as it lives.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

impl RunFolder {
    /// Takes the folder for this process; refused while another one has it.
    pub fn hold(&self) -> Result<Hold> {
        let path = self.path().join(FILE);
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let process = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Busy { path: self.path().to_owned(), process });
            }
            Err(TryLockError::Error(error)) => return Err(error).at(&path),
        }
        // Only said to others, so a failure costs nothing.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        Ok(Hold { _file: file })
    }

    /// Whether a process is at work in the folder.
    pub fn is_held(&self) -> bool {
        let file = File::open(self.path().join(FILE));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

/// Waits for the right to change what a folder's runs share, its record; for the time of a read and a write.
pub fn hold_experiment(folder: &Path) -> Result<Hold> {
    std::fs::create_dir_all(folder).at(folder)?;
    let path = folder.join(".record");
    let file = open(&path)?;
    file.lock().at(&path)?;
    Ok(Hold { _file: file })
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).at(path)
}
