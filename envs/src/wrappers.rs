//! Wrappers that [`Registry::make`](crate::Registry::make) puts around an environment. Each is an
//! [`Env`](crate::Env) around an `Env`, and implements what it changes; [`Env::inner`](crate::Env::inner)
//! answers for the rest.

mod action_repeat;
mod action_rescale;
mod frame_stack;
mod inner;
mod time_limit;

pub use action_repeat::ActionRepeat;
pub use action_rescale::ActionRescale;
pub use frame_stack::FrameStack;
pub(crate) use inner::load_inner;
pub use time_limit::TimeLimit;
