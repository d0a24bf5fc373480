//! Videos of the episodes that `supple eval` plays: a picture of every step as a PNG file, and each
//! episode as a GIF, which shows everywhere.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use agents::runtime::evaluate::LANES;
use anyhow::{Context, Result, anyhow, bail, ensure};
use envs::{Action, Env, EnvError, EnvSpec, Frame, Step};
use gif::Repeat;

/// Videos under way. They appear in their folder all at once, when [`Video::finish`] is called.
pub(crate) struct Video {
    folder: PathBuf,
    /// Where they are until then; removed if they do not get there.
    partial: PathBuf,
    plan: Plan,
    /// Environments under record.
    lanes: Cell<usize>,
}

#[derive(Clone, Copy)]
struct Plan {
    episodes: usize,
    fps: u16,
}

impl Video {
    /// Prepares to record the first `episodes` episodes of environments like `env`, called `name`.
    /// Resets it.
    pub(crate) fn begin(
        folder: &Path,
        fps: u16,
        episodes: usize,
        env: &mut dyn Env,
        name: &str,
    ) -> Result<Self> {
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(0, &mut obs).map_err(|e| anyhow!(e))?;
        let frame = env.render().map_err(|e| anyhow!("{name} cannot be drawn: {e}"))?;
        ensure!(frame.is_some(), "{name} cannot be drawn; leave out --video");

        let free = !folder.exists()
            || folder.is_dir() && fs::read_dir(folder).is_ok_and(|mut all| all.next().is_none());
        let shown = folder.display();
        ensure!(free, "{shown} already holds something; give --video a new or empty folder");
        let Some(last) = folder.file_name() else {
            bail!("{shown} is no name for a new folder; give --video another one");
        };
        let mut last = last.to_owned();
        last.push(".partial");
        let partial = folder.with_file_name(last);
        ensure!(
            !partial.exists(),
            "{} is of a recording under way or broken off; remove it, or give --video another folder",
            partial.display()
        );
        let what = || format!("cannot make the folder {}", partial.display());
        fs::create_dir_all(&partial).with_context(what)?;
        let (folder, plan) = (folder.to_owned(), Plan { episodes, fps });
        Ok(Self { folder, partial, plan, lanes: Cell::new(0) })
    }

    /// The same environment, under record. [`agents::runtime::evaluate::evaluate`] says which episodes it
    /// plays: those from its number on, in steps of [`LANES`].
    pub(crate) fn record(&self, env: Box<dyn Env>) -> Box<dyn Env> {
        let episode = self.lanes.replace(self.lanes.get() + 1);
        let (folder, plan) = (self.partial.clone(), self.plan);
        Box::new(Recorder { env, folder, plan, episode, reel: None })
    }

    /// Where they will be.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts the videos into their folder.
    pub(crate) fn finish(self) -> Result<()> {
        fs::rename(&self.partial, &self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // Nothing is left there after `finish`; without it an error is on its way out already.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

/// Draws the environment after every step.
struct Recorder {
    env: Box<dyn Env>,
    folder: PathBuf,
    plan: Plan,
    /// The number of the next one.
    episode: usize,
    reel: Option<Reel>,
}

impl Recorder {
    fn shoot(&mut self) -> Result<(), EnvError> {
        let Some(reel) = &mut self.reel else { return Ok(()) };
        let frame = self.env.render()?.ok_or("it could be drawn at first, but not any more")?;
        reel.add(&frame).map_err(|e| format!("{e:#}").into())
    }
}

impl Env for Recorder {
    fn spec(&self) -> EnvSpec {
        self.env.spec()
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset(seed, obs)?;
        let wanted = self.episode < self.plan.episodes;
        self.reel = wanted.then(|| Reel::new(&self.folder, self.episode, self.plan.fps));
        self.episode += LANES.min(self.plan.episodes);
        self.shoot()
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let interruptions = self.env.interruptions();
        let step = self.env.step(action, obs)?;
        if self.env.interruptions() != interruptions {
            // The episode is played again, and so is recorded again.
            if let Some(reel) = self.reel.take() {
                reel.discard().map_err(|e| format!("{e:#}"))?;
            }
            self.episode -= LANES.min(self.plan.episodes);
            return Ok(step);
        }
        self.shoot()?;
        if (step.terminated || step.truncated)
            && let Some(reel) = self.reel.take()
        {
            reel.end().map_err(|e| format!("{e:#}"))?;
        }
        Ok(step)
    }

    /// Never early: a worker draws between steps, and none may be on its way then.
    fn begin(&mut self, _action: Action<'_>) -> bool {
        false
    }

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }
}

/// The files of one episode.
struct Reel {
    /// Holds the PNG files.
    folder: PathBuf,
    /// The GIF file; open from the first picture on.
    gif: Option<gif::Encoder<BufWriter<File>>>,
    count: u32,
    fps: u16,
}

impl Reel {
    fn new(folder: &Path, episode: usize, fps: u16) -> Self {
        Self { folder: folder.join(format!("episode-{episode:03}")), gif: None, count: 0, fps }
    }

    fn add(&mut self, frame: &Frame) -> Result<()> {
        let Frame { width, height, rgb } = frame;
        ensure!(
            rgb.len() == width * height * 3 && !rgb.is_empty(),
            "a picture of {width} x {height} pixels has {} bytes, not {}",
            rgb.len(),
            width * height * 3
        );
        if self.gif.is_none() {
            fs::create_dir(&self.folder)
                .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        }
        let path = self.folder.join(format!("frame-{:05}.png", self.count));
        write_png(&path, frame).with_context(|| format!("cannot write {}", path.display()))?;
        let path = self.folder.with_extension("gif");
        self.add_to_gif(&path, frame)
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.count += 1;
        Ok(())
    }

    /// Ends the GIF file.
    fn end(self) -> Result<()> {
        let Some(gif) = self.gif else { return Ok(()) };
        let written = || -> Result<()> { Ok(gif.into_inner()?.flush()?) };
        written().with_context(|| format!("cannot write {}", self.folder.display()))
    }

    /// Removes the files again.
    fn discard(self) -> Result<()> {
        if self.gif.is_none() {
            return Ok(());
        }
        for removed in
            [fs::remove_dir_all(&self.folder), fs::remove_file(self.folder.with_extension("gif"))]
        {
            removed.with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        Ok(())
    }

    fn add_to_gif(&mut self, path: &Path, frame: &Frame) -> Result<()> {
        let (width, height) = (u16::try_from(frame.width)?, u16::try_from(frame.height)?);
        if self.gif.is_none() {
            let file = BufWriter::new(File::create(path)?);
            let mut encoder = gif::Encoder::new(file, width, height, &[])?;
            encoder.set_repeat(Repeat::Infinite)?;
            self.gif = Some(encoder);
        }
        // From 1 (best) to 30 (fastest); matters only for pictures of more than 256 colours.
        let mut picture = gif::Frame::from_rgb_speed(width, height, &frame.rgb, 10);
        // Hundredths of a second, so that their sum keeps pace.
        let until = |count: u32| count * 100 / u32::from(self.fps);
        picture.delay = u16::try_from(until(self.count + 1) - until(self.count))?;
        if let Some(gif) = &mut self.gif {
            gif.write_frame(&picture)?;
        }
        Ok(())
    }
}

fn write_png(path: &Path, frame: &Frame) -> Result<()> {
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(frame.width)?, u32::try_from(frame.height)?);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&frame.rgb)?;
    writer.finish()?;
    Ok(fs::write(path, bytes)?)
}
