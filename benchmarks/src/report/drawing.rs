//! Drawings: colours, scales, and the shapes of SVG.

pub(super) mod palette;
pub(super) mod plot;
pub(super) mod scale;
pub(super) mod svg;
