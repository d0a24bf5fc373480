//! Pictures: the whole world, what is seen of it lighter.

use super::world::{HEIGHT, WALL, WIDTH, World};
use crate::canvas::{BLUE, Canvas, Colour, INK};
use crate::{EnvError, Frame};

/// Pixels of a cell's side.
const CELL: u32 = 20;
const UNSEEN: Colour = [216, 215, 212];
const OYSTER: Colour = [124, 61, 81];
const CHANTERELLE: Colour = [218, 145, 0];

/// Walls are squares, food is round, and so is the player, over what is in its cell.
pub(super) fn draw(world: &World, aperture: usize) -> Result<Frame, EnvError> {
    let size = [WIDTH as u32 * CELL, HEIGHT as u32 * CELL];
    let mut canvas = Canvas::new(size, [0.0, 0.0], CELL as f32)?;
    for y in 0..HEIGHT {
        for (x, &cell) in world.row(y).iter().enumerate() {
            let (left, top) = (x as f32, -(y as f32));
            let (low, high) = ([left, top - 1.0], [left + 1.0, top]);
            let seen = near(x, world.x, WIDTH, aperture) && near(y, world.y, HEIGHT, aperture);
            let middle = [left + 0.5, top - 0.5];
            match cell {
                WALL => canvas.rect(low, high, INK),
                food => {
                    if !seen {
                        canvas.rect(low, high, UNSEEN);
                    }
                    match food {
                        1 | 3 => canvas.disc(middle, 0.4, OYSTER),
                        2 | 4 => canvas.disc(middle, 0.4, CHANTERELLE),
                        _ => {}
                    }
                }
            }
            if (x, y) == (world.x, world.y) {
                canvas.disc(middle, 0.3, BLUE);
            }
        }
    }
    Ok(canvas.frame())
}

/// Whether two places are within a view of this width, on a ring.
fn near(a: usize, b: usize, around: usize, aperture: usize) -> bool {
    let apart = a.abs_diff(b);
    apart.min(around - apart) <= aperture / 2
}
