//! TensorBoard: the event file of a run.
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
    event::Event,
    summary::{Summary, Summary_Value, SummaryMetadata},
    tensor::TensorProto,
    tensor_shape::TensorShapeProto,
    types::DataType,
};
use tensorboard_rs::{record_writer::RecordWriter, summary};

use crate::{error::Error, histogram::Histogram};

/// The event file of one run, in the run folder itself, so that TensorBoard calls the run by the
/// folder's name.
pub struct Board {
    records: RecordWriter<BufWriter<File>>,
    path: PathBuf,
}

impl Board {
    /// An event file in place of those of earlier processes.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn create(dir: &Path) -> Result<Board, Error> {
        remove_events(dir)?;
        let name = format!("events.out.tfevents.{:010}.{}", now() as u64, std::process::id());
        let path = dir.join(name);
        let file = File::create(&path).map_err(|e| Error::io("write", &path, e))?;
        let mut board = Board { records: RecordWriter::new(BufWriter::new(file)), path };
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".to_owned()); // what every reader wants first
        board.event(version)?;
        board.flush()?;
        Ok(board)
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

    fn summary(&mut self, summary: Summary, step: u64) -> Result<(), Error> {
        let mut event = Event::new();
        event.set_step(step as i64);
        event.set_summary(summary);
        self.event(event)
    }

    fn event(&mut self, mut event: Event) -> Result<(), Error> {
        event.set_wall_time(now());
        let bytes = event.write_to_bytes().map_err(io::Error::from);
        let written = bytes.and_then(|bytes| self.records.write(&bytes));
        written.map_err(|e| Error::io("write", &self.path, e))
    }
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

/// Event files of earlier processes.
fn remove_events(dir: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("events.out.tfevents.") {
            std::fs::remove_file(&path).map_err(|e| Error::io("replace", &path, e))?;
        }
    }
    Ok(())
}

/// Seconds since 1970, for TensorBoard's axis of times.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}
