//! Keyword arguments as JSON. TOML has infinities and NaN, which JSON lacks; Python's `json.loads` reads them as its
//! own `json.dumps` writes them: `Infinity`, `-Infinity`, `NaN`.

use toml::Value;

/// A value as Python reads it.
///
/// # Errors
/// A date or time: Python would get a text and the environment perhaps expect a `datetime`.
pub(super) fn json(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => "NaN".to_owned(),
        Value::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Value::Float(number) => format!("{number:?}"), // the shortest that is read as the same
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => {
            return Err(format!(
                "{time} is a date or time, which no environment takes; write it as a text"
            ));
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(json).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Value::Table(table) => {
            let entry =
                |(key, value): (&String, &Value)| Ok(format!("{}:{}", quoted(key), json(value)?));
            format!(
                "{{{}}}",
                table.iter().map(entry).collect::<Result<Vec<_>, String>>()?.join(",")
            )
        }
    })
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_reads_what_was_written() {
        let text = r#"
            f = [1.0, -0.5, 1e300, 5e-324, inf, -inf, nan]
            i = 9223372036854775807
            t = { "a \"quoted\" key" = true, text = "\u0000\n\\ ü" }
        "#;
        let table: toml::Table = text.parse().unwrap();
        let out = json(&Value::Table(table)).unwrap();
        assert_eq!(
            out,
            "{\"f\":[1.0,-0.5,1e300,5e-324,Infinity,-Infinity,NaN],\"i\":9223372036854775807,\
             \"t\":{\"a \\\"quoted\\\" key\":true,\"text\":\"\\u0000\\n\\\\ ü\"}}"
        );
        let date: toml::Table = "d = 1979-05-27".parse().unwrap();
        assert!(json(&date["d"]).unwrap_err().starts_with("1979-05-27 is a date"));
    }
}
