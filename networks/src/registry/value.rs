//! A table out of any format: TOML's values, and JSON's, where a key that is null counts as left out.

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use toml::{Table, Value};

/// `None` where the format says null.
pub(super) struct Loose(pub(super) Option<Value>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Loose)
    }
}

/// A table in which keys that are null are left out.
pub(crate) fn read_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
    match Loose::deserialize(deserializer)?.0 {
        Some(Value::Table(table)) => Ok(table),
        other => {
            let found = other.map_or("null", |value| value.type_str());
            Err(D::Error::custom(format!("invalid type: {found}, expected a map")))
        }
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a kind or a table with it")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(Any)
    }

    fn visit_bool<E>(self, x: bool) -> Result<Self::Value, E> {
        Ok(Some(x.into()))
    }

    fn visit_i64<E>(self, x: i64) -> Result<Self::Value, E> {
        Ok(Some(x.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, x: u64) -> Result<Self::Value, E> {
        let x = i64::try_from(x).map_err(|_| E::custom(format!("{x} is too large")))?;
        Ok(Some(x.into()))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Self::Value, E> {
        Ok(Some(x.into()))
    }

    fn visit_str<E>(self, x: &str) -> Result<Self::Value, E> {
        Ok(Some(x.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Loose(item)) = seq.next_element()? {
            items.extend(item);
        }
        Ok(Some(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut table = Table::new();
        while let Some((key, Loose(value))) = map.next_entry::<String, Loose>()? {
            if let Some(value) = value {
                table.insert(key, value);
            }
        }
        Ok(Some(Value::Table(table)))
    }
}
