//! Small multiples: one panel for each method.

use maud::html;

use super::scene::Scene;
use crate::{
    report::{
        drawing::plot::{Frame, Words},
        drawing::scale::Scale,
        drawing::svg::{Drawing, fitted, polyline, px, text},
        words::{decimals, number},
    },
    study::Method,
};

/// All runs of each method.
pub(super) fn seeds(scene: Scene<'_>) -> Option<Drawing> {
    let methods: Vec<usize> = with_runs(scene, |m| m.runs.iter().any(|r| !r.curve.is_empty()));
    let bin = scene.study.score.bin as f64;
    let longest = scene.study.methods.iter().flat_map(|m| &m.runs).map(|r| r.curve.len()).max()?;
    let all = scene
        .study
        .methods
        .iter()
        .flat_map(|m| m.runs.iter().flat_map(|r| r.curve.iter().copied()));
    let grid = Grid::of(scene, methods.len(), if scene.narrow { 118.0 } else { 150.0 }, 30.0);
    let x = Scale::exact(0.0, longest as f64 * bin, if scene.narrow { 2 } else { 3 });
    let y = Scale::around(all, 4);
    let mean = |i: usize| -> Vec<f64> {
        scene.summary.curves.get(i).into_iter().flatten().map(|v| v.point).collect()
    };
    let baseline = scene.study.methods.iter().position(|m| m.baseline).map(mean);
    let panel = |(k, i): (usize, &usize)| {
        let (left, top) = grid.place(k);
        let frame =
            Frame { left, top, width: grid.width, height: grid.height, x: x.clone(), y: y.clone() };
        let course = |class: &str, values: &[f64]| {
            let points: Vec<(f64, f64)> = (1..)
                .zip(values)
                .filter(|(_, v)| v.is_finite())
                .map(|(n, v)| frame.at(f64::from(n) * bin, *v))
                .collect();
            polyline(class, &points)
        };
        let method = &scene.study.methods[*i];
        html! {
            (frame.axes(Words {
                head: &method.name,
                bare_x: !grid.is_last_row(k, methods.len()),
                bare_y: !grid.is_first_column(k),
                x: "",
                y: "",
            }))
            g class=(scene.looks[*i].class) {
                @for run in &method.runs { (course("run", &run.curve)) }
                @if let Some(values) = &baseline { @if !method.baseline { (course("beneath", values)) } }
                (course("mean", &mean(*i)))
            }
        }
    };
    let body = html! {
        @for panel in methods.iter().enumerate().map(panel) { (panel) }
        (text(scene.left() + grid.whole() / 2.0, grid.bottom() + 36.0, "axis mid", "steps"))
    };
    (!methods.is_empty()).then(|| scene.drawing(grid.bottom() + 46.0, body))
}

/// Performance on each task after each task, of methods that were evaluated so.
pub(super) fn matrix(scene: Scene<'_>) -> Option<Drawing> {
    let methods: Vec<usize> = with_runs(scene, |m| m.runs.iter().any(|r| r.matrix.len() > 1));
    let means: Vec<Vec<Vec<f64>>> =
        methods.iter().map(|i| mean_matrix(&scene.study.methods[*i])).collect();
    let scale = Scale::around(means.iter().flatten().flatten().copied(), 1);
    let (low, high) = if scene.study.score.lower_is_better {
        (scale.high, scale.low)
    } else {
        (scale.low, scale.high)
    };
    let side = if scene.narrow { 300.0 } else { 210.0 };
    let grid = Grid::of(scene, methods.len(), side, 26.0);
    let panel = |(k, (i, rows)): (usize, (&usize, &Vec<Vec<f64>>))| {
        let (left, top) = grid.place(k);
        let columns = rows.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let (width, height) = (grid.width / columns as f64, grid.height / rows.len().max(1) as f64);
        let places = decimals(rows.iter().flatten().copied());
        html! {
            (text(left, top - 9.0, "head", &fitted(&scene.study.methods[*i].name, 13.5, grid.width)))
            g class=(scene.looks[*i].class) {
                @for (a, row) in rows.iter().enumerate() {
                    @for (b, value) in row.iter().enumerate() {
                        @let (x, y) = (left + width * b as f64, top + height * a as f64);
                        @if value.is_finite() {
                            rect class="cell" x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height))
                                fill-opacity=(format!("{:.3}", 0.04 + 0.6 * ((value - low) / (high - low)))) {
                                title {
                                    "task " (b + 1) " after task " (a + 1) ": " (number(*value, places))
                                }
                            }
                            @if width >= 38.0 && height >= 16.0 {
                                (text(x + width / 2.0, y + height / 2.0 + 4.0, "small mid", &number(*value, places)))
                            }
                        }
                    }
                }
            }
            rect class="cellbox" x=(px(left)) y=(px(top)) width=(px(grid.width)) height=(px(grid.height)) {}
            @if grid.is_first_column(k) { (text(left - 8.0, top + 12.0, "tick end", "after 1")) }
            @if grid.is_first_column(k) {
                (text(left - 8.0, top + grid.height - 2.0, "tick end", &rows.len().to_string()))
            }
            (text(left + 2.0, top + grid.height + 15.0, "tick", "task 1"))
            (text(left + grid.width, top + grid.height + 15.0, "tick end", &columns.to_string()))
        }
    };
    let body =
        html! { @for panel in methods.iter().zip(&means).enumerate().map(panel) { (panel) } };
    (!methods.is_empty()).then(|| scene.drawing(grid.bottom() + 28.0, body))
}

fn with_runs(scene: Scene<'_>, wanted: impl Fn(&Method) -> bool) -> Vec<usize> {
    (0..scene.study.methods.len()).filter(|i| wanted(&scene.study.methods[*i])).collect()
}

/// Means over the runs that have an entry.
fn mean_matrix(method: &Method) -> Vec<Vec<f64>> {
    let matrices = || method.runs.iter().map(|r| &r.matrix);
    let rows = matrices().map(Vec::len).max().unwrap_or(0);
    let columns = matrices().flatten().map(Vec::len).max().unwrap_or(0);
    let entry = |a: usize, b: usize| {
        let values: Vec<f64> = matrices()
            .filter_map(|m| m.get(a)?.get(b))
            .copied()
            .filter(|v| v.is_finite())
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    (0..rows).map(|a| (0..columns).map(|b| entry(a, b)).collect()).collect()
}

/// Places of panels.
struct Grid {
    columns: usize,
    rows: usize,
    left: f64,
    width: f64,
    height: f64,
    gap: f64,
    between: f64,
}

impl Grid {
    fn of(scene: Scene<'_>, count: usize, height: f64, gap: f64) -> Grid {
        let most = if scene.narrow { 2 } else { 5 };
        let rows = count.div_ceil(most).max(1);
        // As many in each row as there can be without a last row that is nearly empty.
        let columns = count.div_ceil(rows).max(1);
        let room = scene.width() - scene.left() - 14.0;
        let width = (room - gap * (columns - 1) as f64) / columns as f64;
        let between = 26.0 + 0.8 * gap;
        Grid { columns, rows, left: scene.left(), width, height, gap, between }
    }

    fn place(&self, k: usize) -> (f64, f64) {
        let (row, column) = (k / self.columns, k % self.columns);
        (
            self.left + (self.width + self.gap) * column as f64,
            28.0 + (self.height + self.between) * row as f64,
        )
    }

    fn is_first_column(&self, k: usize) -> bool {
        k.is_multiple_of(self.columns)
    }

    /// Whether no panel is below.
    fn is_last_row(&self, k: usize, count: usize) -> bool {
        k + self.columns >= count
    }

    fn bottom(&self) -> f64 {
        28.0 + (self.height + self.between) * self.rows as f64 - self.between
    }

    fn whole(&self) -> f64 {
        self.width * self.columns as f64 + self.gap * (self.columns - 1) as f64
    }
}
