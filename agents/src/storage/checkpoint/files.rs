//! The files of a checkpoint: their names, and the manifest with the size and checksum of each.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{error::Error, storage::run_dir::write_atomically};

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) files: BTreeMap<String, FileCheck>,
}

#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct FileCheck {
    pub(super) bytes: u64,
    crc32: u32,
}

pub(super) const EVALUATING: &str = "evaluating-";

pub(super) fn evaluating_files(i: usize) -> (String, String) {
    (format!("{EVALUATING}{i}.json"), format!("{EVALUATING}{i}.safetensors"))
}

pub(super) fn write_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_vec(value).map_err(|e| Error::Run(format!("{name}: {e}")))?;
    write_atomically(&folder.join(name), &json)
}

pub(super) fn read_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, Error> {
    let path = folder.join(name);
    let file = File::open(&path).map_err(|e| Error::io("read", &path, e))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|e| Error::io("read", &path, e.into()))
}

/// Size and checksum of a file, read in pieces.
pub(super) fn check_of(path: &Path) -> std::io::Result<FileCheck> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; 1 << 20]);
    let (mut hasher, mut bytes) = (crc32fast::Hasher::new(), 0);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(FileCheck { bytes, crc32: hasher.finalize() }),
            Ok(n) => {
                hasher.update(&piece[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
