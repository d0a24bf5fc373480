//! Pictures: each cell a square in the colour of what is in it, the last channel on top.

use super::game::{CELLS, Colour, SIDE};
use crate::Frame;

/// Pixels of a cell's side, the dark line below and to the right included.
const CELL: usize = 32;
const LINE: Colour = [14, 14, 20];
const EMPTY: Colour = [26, 26, 36];

/// The picture of an observation `[C, 10, 10]`.
pub(super) fn draw(obs: &[f32], channels: &[Colour]) -> Frame {
    let width = SIDE * CELL;
    let mut rgb = LINE.repeat(width * width);
    for cell in 0..CELLS {
        let top = (0..channels.len()).rev().find(|channel| obs[channel * CELLS + cell] != 0.0);
        let colour = top.map_or(EMPTY, |channel| channels[channel]);
        let (x, y) = (cell % SIDE * CELL, cell / SIDE * CELL);
        for row in y..y + CELL - 1 {
            let start = row * width + x;
            for pixel in rgb[start * 3..(start + CELL - 1) * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
    Frame { width, height: width, rgb }
}
