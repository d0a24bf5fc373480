//! [`Values`]: numbers in a configuration or in a file beside it.

use serde::{Deserialize, Serialize};

use crate::EnvError;

/// Where the values of a [`Table`](super::Table) are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "course.values can be a list of numbers, \"slippery_ant\" or the path of a CSV file"
)]
pub enum Values {
    /// Here.
    List(Vec<f64>),
    /// In the table `"slippery_ant"`, or in the CSV file of this path: every line is one sequence,
    /// and the entry's `seed` is the number of the line, from 0. A file with one number on each line
    /// is a single sequence. Lines that begin with `#` are comments.
    File(String),
}

/// Friction of the 100 runs of Slippery Ant (Dohare et al. 2024, Nature 632), 50 values each.
const SLIPPERY_ANT: &str = include_str!("slippery_ant.csv");

impl Values {
    pub(super) fn read(&self, line: u64) -> Result<Vec<f64>, EnvError> {
        let values = match self {
            Self::List(values) => values.clone(),
            Self::File(name) if name == "slippery_ant" => sequence(SLIPPERY_ANT, line, name)?,
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    format!(
                        "course.values = \"{path}\" cannot be read: {error}; give a list, a CSV \
                         file or \"slippery_ant\""
                    )
                })?;
                sequence(&text, line, path)?
            }
        };
        if values.is_empty() {
            return Err("course.values has no number in it; give at least one".into());
        }
        Ok(values)
    }
}

/// Sequence number `seed` of a CSV file.
fn sequence(text: &str, seed: u64, name: &str) -> Result<Vec<f64>, EnvError> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    let lines: Vec<(usize, &str)> =
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    let column = lines.len() > 1 && lines.iter().all(|(_, line)| !line.contains(','));
    let wanted = if column {
        lines.as_slice()
    } else {
        let line = usize::try_from(seed).ok().and_then(|i| lines.get(i..=i));
        line.ok_or_else(|| {
            format!(
                "seed = {seed} asks for a sequence that {name} does not have; it has {}, counted \
                 from 0",
                lines.len()
            )
        })?
    };
    let mut values = Vec::new();
    for (number, line) in wanted {
        for word in line.split(',').map(str::trim) {
            values.push(word.parse().map_err(|_| {
                format!("line {number} of {name}: '{word}' is not a number; give plain numbers")
            })?);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_sequences_in_lines_or_one_in_a_column() {
        let rows = "# which\n1, 2,3\n\n4,5\n";
        assert_eq!(sequence(rows, 0, "x").expect("there"), [1.0, 2.0, 3.0]);
        assert_eq!(sequence(rows, 1, "x").expect("there"), [4.0, 5.0]);
        let error = sequence(rows, 2, "x.csv").expect_err("two lines").to_string();
        assert!(error.contains("seed = 2") && error.contains("x.csv") && error.contains("has 2,"));
        for seed in [0, 7] {
            assert_eq!(sequence("1\n2\n", seed, "x").expect("there"), [1.0, 2.0]);
        }
        let error = sequence("1,2\n3,x\n", 1, "x.csv").expect_err("no number").to_string();
        assert!(error.contains("line 2 of x.csv: 'x'"), "{error}");
    }

    /// 100 sequences of 50, log-uniform on 0.02 to 2 as published: the mean of log10 is -0.699, and
    /// its standard deviation 2 / sqrt(12) = 0.577.
    #[test]
    fn the_table_of_slippery_ant_is_as_published() {
        let all: Vec<Vec<f64>> =
            (0..100).map(|i| sequence(SLIPPERY_ANT, i, "x").expect("there")).collect();
        assert!(sequence(SLIPPERY_ANT, 100, "x").is_err());
        assert!(all.iter().all(|sequence| sequence.len() == 50));
        assert_eq!(all[0][..2], [0.296_088_422_5, 0.239_919_754]);
        let logs: Vec<f64> = all.concat().iter().map(|f| f.log10()).collect();
        let (low, high) = (0.02_f64.log10(), 2.0_f64.log10());
        assert!(logs.iter().all(|x| (low..=high).contains(x)));
        let mean = logs.iter().sum::<f64>() / 5000.0;
        let std = (logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 5000.0).sqrt();
        assert!((mean + 0.699).abs() < 0.03, "{mean}"); // 3.7 standard errors
        assert!((std - 0.577).abs() < 0.02, "{std}");
    }
}
