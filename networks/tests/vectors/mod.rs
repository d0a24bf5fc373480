//! Reads the reference's numbers in `golden/`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path};

use serde_json::Value;
use tch::Tensor;

/// `golden/vectors_NAME.json`
pub(crate) fn vectors(name: &str) -> Value {
    let file = format!("tests/golden/vectors_{name}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Nested lists of numbers as an f64 tensor.
pub(crate) fn tensor(v: &Value) -> Tensor {
    match v {
        Value::Array(rows) if rows.iter().all(Value::is_number) => {
            Tensor::from_slice(&rows.iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>())
        }
        Value::Array(rows) => Tensor::stack(&rows.iter().map(tensor).collect::<Vec<_>>(), 0),
        other => Tensor::from(other.as_f64().unwrap()),
    }
}
