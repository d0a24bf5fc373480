//! Saved states as bytes: numbers one after the other, little-endian.

use crate::EnvError;

/// The numbers as bytes.
pub(crate) fn from_f64s(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Exactly `N` finite numbers; `id` names the environment in the error.
pub(crate) fn to_f64s<const N: usize>(bytes: &[u8], id: &str) -> Result<[f64; N], EnvError> {
    let mut numbers = [0.0; N];
    if bytes.len() != N * size_of::<f64>() {
        return Err(format!(
            "a saved state of {} bytes cannot be loaded into {id}, which takes {}; check that the \
             checkpoint is of the same environment",
            bytes.len(),
            N * size_of::<f64>()
        )
        .into());
    }
    for (number, chunk) in numbers.iter_mut().zip(bytes.chunks_exact(size_of::<f64>())) {
        *number = f64::from_le_bytes(chunk.try_into()?);
    }
    if let Some(i) = numbers.iter().position(|x| !x.is_finite()) {
        return Err(format!(
            "number {i} of a saved state of {id} is {}; the checkpoint is damaged",
            numbers[i]
        )
        .into());
    }
    Ok(numbers)
}

/// Any number of finite numbers; `id` names the environment in the error.
#[cfg(feature = "mujoco")]
pub(crate) fn to_f64_vec(bytes: &[u8], id: &str) -> Result<Vec<f64>, EnvError> {
    let chunks = bytes.chunks_exact(size_of::<f64>());
    if !chunks.remainder().is_empty() {
        return Err(format!(
            "a saved state of {id} has {} bytes, which is no whole number of f64; the checkpoint \
             is damaged",
            bytes.len()
        )
        .into());
    }
    let numbers: Vec<f64> =
        chunks.map(|chunk| chunk.try_into().map(f64::from_le_bytes)).collect::<Result<_, _>>()?;
    match numbers.iter().position(|x| !x.is_finite()) {
        None => Ok(numbers),
        Some(i) => Err(format!(
            "number {i} of a saved state of {id} is {}; the checkpoint is damaged",
            numbers[i]
        )
        .into()),
    }
}

/// Splits off the first `n` bytes, which belong to the wrapper `name`; the rest is the inner
/// environment's.
pub(crate) fn split<'a>(
    bytes: &'a [u8],
    n: usize,
    name: &str,
) -> Result<(&'a [u8], &'a [u8]), EnvError> {
    bytes.split_at_checked(n).ok_or_else(|| {
        format!(
            "a saved state of {} bytes is too short for {name}, which takes {n}; check that the \
             checkpoint was made with the same wrappers",
            bytes.len()
        )
        .into()
    })
}
