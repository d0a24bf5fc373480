//! The heads of DQN's network: one, or the two of dueling networks.

use tch::{Kind, Tensor};

/// Heads to outputs of each action, `[B, A, W]`; two heads are advantages and value (dueling eq. 9).
pub(super) fn per_action(heads: &[Tensor], width: i64) -> Tensor {
    let split = |t: &Tensor| t.view([t.size()[0], -1, width]);
    match heads {
        [q] => split(q),
        [advantage, value] => {
            let (advantage, value) = (split(advantage), split(value));
            &value + &advantage - advantage.mean_dim(Some([1i64].as_slice()), true, None::<Kind>)
        }
        _ => unreachable!("DQN asks for one or two heads"),
    }
}
