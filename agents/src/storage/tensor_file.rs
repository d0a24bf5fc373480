//! Named arrays in a safetensors file: what checkpoints and batch dumps are made of.

use std::{borrow::Cow, fs::File, os::unix::fs::FileExt, path::Path};

use networks::params::StateDict;
use safetensors::{
    Dtype, View,
    tensor::{Metadata, TensorInfo},
};
use tch::{Kind, Tensor};

use crate::{error::Error, paths::shown};

/// One array to write, borrowed where possible.
#[derive(Debug)]
pub struct Saved<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Saved<'a> {
    /// Of `shape`.
    pub fn f32(shape: &[usize], data: &'a [f32]) -> Self {
        Saved { dtype: Dtype::F32, shape: shape.to_vec(), bytes: bytemuck::cast_slice(data).into() }
    }

    /// Of `shape`.
    pub fn f64(shape: &[usize], data: &'a [f64]) -> Self {
        Saved { dtype: Dtype::F64, shape: shape.to_vec(), bytes: bytemuck::cast_slice(data).into() }
    }

    /// Of `shape`.
    pub fn u32(shape: &[usize], data: &'a [u32]) -> Self {
        Saved { dtype: Dtype::U32, shape: shape.to_vec(), bytes: bytemuck::cast_slice(data).into() }
    }

    /// Of `shape`.
    pub fn u8(shape: &[usize], data: &'a [u8]) -> Self {
        Saved { dtype: Dtype::U8, shape: shape.to_vec(), bytes: data.into() }
    }

    /// A copy of a tensor: i64 and f64 as they are, everything else as f32.
    pub fn tensor(t: &Tensor) -> Saved<'static> {
        let t = t.detach().to_device(tch::Device::Cpu).contiguous();
        let shape = t.size().iter().map(|&d| d as usize).collect();
        let (dtype, bytes) = match t.kind() {
            Kind::Int64 => (Dtype::I64, copy(&t, 0i64)),
            Kind::Double => (Dtype::F64, copy(&t, 0f64)),
            _ => (Dtype::F32, copy(&t.to_kind(Kind::Float), 0f32)),
        };
        Saved { dtype, shape, bytes: bytes.into() }
    }
}

fn copy<T: tch::kind::Element + bytemuck::Pod>(t: &Tensor, zero: T) -> Vec<u8> {
    let mut data = vec![zero; t.numel()];
    let n = data.len();
    t.copy_data(&mut data, n);
    bytemuck::cast_slice(&data).to_vec()
}

impl View for &Saved<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes the arrays to `path`. Not atomic: the caller writes into a temporary folder.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, arrays: &[(String, Saved<'_>)]) -> Result<(), Error> {
    let views = arrays.iter().map(|(name, saved)| (name.as_str(), saved));
    safetensors::serialize_to_file(views, None, path).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(e) => Error::io("write", path, e),
        e => Error::Run(format!("cannot write {}: {e}", shown(path).display())),
    })
}

/// A safetensors file of which only the header is in memory; arrays are read from the disk when asked
/// for, straight to where they go.
pub struct TensorFile {
    file: File,
    header: Metadata,
    /// Where the arrays begin.
    data_at: u64,
}

impl TensorFile {
    /// # Errors
    /// When the file cannot be read or is not a safetensors file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let what = |e: &dyn std::fmt::Display| format!("is not a safetensors file: {e}");
        let file = File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
        let length = file.metadata().map_err(|e| format!("cannot be read: {e}"))?.len();
        let mut size = [0; 8];
        file.read_exact_at(&mut size, 0).map_err(|e| what(&e))?;
        let size = u64::from_le_bytes(size);
        if size > length.saturating_sub(8) {
            return Err(what(&"its header is longer than the file"));
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, 8).map_err(|e| what(&e))?;
        let header: Metadata = serde_json::from_slice(&bytes).map_err(|e| what(&e))?;
        let data_at = 8 + size;
        if header.data_len() as u64 != length - data_at {
            return Err(what(&"its length is not the one its header states"));
        }
        Ok(TensorFile { file, header, data_at })
    }

    /// All arrays as CPU tensors.
    ///
    /// # Errors
    /// When one has an element type that models do not have, or cannot be read.
    pub fn state_dict(&self) -> Result<StateDict, String> {
        let names = self.header.offset_keys();
        names
            .into_iter()
            .map(|name| {
                let info = self.info(&name)?;
                let kind = match info.dtype {
                    Dtype::F32 => Kind::Float,
                    Dtype::F64 => Kind::Double,
                    Dtype::I64 => Kind::Int64,
                    other => return Err(format!("`{name}` has element type {other:?}")),
                };
                let shape: Vec<i64> = info.shape.iter().map(|&d| d as i64).collect();
                let mut data = vec![0; info.data_offsets.1 - info.data_offsets.0];
                self.read_at(&name, info, &mut data)?;
                Ok((name, Tensor::from_data_size(&data, &shape, kind)))
            })
            .collect()
    }

    pub(crate) fn read_f32(&self, name: &str, into: &mut [f32]) -> Result<(), String> {
        self.read(name, Dtype::F32, bytemuck::cast_slice_mut(into))
    }

    pub(crate) fn read_f64(&self, name: &str, into: &mut [f64]) -> Result<(), String> {
        self.read(name, Dtype::F64, bytemuck::cast_slice_mut(into))
    }

    pub(crate) fn read_u32(&self, name: &str, into: &mut [u32]) -> Result<(), String> {
        self.read(name, Dtype::U32, bytemuck::cast_slice_mut(into))
    }

    pub(crate) fn read_u8(&self, name: &str, into: &mut [u8]) -> Result<(), String> {
        self.read(name, Dtype::U8, into)
    }

    fn read(&self, name: &str, dtype: Dtype, into: &mut [u8]) -> Result<(), String> {
        let info = self.info(name)?;
        if info.dtype != dtype || info.data_offsets.1 - info.data_offsets.0 != into.len() {
            return Err(format!(
                "array `{name}` is {:?} {:?}, which does not fit the configuration",
                info.dtype, info.shape
            ));
        }
        self.read_at(name, info, into)
    }

    fn read_at(&self, name: &str, info: &TensorInfo, into: &mut [u8]) -> Result<(), String> {
        let at = self.data_at + info.data_offsets.0 as u64;
        self.file.read_exact_at(into, at).map_err(|e| format!("array `{name}` cannot be read: {e}"))
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, String> {
        self.header.info(name).ok_or_else(|| format!("it lacks the array `{name}`"))
    }
}
