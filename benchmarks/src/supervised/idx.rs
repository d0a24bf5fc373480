//! IDX files, in which MNIST comes (yann.lecun.com/exdb/mnist): a magic number whose third byte is the
//! type (8: bytes) and whose fourth the number of dimensions, the dimensions as big-endian u32, the data.

use std::path::Path;

/// Bytes in the shape of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// `[N, height, width]` of images, `[N]` of labels.
    pub shape: Vec<usize>,
    /// The last dimension is the fastest.
    pub data: Vec<u8>,
}

/// Reads a file of bytes with this number of dimensions.
///
/// # Errors
/// One sentence: it cannot be read, is compressed, is no such file, or is cut off.
pub fn read(path: &Path, dimensions: usize) -> Result<Idx, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    parse(&bytes, dimensions).map_err(|e| format!("{}: {e}", path.display()))
}

fn parse(bytes: &[u8], dimensions: usize) -> Result<Idx, String> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("it is compressed; unpack it with gunzip".to_owned());
    }
    let head = 4 + 4 * dimensions;
    if bytes.len() < head || bytes[..4] != [0, 0, 8, dimensions as u8] {
        return Err(format!(
            "it is no IDX file of bytes with {dimensions} dimensions (images have 3, labels 1)"
        ));
    }
    let size = |b: &[u8]| b.iter().fold(0usize, |n, &b| n << 8 | usize::from(b));
    let shape: Vec<usize> = bytes[4..head].chunks(4).map(size).collect();
    let wanted = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let data = &bytes[head..];
    if wanted != Some(data.len()) || data.is_empty() {
        return Err(format!(
            "it promises {shape:?} bytes and holds {}; it is cut off or damaged",
            data.len()
        ));
    }
    Ok(Idx { shape, data: data.to_vec() })
}
