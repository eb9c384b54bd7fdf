//! The built `dlmc` in a folder of its own, away from any installed libtorch.
#![allow(dead_code)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const OK: i32 = 0;
pub const SPEC_ERRORS: i32 = 1;
pub const USAGE: i32 = 2;

/// Runs `dlmc` in a folder of its own, away from any installed libtorch; `{torch}` is our fixture.
pub struct Shop {
    pub folder: tempfile::TempDir,
}

pub const SOUND: &str = r#"use "std/decoder.dlm" { decoder }
schedule keep(t) = 1 - t
objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep)
data d {
    source: files("{torch}/*.py"), tokenizer: bytes, unique: 4K tokens, epochs: 4, seq: 16, valid: 1K tokens
}
experiment e {
    model: decoder(layers: 2, dim: 16, heads: 2, ffn: 32)
    data:  d
    train: { batch: 8 seqs, optimizer: adamw(lr: 1e-3), lr_schedule: constant() }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
"#;

pub fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch")
}

impl Shop {
    pub fn new(files: &[(&str, &str)]) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Shop { folder }
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.run_as(Path::new(env!("CARGO_BIN_EXE_dlmc")), args)
    }

    pub fn run_as(&self, exe: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(exe);
        command.args(args).current_dir(self.folder.path()).env("LIBTORCH", fixture());
        // A file just copied is busy while another test, starting a process, still holds it open.
        loop {
            match command.output() {
                Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                output => return output.unwrap(),
            }
        }
    }

    /// Names of everything in the folder, below it too.
    pub fn files(&self) -> Vec<String> {
        let mut all: Vec<String> = walkdir::WalkDir::new(self.folder.path())
            .min_depth(1)
            .into_iter()
            .map(|e| e.unwrap().path().strip_prefix(self.folder.path()).unwrap().display().to_string())
            .collect();
        all.sort();
        all
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

pub fn expect(output: &Output, code: i32) -> (&str, &str) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}
