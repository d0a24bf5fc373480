//! TensorBoard: the event file of a run, and the dashboard made of it.
//!
//! tensorboard-rs' own writers panic on I/O errors, in a thread of theirs and then in ours, so only
//! its record format and its protobufs are used.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
    time::SystemTime,
};

use protobuf::Message;
use tensorboard_proto::{
    event::{Event, SessionLog_SessionStatus},
    layout::{Category, Chart, Layout, MultilineChartContent},
    summary::{Summary, Summary_Value, SummaryMetadata},
    tensor::TensorProto,
    tensor_shape::TensorShapeProto,
    types::DataType,
};
use tensorboard_rs::{record_writer::RecordWriter, summary};

use crate::{
    error::Error,
    logging::{
        dashboard::{self, Dashboard},
        histogram::Histogram,
    },
};

/// The event file of one process of a run, in the run folder itself, so that TensorBoard calls the run by
/// the folder's name. Files of earlier processes stay, so that an open viewer continues with this one.
pub struct Board {
    records: RecordWriter<BufWriter<File>>,
    path: PathBuf,
    /// When the run began, in seconds since 1970.
    began: f64,
    /// Seconds of the run at which the next event happened.
    wall_s: f64,
    /// Whether this file is to hold the whole record, because there is no older one.
    is_first: bool,
}

impl Board {
    /// An event file that holds the dashboard and comes after those of earlier processes, of which a viewer
    /// forgets what lies beyond `step`. `wall_before` is the time that the run took before.
    ///
    /// Events have the time at which the run began plus the seconds it took to them, so that pauses
    /// between processes do not show.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn create(
        dir: &Path,
        dashboard: &Dashboard,
        step: u64,
        wall_before: f64,
    ) -> Result<Board, Error> {
        let older = event_files(dir)?;
        let began = older.first().copied().unwrap_or((now() - wall_before) as u64);
        // Viewers read the files in the order of their names.
        let name = older.last().map_or(began, |last| (now() as u64).max(last + 1));
        let path = dir.join(format!("{EVENTS}{name:010}.{}", std::process::id()));
        let file = File::create(&path).map_err(|e| Error::io("write", &path, e))?;
        let mut board = Board {
            records: RecordWriter::new(BufWriter::new(file)),
            path,
            began: began as f64,
            wall_s: wall_before,
            is_first: older.is_empty(),
        };
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".to_owned()); // what every reader wants first
        board.event(version)?;
        if !board.is_first {
            let mut start = Event::new();
            start.set_step(step as i64 + 1);
            start.mut_session_log().set_status(SessionLog_SessionStatus::START);
            board.event(start)?;
        }
        board.layout(dashboard)?;
        board.flush()?;
        Ok(board)
    }

    /// Whether there was no event file in the folder, so that this one needs the whole record.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// What follows happened so many seconds into the run.
    pub fn at(&mut self, wall_s: f64) {
        self.wall_s = wall_s;
    }

    /// A number; TensorBoard's are f32.
    ///
    /// # Errors
    /// When the file cannot be written, as for everything here.
    pub fn scalar(&mut self, tag: &str, value: f64, step: u64) -> Result<(), Error> {
        self.summary(summary::scalar(tag, value as f32), step)
    }

    /// A histogram; nothing if it is empty.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn histogram(&mut self, tag: &str, h: &Histogram, step: u64) -> Result<(), Error> {
        let ([low, ..], [_, limits @ ..]) = (&h.edges[..], &h.edges[..]) else { return Ok(()) };
        let Some(high) = limits.last() else { return Ok(()) };
        let counts: Vec<f64> = h.counts.iter().map(|n| *n as f64).collect();
        // The sums, which TensorBoard does not show, as if each value lay in its bucket's middle.
        let sum_of = |power: i32| -> f64 {
            let middles = h.edges.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
            middles.zip(&counts).map(|(middle, n)| n * middle.powi(power)).sum()
        };
        let (n, sum, squares) = (sum_of(0), sum_of(1), sum_of(2));
        let histogram = summary::histogram_raw(tag, *low, *high, n, sum, squares, limits, &counts);
        self.summary(histogram, step)
    }

    /// A text in Markdown.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn text(&mut self, tag: &str, markdown: &str, step: u64) -> Result<(), Error> {
        self.summary(plugin_summary("text", tag, markdown.as_bytes().to_vec()), step)
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.records.flush().map_err(|e| Error::io("write", &self.path, e))
    }

    fn layout(&mut self, dashboard: &Dashboard) -> Result<(), Error> {
        let bytes = layout(dashboard).write_to_bytes();
        let bytes = bytes.map_err(|e| Error::io("write", &self.path, e.into()))?;
        self.summary(plugin_summary("custom_scalars", "custom_scalars__config__", bytes), 0)
    }

    fn summary(&mut self, summary: Summary, step: u64) -> Result<(), Error> {
        let mut event = Event::new();
        event.set_step(step as i64);
        event.set_summary(summary);
        self.event(event)
    }

    fn event(&mut self, mut event: Event) -> Result<(), Error> {
        event.set_wall_time(self.began + self.wall_s);
        let bytes = event.write_to_bytes().map_err(io::Error::from);
        let written = bytes.and_then(|bytes| self.records.write(&bytes));
        written.map_err(|e| Error::io("write", &self.path, e))
    }
}

/// A dashboard as TensorBoard reads it.
fn layout(dashboard: &Dashboard) -> Layout {
    let chart = |chart: &dashboard::Chart| {
        let mut lines = MultilineChartContent::new();
        // TensorBoard asks for a match at the beginning only.
        lines.set_tag(chart.tags.iter().map(|tag| format!("{tag}$")).collect());
        let mut out = Chart::new();
        out.set_title(chart.title.to_owned());
        out.set_multiline(lines);
        out
    };
    let category = |(title, charts): &(&'static str, Vec<dashboard::Chart>)| {
        let mut category = Category::new();
        category.set_title((*title).to_owned());
        category.set_chart(charts.iter().map(chart).collect());
        category
    };
    let mut layout = Layout::new();
    layout.set_category(dashboard.0.iter().map(category).collect());
    layout
}

/// One string for a plugin of TensorBoard: a tensor without dimensions, and whose it is.
fn plugin_summary(plugin: &str, tag: &str, bytes: Vec<u8>) -> Summary {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_tensor_shape(TensorShapeProto::new());
    tensor.set_string_val(vec![bytes].into());
    let mut metadata = SummaryMetadata::new();
    metadata.mut_plugin_data().set_plugin_name(plugin.to_owned());
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_owned());
    value.set_metadata(metadata);
    value.set_tensor(tensor);
    let mut summary = Summary::new();
    summary.set_value(vec![value].into());
    summary
}

const EVENTS: &str = "events.out.tfevents.";

/// The seconds in the names of the event files of earlier processes, in their order.
fn event_files(dir: &Path) -> Result<Vec<u64>, Error> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    let seconds = |name: &str| name.strip_prefix(EVENTS)?.split('.').next()?.parse().ok();
    let mut found: Vec<u64> =
        entries.flatten().filter_map(|e| seconds(&e.file_name().to_string_lossy())).collect();
    found.sort_unstable();
    Ok(found)
}

/// Seconds since 1970, for TensorBoard's axis of times.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}
