//! Wrappers around the age: which steps of a changing environment are seen.

mod fixed_step;
mod step_offset;

pub use fixed_step::FixedStep;
pub use step_offset::StepOffset;
