//! Named arrays in a safetensors file: what checkpoints and batch dumps are made of.

use std::{borrow::Cow, path::Path};

use networks::params::StateDict;
use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use crate::error::Error;

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
        e => Error::Run(format!("cannot write {}: {e}", path.display())),
    })
}

/// A whole safetensors file in memory.
pub struct TensorFile {
    bytes: Vec<u8>,
}

impl TensorFile {
    /// # Errors
    /// When the bytes are not a safetensors file.
    pub fn new(bytes: Vec<u8>) -> Result<Self, String> {
        SafeTensors::deserialize(&bytes).map_err(|e| format!("is not a safetensors file: {e}"))?;
        Ok(TensorFile { bytes })
    }

    /// All arrays as CPU tensors.
    ///
    /// # Errors
    /// When one has an element type that models do not have.
    pub fn state_dict(&self) -> Result<StateDict, String> {
        let view = self.view()?;
        view.iter()
            .map(|(name, t)| {
                let kind = match t.dtype() {
                    Dtype::F32 => Kind::Float,
                    Dtype::F64 => Kind::Double,
                    Dtype::I64 => Kind::Int64,
                    other => return Err(format!("`{name}` has element type {other:?}")),
                };
                let shape: Vec<i64> = t.shape().iter().map(|&d| d as i64).collect();
                Ok((name.to_owned(), Tensor::from_data_size(t.data(), &shape, kind)))
            })
            .collect()
    }

    pub(crate) fn read_f32(&self, name: &str, into: &mut [f32]) -> Result<(), String> {
        self.read(name, Dtype::F32, bytemuck::cast_slice_mut(into))
    }

    pub(crate) fn read_u32(&self, name: &str, into: &mut [u32]) -> Result<(), String> {
        self.read(name, Dtype::U32, bytemuck::cast_slice_mut(into))
    }

    pub(crate) fn read_u8(&self, name: &str, into: &mut [u8]) -> Result<(), String> {
        self.read(name, Dtype::U8, into)
    }

    fn read(&self, name: &str, dtype: Dtype, into: &mut [u8]) -> Result<(), String> {
        let view = self.view()?;
        let found = view.tensor(name).map_err(|_| format!("it lacks the array `{name}`"))?;
        if found.dtype() != dtype || found.data().len() != into.len() {
            return Err(format!(
                "array `{name}` is {:?} {:?}, which does not fit the configuration",
                found.dtype(),
                found.shape()
            ));
        }
        into.copy_from_slice(found.data());
        Ok(())
    }

    fn view(&self) -> Result<SafeTensors<'_>, String> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| e.to_string())
    }
}
