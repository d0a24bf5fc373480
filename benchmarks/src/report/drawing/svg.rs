//! Drawings: SVG that a page can contain, and files of it.
//!
//! Elements have classes and no colours. A page gives them its own, by day and by night; a file gets
//! [`FIGURE_CSS`] with the colours of the day. Why not a plotting library: those we know
//! write elements without classes or groups, so that nothing could be highlighted or change its colour,
//! and their labels at the ends of lines would have been ours to place in any case.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use super::palette::LIGHT;
use crate::report::looks::{Look, still_css};

/// What all drawings share, in colours that are variables.
pub(in crate::report) const FIGURE_CSS: &str = include_str!("figure.css");

/// Dots of a PNG for each unit of a drawing.
const DENSITY: f32 = 2.0;

/// Elements on a canvas of so many units (pixels of a page).
pub(in crate::report) struct Drawing {
    pub(in crate::report) width: f64,
    pub(in crate::report) height: f64,
    pub(in crate::report) body: Markup,
}

impl Drawing {
    /// An element of a page. `label` is what it shows, for those who do not see it.
    pub(in crate::report) fn inline(&self, class: &str, label: &str) -> Markup {
        html! {
            svg class=(class) viewBox=(format!("0 0 {} {}", px(self.width), px(self.height)))
                role="img" aria-label=(label) { (self.body) }
        }
    }

    /// A file by itself, on white.
    pub(in crate::report) fn file(&self, title: &str, looks: &[Look]) -> String {
        let css = LIGHT.resolve(&format!("{FIGURE_CSS}{}", still_css(looks)));
        let (width, height) = (px(self.width), px(self.height));
        html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
                viewBox=(format!("0 0 {width} {height}"))
                font-family="'DejaVu Sans', Verdana, Arial, sans-serif" {
                title { (title) }
                style { (PreEscaped(css)) }
                rect width="100%" height="100%" fill=(LIGHT.paper) {}
                (self.body)
            }
        }
        .into_string()
    }
}

/// Turns drawings into pictures, with a font of its own, so that they are the same on every machine.
pub(in crate::report) struct Painter {
    options: Options<'static>,
}

impl Painter {
    pub(in crate::report) fn new() -> Painter {
        let mut fonts = Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.load_font_data(dejavu::sans::bold().to_vec());
        let mut options = Options { font_family: "DejaVu Sans".to_owned(), ..Options::default() };
        *options.fontdb_mut() = fonts;
        Painter { options }
    }

    /// The PNG of an SVG file.
    ///
    /// # Errors
    /// When `svg` is none, or larger than memory.
    pub(in crate::report) fn png(&self, svg: &str) -> Result<Vec<u8>, String> {
        let tree = Tree::from_str(svg, &self.options).map_err(|e| e.to_string())?;
        let [width, height] =
            [tree.size().width(), tree.size().height()].map(|side| (side * DENSITY).ceil() as u32);
        let mut picture = Pixmap::new(width, height).ok_or("it has no size, or too much of it")?;
        picture.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(DENSITY, DENSITY), &mut picture.as_mut());
        encode(&picture).map_err(|e| e.to_string())
    }
}

/// A figure is opaque, so it has three channels; and pictures of lines are small whatever the effort.
fn encode(picture: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let dots: Vec<u8> = picture.data().chunks_exact(4).flat_map(|dot| &dot[..3]).copied().collect();
    encoder.write_header()?.write_image_data(&dots)?;
    Ok(file)
}

/// A coordinate: a tenth of a pixel is more than anybody sees.
pub(in crate::report) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text at a place. `class` has its size, colour and anchor.
pub(in crate::report) fn text(x: f64, y: f64, class: &str, words: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) class=(class) { (words) } }
}

/// A straight line.
pub(in crate::report) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Markup {
    html! { line class=(class) x1=(px(x1)) y1=(px(y1)) x2=(px(x2)) y2=(px(y2)) {} }
}

/// A line through points.
pub(in crate::report) fn polyline(class: &str, points: &[(f64, f64)]) -> Markup {
    html! { polyline class=(class) points=(coordinates(points)) {} }
}

/// An area.
pub(in crate::report) fn polygon(class: &str, points: &[(f64, f64)]) -> Markup {
    html! { polygon class=(class) points=(coordinates(points)) {} }
}

/// A disc.
pub(in crate::report) fn disc(class: &str, (x, y): (f64, f64), radius: f64) -> Markup {
    html! { circle class=(class) cx=(px(x)) cy=(px(y)) r=(px(radius)) {} }
}

fn coordinates(points: &[(f64, f64)]) -> String {
    let mut all = String::with_capacity(12 * points.len());
    for (x, y) in points {
        let _ = write!(all, "{},{} ", px(*x), px(*y));
    }
    all.truncate(all.trim_end().len());
    all
}

/// About how wide `words` are at `size`; rather too wide (`DejaVu`, the widest of the fonts in use).
pub(in crate::report) fn width_of(words: &str, size: f64) -> f64 {
    let width = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' | '['
        | ']' | 't' | 'f' | 'r' | '-' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
        c if c.is_ascii_uppercase() => 0.70,
        c if c.is_ascii() => 0.62,
        '\u{202f}' => 0.3,
        '\u{2212}' | '\u{2013}' => 0.75,
        _ => 0.9,
    };
    size * words.chars().map(width).sum::<f64>()
}

/// `words`, cut off where they would be wider than `most`.
pub(in crate::report) fn fitted(words: &str, size: f64, most: f64) -> String {
    if width_of(words, size) <= most {
        return words.to_owned();
    }
    let mut cut: Vec<char> = words.chars().collect();
    while !cut.is_empty() && width_of(&cut.iter().collect::<String>(), size) + size * 0.9 > most {
        cut.pop();
    }
    cut.iter().collect::<String>().trim_end().to_owned() + "…"
}
