//! [`Canvas`]: a picture of simple shapes, in units of the environment. The crate tiny-skia draws.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform,
};

use crate::{EnvError, Frame};

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

const PAPER: Colour = [247, 245, 240];
/// Lines, rods, wheels.
pub(crate) const INK: Colour = [52, 58, 70];
/// What stands still.
pub(crate) const GREY: Colour = [176, 178, 184];
/// What is acted on.
pub(crate) const BLUE: Colour = [66, 122, 190];
/// What moves with it.
pub(crate) const ORANGE: Colour = [229, 142, 62];
/// Where to go.
pub(crate) const GREEN: Colour = [84, 158, 108];

/// A picture under way. Points are `[x, y]` in the environment's units, with `y` upward.
pub(crate) struct Canvas {
    pixels: Pixmap,
    to_pixels: Transform,
}

impl Canvas {
    /// `width` x `height` pixels, `scale` of them a unit, and the origin at pixel `origin` from the
    /// top left.
    pub(crate) fn new(
        [width, height]: [u32; 2],
        [x, y]: [f32; 2],
        scale: f32,
    ) -> Result<Self, EnvError> {
        let mut pixels = Pixmap::new(width, height)
            .ok_or_else(|| format!("a picture of {width} x {height} pixels cannot be made"))?;
        pixels.fill(colour(PAPER));
        Ok(Self { pixels, to_pixels: Transform::from_row(scale, 0.0, 0.0, -scale, x, y) })
    }

    /// A line through all points, with round ends.
    pub(crate) fn line(&mut self, points: &[[f32; 2]], width: f32, colour: Colour) {
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if let Some(path) = path(points, false) {
            self.pixels.stroke_path(&path, &paint(colour), &stroke, self.to_pixels, None);
        }
    }

    /// A filled shape with these corners.
    pub(crate) fn polygon(&mut self, points: &[[f32; 2]], colour: Colour) {
        self.fill(path(points, true), colour);
    }

    /// A filled rectangle from its lower left to its upper right corner.
    pub(crate) fn rect(
        &mut self,
        [left, bottom]: [f32; 2],
        [right, top]: [f32; 2],
        colour: Colour,
    ) {
        self.polygon(&[[left, bottom], [right, bottom], [right, top], [left, top]], colour);
    }

    /// A filled circle.
    pub(crate) fn disc(&mut self, [x, y]: [f32; 2], radius: f32, colour: Colour) {
        self.fill(PathBuilder::from_circle(x, y, radius), colour);
    }

    /// Shapes that have no place, of a state that is not finite, are left out.
    fn fill(&mut self, path: Option<Path>, colour: Colour) {
        if let Some(path) = path {
            let (paint, rule) = (paint(colour), FillRule::Winding);
            self.pixels.fill_path(&path, &paint, rule, self.to_pixels, None);
        }
    }

    /// The finished picture.
    pub(crate) fn frame(self) -> Frame {
        let (width, height) = (self.pixels.width() as usize, self.pixels.height() as usize);
        // Every pixel is opaque, so premultiplied colours are the colours.
        let rgb = self.pixels.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        Frame { width, height, rgb }
    }
}

fn path(points: &[[f32; 2]], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    path.move_to(first[0], first[1]);
    for point in rest {
        path.line_to(point[0], point[1]);
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn colour([r, g, b]: Colour) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

fn paint(of: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour(of));
    paint
}
