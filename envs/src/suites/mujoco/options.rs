//! Keyword arguments of an environment, declared once with type and default.

use toml::Value;

use crate::{EnvError, Kwargs, registry::kwargs::as_number};

/// What [`options!`] implements.
pub(crate) trait Options: Sized {
    /// All names.
    const NAMES: &'static [&'static str];

    /// Defaults, but for what `kwargs` says. Names not in [`Options::NAMES`] are ignored.
    ///
    /// # Errors
    /// A value of the wrong type.
    fn read(kwargs: &Kwargs) -> Result<Self, EnvError>;

    /// The model: a file of the suite, or a path.
    fn xml_file(&self) -> &str;

    /// How many steps of the engine make one of the environment.
    fn frame_skip(&self) -> u32;
}

/// A struct of keyword arguments, `name: type = default`, after the defaults of `xml_file` and
/// `frame_skip`, which all take.
macro_rules! options {
    (
        $(#[$doc:meta])*
        $name:ident($xml_file:literal, $frame_skip:literal) {
            $($option:ident: $kind:ty = $default:expr),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[allow(clippy::struct_excessive_bools, reason = "Gymnasium's options are many flags")]
        pub(crate) struct $name {
            xml_file: String,
            frame_skip: $crate::suites::mujoco::options::FrameSkip,
            $($option: $kind,)*
        }

        impl $crate::suites::mujoco::options::Options for $name {
            const NAMES: &'static [&'static str] =
                &["xml_file", "frame_skip", $(stringify!($option)),*];

            fn read(kwargs: &$crate::Kwargs) -> Result<Self, $crate::EnvError> {
                use $crate::suites::mujoco::options::{FrameSkip, read};
                Ok(Self {
                    xml_file: read(kwargs, "xml_file")?.unwrap_or_else(|| $xml_file.into()),
                    frame_skip: read(kwargs, "frame_skip")?.unwrap_or(FrameSkip($frame_skip)),
                    $($option: read(kwargs, stringify!($option))?
                        .unwrap_or_else(|| $default.into()),)*
                })
            }

            fn xml_file(&self) -> &str {
                &self.xml_file
            }

            fn frame_skip(&self) -> u32 {
                self.frame_skip.0
            }
        }
    };
}
pub(crate) use options;

/// What a keyword argument may be.
pub(crate) trait Kind: Sized {
    const WORDS: &'static str;

    fn from_value(value: &Value) -> Option<Self>;
}

/// The keyword argument `name`, or `None` if it is not given.
pub(crate) fn read<T: Kind>(kwargs: &Kwargs, name: &str) -> Result<Option<T>, EnvError> {
    let Some(value) = kwargs.get(name) else { return Ok(None) };
    match T::from_value(value) {
        Some(value) => Ok(Some(value)),
        None => {
            Err(format!("keyword argument {name} = {value} is wrong; give {}", T::WORDS).into())
        }
    }
}

impl Kind for f64 {
    const WORDS: &'static str = "a finite number";

    fn from_value(value: &Value) -> Option<Self> {
        as_number(value).filter(|number| number.is_finite())
    }
}

impl Kind for bool {
    const WORDS: &'static str = "true or false";

    fn from_value(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Kind for String {
    const WORDS: &'static str = "a text";

    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().map(String::from)
    }
}

/// How many steps of the engine make one of the environment.
#[derive(Clone, Copy)]
pub(crate) struct FrameSkip(pub(crate) u32);

impl Kind for FrameSkip {
    const WORDS: &'static str = "a whole number of at least 1";

    fn from_value(value: &Value) -> Option<Self> {
        u32::try_from(value.as_integer()?).ok().filter(|&steps| steps > 0).map(Self)
    }
}

/// How far noise reaches: zero or more.
#[derive(Clone, Copy)]
pub(crate) struct Scale(pub(crate) f64);

impl From<f64> for Scale {
    fn from(scale: f64) -> Self {
        Self(scale)
    }
}

impl Kind for Scale {
    const WORDS: &'static str = "a finite number of at least 0";

    fn from_value(value: &Value) -> Option<Self> {
        as_number(value).filter(|&scale| scale >= 0.0 && scale.is_finite()).map(Self)
    }
}

/// Two bounds, the lower one first; `inf` and `-inf`, also as texts, for none.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Range {
    /// Strictly between the bounds.
    pub(crate) fn contains(self, x: f64) -> bool {
        self.low < x && x < self.high
    }

    /// `numpy.clip`.
    pub(crate) fn clip(self, x: f64) -> f64 {
        x.max(self.low).min(self.high)
    }
}

impl From<[f64; 2]> for Range {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

impl Kind for Range {
    const WORDS: &'static str = "two numbers, the lower one first, with inf or -inf for no bound";

    fn from_value(value: &Value) -> Option<Self> {
        let [low, high] = value.as_array()?.as_slice() else { return None };
        let bound = |value: &Value| match value {
            Value::String(word) if word == "inf" => Some(f64::INFINITY),
            Value::String(word) if word == "-inf" => Some(f64::NEG_INFINITY),
            number => as_number(number),
        };
        let (low, high) = (bound(low)?, bound(high)?);
        (low <= high).then_some(Self { low, high })
    }
}

/// A body of the model.
pub(crate) enum Body {
    Number(usize),
    Name(String),
}

impl Kind for Body {
    const WORDS: &'static str = "the name or the number of a body";

    fn from_value(value: &Value) -> Option<Self> {
        let number = || Some(Self::Number(usize::try_from(value.as_integer()?).ok()?));
        value.as_str().map(|name| Self::Name(name.into())).or_else(number)
    }
}
