//! Checkpoints: `checkpoints/step-<8 digits>/` with safetensors files and a `state.json` that holds
//! the hash of each of them. A folder appears whole or not at all, and is verified before it is used.

use super::error::{At, Result, StoreError};
use super::run_folder::sync_folder;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub use crate::check::spec::CheckpointKeep as Kept;

const STATE_FILE: &str = "state.json";
const STATE_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    F32,
    F64,
    BF16,
    I64,
}

impl DType {
    pub fn n_bytes(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F64 | DType::I64 => 8,
            DType::BF16 => 2,
        }
    }

    fn to_safetensors(self) -> Dtype {
        match self {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::BF16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
        }
    }

    fn from_safetensors(dtype: Dtype) -> Option<DType> {
        match dtype {
            Dtype::F32 => Some(DType::F32),
            Dtype::F64 => Some(DType::F64),
            Dtype::BF16 => Some(DType::BF16),
            Dtype::I64 => Some(DType::I64),
            _ => None,
        }
    }
}

/// A tensor on its way to or from disk: little-endian, row-major, contiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorData {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

/// A checkpoint that was read and whose hashes were right. Tensors are sorted by name.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedCheckpoint {
    pub step: u64,
    pub files: BTreeMap<String, Vec<TensorData>>,
    pub state: serde_json::Value,
}

/// `state.json`: the trainer's own state, and what makes the folder trustworthy.
#[derive(Serialize, Deserialize)]
struct StateFile {
    version: u32,
    step: u64,
    /// blake3 by file name.
    files: BTreeMap<String, String>,
    /// blake3 of `state` as compact JSON.
    state_hash: String,
    state: serde_json::Value,
}

/// Writes `step-<step>` into `dir` (a run's `checkpoints`), atomically: all files go to a temporary
/// folder beside it, are synced, and the folder is renamed. Then prunes: the newest up to this step stay, this one
/// among them, and those that `kept` names; those past it belong to a continuation that was given up (a resume
/// had to go back before them) and go too.
pub fn write_checkpoint(
    dir: &Path,
    step: u64,
    tensors: &[(&str, Vec<TensorData>)],
    state: &serde_json::Value,
    kept: &Kept,
) -> Result<PathBuf> {
    fs::create_dir_all(dir).at(dir)?;
    let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(dir).at(dir)?;
    let mut hashes = BTreeMap::new();
    for (file, tensors) in tensors {
        let path = temporary.path().join(file);
        if Path::new(file).file_name().is_none_or(|name| name != *file) || *file == STATE_FILE {
            return Err(StoreError::checkpoint(&path, "a tensor file needs a plain name of its own"));
        }
        write_tensors(&path, tensors)?;
        if hashes.insert((*file).to_owned(), hash_file(&path)?).is_some() {
            return Err(StoreError::checkpoint(&path, "two tensor files have this name"));
        }
    }
    let state_file =
        StateFile { version: STATE_VERSION, step, files: hashes, state_hash: hash_state(state), state: state.clone() };
    let path = temporary.path().join(STATE_FILE);
    let text = serde_json::to_vec_pretty(&state_file).map_err(|e| StoreError::checkpoint(&path, e.to_string()))?;
    File::create(&path).and_then(|mut f| f.write_all(&text).and_then(|()| f.sync_all())).at(&path)?;
    sync_folder(temporary.path())?;
    readable_by_all(temporary.path())?;

    let target = dir.join(folder_name(step));
    // A folder of this step is left from before a resume. It steps aside first, because a rename does
    // not replace a folder that has something in it.
    let old = target.exists().then(|| tempfile::Builder::new().prefix(".old-").tempdir_in(dir).at(dir)).transpose()?;
    if let Some(old) = &old {
        fs::rename(&target, old.path().join("checkpoint")).at(&target)?;
    }
    fs::rename(temporary.path(), &target).at(&target)?;
    let _ = temporary.keep();
    sync_folder(dir)?;
    prune(dir, step, kept)?;
    Ok(target)
}

/// Reads and verifies one checkpoint folder.
pub fn read_checkpoint(path: &Path) -> Result<SavedCheckpoint> {
    let state = read_state(path)?;
    let mut files = BTreeMap::new();
    for (file, expected) in &state.files {
        let file_path = path.join(file);
        let bytes = fs::read(&file_path).at(&file_path)?;
        check_hash(&file_path, expected, &blake3::hash(&bytes).to_hex())?;
        files.insert(file.clone(), parse_tensors(&file_path, &bytes)?);
    }
    Ok(SavedCheckpoint { step: state.step, files, state: state.state })
}

/// Whether every hash of a checkpoint folder is right, without holding its tensors in memory.
pub fn verify_checkpoint(path: &Path) -> Result<()> {
    let state = read_state(path)?;
    for (file, expected) in &state.files {
        let file_path = path.join(file);
        check_hash(&file_path, expected, &hash_file(&file_path)?)?;
    }
    Ok(())
}

/// Every checkpoint folder of `dir`, ascending, verified or not. Temporary folders are not among them.
pub fn checkpoints(dir: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(dir) else { return vec![] };
    let mut all: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok()?;
            entry.path().is_dir().then(|| (step, entry.path()))
        })
        .collect();
    all.sort();
    all
}

/// The newest checkpoint of `dir` whose hashes are right; broken ones are skipped.
pub fn latest_checkpoint(dir: &Path) -> Option<(u64, PathBuf)> {
    checkpoints(dir).into_iter().rev().find(|(_, path)| verify_checkpoint(path).is_ok())
}

/// What [`newest_checkpoint`] found.
#[derive(Debug, Default)]
pub struct Newest {
    pub saved: Option<SavedCheckpoint>,
    /// Newer ones that cannot be used, the newest first.
    pub broken: Vec<StoreError>,
}

/// The state of the newest checkpoint that is whole, and what is wrong with those after it.
pub fn newest_checkpoint(dir: &Path) -> Newest {
    let mut newest = Newest::default();
    for (_, path) in checkpoints(dir).into_iter().rev() {
        match read_checkpoint(&path) {
            Ok(saved) => {
                newest.saved = Some(saved);
                break;
            }
            Err(error) => newest.broken.push(error),
        }
    }
    newest
}

/// Takes away the checkpoints past a step: a run goes on from there, so they are damaged ones that were passed over, and
/// must not count among those that are kept.
pub fn drop_checkpoints_after(dir: &Path, step: u64) -> Result<()> {
    for (_, path) in checkpoints(dir).into_iter().filter(|(found, _)| *found > step) {
        fs::remove_dir_all(&path).at(&path)?;
    }
    Ok(())
}

/// Where the checkpoint of a step stands, or would.
pub fn checkpoint_path(dir: &Path, step: u64) -> PathBuf {
    dir.join(folder_name(step))
}

fn folder_name(step: u64) -> String {
    format!("step-{step:08}")
}

fn prune(dir: &Path, written: u64, kept: &Kept) -> Result<()> {
    let all = checkpoints(dir);
    let n_up_to = all.iter().filter(|(step, _)| *step <= written).count();
    for (i, (step, path)) in all.iter().enumerate() {
        if i >= n_up_to || !kept.keeps(*step, n_up_to - 1 - i) {
            fs::remove_dir_all(path).at(path)?;
        }
    }
    // What a kill left behind: ours is renamed already, and one process writes a run.
    for entry in fs::read_dir(dir).at(dir)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".writing-") || name.starts_with(".old-") {
            fs::remove_dir_all(entry.path()).at(&entry.path())?;
        }
    }
    Ok(())
}

struct Borrowed<'a> {
    data: &'a TensorData,
    shape: Vec<usize>,
}

impl View for Borrowed<'_> {
    fn dtype(&self) -> Dtype {
        self.data.dtype.to_safetensors()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data.bytes)
    }

    fn data_len(&self) -> usize {
        self.data.bytes.len()
    }
}

/// Writes one safetensors file, synced; names in sorted order.
pub fn write_tensors(path: &Path, tensors: &[TensorData]) -> Result<()> {
    let mut views = BTreeMap::new();
    for tensor in tensors {
        let refused = |what: &str| StoreError::checkpoint(path, format!("tensor `{}` {what}", tensor.name));
        let shape: Vec<usize> = tensor
            .shape
            .iter()
            .map(|n| usize::try_from(*n))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| refused("is too large"))?;
        let n_bytes = shape.iter().try_fold(tensor.dtype.n_bytes(), |n, dim| n.checked_mul(*dim));
        if n_bytes != Some(tensor.bytes.len()) {
            return Err(refused("has a shape that does not fit its bytes"));
        }
        if views.insert(tensor.name.clone(), Borrowed { data: tensor, shape }).is_some() {
            return Err(refused("is there twice"));
        }
    }
    safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
        SafeTensorError::IoError(source) => StoreError::Io { path: path.to_owned(), source },
        other => StoreError::checkpoint(path, other.to_string()),
    })?;
    File::open(path).and_then(|f| f.sync_all()).at(path)
}

fn parse_tensors(path: &Path, bytes: &[u8]) -> Result<Vec<TensorData>> {
    let refused = |message: String| StoreError::checkpoint(path, message);
    let parsed = SafeTensors::deserialize(bytes).map_err(|e| refused(e.to_string()))?;
    let mut tensors = vec![];
    for (name, view) in parsed.iter() {
        let dtype = DType::from_safetensors(view.dtype())
            .ok_or_else(|| refused(format!("tensor `{name}` is {}, which dlmc does not use", view.dtype())))?;
        let shape = view.shape().iter().map(|n| *n as u64).collect();
        tensors.push(TensorData { name: name.to_owned(), dtype, shape, bytes: view.data().to_vec() });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

fn read_state(path: &Path) -> Result<StateFile> {
    let state_path = path.join(STATE_FILE);
    let bytes = fs::read(&state_path).at(&state_path)?;
    let refused = |message: String| StoreError::checkpoint(&state_path, message);
    let state: StateFile = serde_json::from_slice(&bytes).map_err(|e| refused(e.to_string()))?;
    if state.version != STATE_VERSION {
        return Err(refused(format!("version {} (this dlmc reads {STATE_VERSION})", state.version)));
    }
    check_hash(&state_path, &state.state_hash, &hash_state(&state.state))?;
    // A copy may be called anything, but one that claims a step has to mean it.
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.starts_with("step-") && name != folder_name(state.step) {
        return Err(refused(format!("says it is step {}", state.step)));
    }
    Ok(state)
}

fn check_hash(path: &Path, expected: &str, found: &str) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(StoreError::checkpoint(path, format!("hash is {found}, was {expected} when written")))
}

fn hash_state(state: &serde_json::Value) -> String {
    blake3::hash(state.to_string().as_bytes()).to_hex().to_string()
}

/// In pieces, so that a checkpoint larger than memory can be verified. Reads what is on disk, not
/// what was meant to be written.
fn hash_file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).at(path)?).at(path)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Temporary files and folders are private; checkpoints are for everyone to read.
fn readable_by_all(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for entry in fs::read_dir(folder).at(folder)?.flatten() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).at(&entry.path())?;
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).at(folder)?;
    }
    let _ = folder;
    Ok(())
}
