//! Bounds in serialised form. JSON has no infinity, so infinite bounds are the strings `"inf"`
//! and `"-inf"` there.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Bound {
    Number(f32),
    Word(String),
}

pub(crate) fn serialize<S: Serializer>(bounds: &[f32], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(bounds.iter().map(|&bound| {
        if bound.is_finite() { Bound::Number(bound) } else { Bound::Word(bound.to_string()) }
    }))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
    let bounds = Vec::<Bound>::deserialize(from)?;
    bounds
        .into_iter()
        .map(|bound| match bound {
            Bound::Number(number) => Ok(number),
            Bound::Word(word) => word.parse().map_err(|_| {
                D::Error::custom(format!("bound '{word}' is not a number; write inf or -inf"))
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{ActionSpace, EnvSpec};

    #[test]
    fn a_spec_with_infinite_bounds_survives_json() {
        let spec = EnvSpec::vector(2, ActionSpace::symmetric(3)).with_time_limit(7);
        let json = serde_json::to_string(&spec).expect("a spec is plain data");
        assert!(json.contains(r#""-inf""#), "{json}");
        assert_eq!(serde_json::from_str::<EnvSpec>(&json).expect("just written"), spec);
    }
}
