//! [`Layout`]: where numbers lie in the memory shared with a worker.

use crate::EnvSpec;

/// Where a slot's numbers lie; `worker/link.py` says what they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    slots: usize,
    pub(super) input_stride: usize,
    pub(super) output_stride: usize,
}

impl Layout {
    pub(super) const ACTION_AT: usize = 8;
    pub(super) const OBS_AT: usize = 24;

    pub(super) fn new(spec: &EnvSpec, slots: usize) -> Self {
        // Bytes or f32: room for either.
        let round = |bytes: usize| bytes.next_multiple_of(64);
        Self {
            slots,
            input_stride: round(Self::ACTION_AT + 4 * spec.action.size()),
            output_stride: round(Self::OBS_AT + 4 * spec.obs.size()),
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.slots * self.input_stride
    }

    pub(super) fn outputs(&self) -> usize {
        self.slots * self.output_stride
    }

    pub(super) fn input(&self, slot: usize) -> std::ops::Range<usize> {
        slot * self.input_stride..(slot + 1) * self.input_stride
    }

    pub(super) fn output(&self, slot: usize) -> std::ops::Range<usize> {
        slot * self.output_stride..(slot + 1) * self.output_stride
    }
}
